#!/usr/bin/env bash
set -euo pipefail
# shellcheck source=infra/scripts/aws_target.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../scripts/aws_target.sh"

usage() {
  cat <<'HELP'
Publish the message that S3 would publish. Without KEY an s3:TestEvent, which the platform deletes from its queue; with
KEY the event of that object, which it ingests as if the object had just arrived.

variables:
  KEY              an object of BUCKET, such as from_client/nm_albuquerque/Officer_Detail.csv
  BUCKET           its bucket, required with KEY
  SNS_TOPIC_ARN    the topic [file-processing-topic of the account and region]
  ACCOUNT_ID       the topic's account, if SNS_TOPIC_ARN is not set [the caller's]
  AWS_PROFILE      [etl-playground], unless there are other credentials
  AWS_REGION       [us-gov-west-1]
  AWS_ENDPOINT_URL an emulator instead of AWS, in region us-east-1 unless AWS_REGION is set

example:
  ./sns_test_topic.sh
  BUCKET=etl-file-processing-client-etl KEY=from_client/nm_albuquerque/Officer_Detail.csv ./sns_test_topic.sh
HELP
}

take_no_arguments "$@"
need_tools python3
[[ -z ${KEY:-} ]] || need_bucket
aim_at_aws
find_topic

if [[ -n ${KEY:-} ]]; then
  aws s3api head-object --bucket "$BUCKET" --key "$KEY" >/dev/null ||
    fail "s3://$BUCKET/$KEY cannot be read; its event would be rejected. Upload it first"
fi
message=$(
  python3 - "${BUCKET:-}" "${KEY:-}" <<'PYTHON'
import json
import sys
from urllib.parse import quote_plus

bucket, key = sys.argv[1:]
# S3 form-encodes keys in its events, except for slashes.
described = {"bucket": {"name": bucket}, "object": {"key": quote_plus(key, safe="/")}}
record = {"eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": described}
print(json.dumps({"Records": [record]} if key else {"Service": "Amazon S3", "Event": "s3:TestEvent"}))
PYTHON
)
id=$(aws sns publish --topic-arn "$SNS_TOPIC_ARN" --subject "Amazon S3 Notification" --message "$message" \
  --query MessageId --output text) ||
  fail "cannot publish to $SNS_TOPIC_ARN; check that the topic exists and that the caller has sns:Publish"
echo "published ${KEY:-s3:TestEvent} to $SNS_TOPIC_ARN as $id"
