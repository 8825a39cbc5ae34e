#!/usr/bin/env bash
set -euo pipefail
# shellcheck source=infra/scripts/aws_target.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../scripts/aws_target.sh"

usage() {
  cat <<'HELP'
Allow one bucket of one account to publish to the topic. Other statements of its policy stay. Running it twice changes
nothing.

For a topic that Terraform does not manage; Terraform sets the policy of its own.

variables:
  BUCKET           the bucket, required
  ACCOUNT_ID       its account [the topic's]
  SNS_TOPIC_ARN    the topic [file-processing-topic of ACCOUNT_ID, else of the caller's account]
  AWS_PROFILE      [etl-playground], unless there are other credentials
  AWS_REGION       [us-gov-west-1]
  AWS_ENDPOINT_URL an emulator instead of AWS, in region us-east-1 unless AWS_REGION is set

example:
  BUCKET=etl-file-processing-client-etl ./sns_set_topic_policy.sh
HELP
}

take_no_arguments "$@"
need_bucket
need_tools python3
aim_at_aws
find_topic
IFS=: read -r _ partition _ _ account _ <<<"$SNS_TOPIC_ARN"
ACCOUNT_ID=${ACCOUNT_ID:-$account}

policy=$(aws sns get-topic-attributes --topic-arn "$SNS_TOPIC_ARN" --query Attributes.Policy --output text) ||
  fail "cannot read the policy of $SNS_TOPIC_ARN; check that the topic exists and that the caller has sns:GetTopicAttributes"
wanted=$(
  python3 - "$policy" "$SNS_TOPIC_ARN" "arn:$partition:s3:::$BUCKET" "$ACCOUNT_ID" <<'PYTHON'
import json
import sys

text, topic, bucket, account = sys.argv[1:]
found = json.loads(text) if text not in ("", "None") else {}
statements = found.get("Statement", [])
statements = statements if isinstance(statements, list) else [statements]


def is_ours(statement):
    conditions = statement.get("Condition", {}).values()
    principal = statement.get("Principal")
    service = principal.get("Service") if isinstance(principal, dict) else None
    return service == "s3.amazonaws.com" and any(of.get("aws:SourceArn") == bucket for of in conditions)


ours = {
    "Effect": "Allow",
    "Principal": {"Service": "s3.amazonaws.com"},
    "Action": "sns:Publish",
    "Resource": topic,
    "Condition": {"ArnEquals": {"aws:SourceArn": bucket}, "StringEquals": {"aws:SourceAccount": account}},
}
if ours not in statements:
    kept = [statement for statement in statements if not is_ours(statement)]
    print(json.dumps({"Version": "2012-10-17", **found, "Statement": [*kept, ours]}))
PYTHON
)
if [[ -z $wanted ]]; then
  echo "unchanged: $BUCKET may publish to $SNS_TOPIC_ARN"
  exit
fi
aws sns set-topic-attributes --topic-arn "$SNS_TOPIC_ARN" --attribute-name Policy --attribute-value "$wanted" ||
  fail "cannot set the policy of $SNS_TOPIC_ARN; check that the caller has sns:SetTopicAttributes"
echo "set: $BUCKET of account $ACCOUNT_ID may publish to $SNS_TOPIC_ARN"
