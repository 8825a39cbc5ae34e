#!/usr/bin/env bash
set -euo pipefail
# shellcheck source=infra/scripts/aws_target.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../scripts/aws_target.sh"

usage() {
  cat <<'HELP'
usage: s3_configure_notifications.sh [--remove]

Notify the topic of new objects under a prefix of a bucket; --remove ends that. All other notifications of the bucket
stay. Terraform calls this for a bucket that it did not create.

Running it twice changes nothing. The topic must allow the bucket to publish: run ./sns_set_topic_policy.sh first.

variables:
  BUCKET           the bucket, required
  SOURCE_PREFIX    the prefix [from_client/]
  SNS_TOPIC_ARN    the topic [file-processing-topic of the account and region]
  ACCOUNT_ID       the topic's account, if SNS_TOPIC_ARN is not set [the caller's]
  AWS_PROFILE      [etl-playground], unless there are other credentials
  AWS_REGION       [us-gov-west-1]
  AWS_ENDPOINT_URL an emulator instead of AWS, in region us-east-1 unless AWS_REGION is set

example:
  BUCKET=etl-file-processing-client-etl AWS_PROFILE=etl-playground ./s3_configure_notifications.sh
  BUCKET=etl-file-processing-client-etl ./s3_configure_notifications.sh --remove
HELP
}

change=add
if [[ ${1:-} == --remove ]]; then
  change=remove
  shift
fi
take_no_arguments "$@"
need_bucket
need_tools python3
prefix=${SOURCE_PREFIX:-from_client/}
[[ $prefix == */ && $prefix != /* ]] || usage_error "SOURCE_PREFIX takes a prefix that ends with / and does not start with one, not '$prefix'"
aim_at_aws
find_topic

found=$(aws s3api get-bucket-notification-configuration --bucket "$BUCKET" --output json) ||
  fail "cannot read the notifications of $BUCKET; check that it exists and that the caller has s3:GetBucketNotification"
# A write replaces all notifications of the bucket, and sends an s3:TestEvent to each target.
wanted=$(
  python3 - "$found" "$SNS_TOPIC_ARN" "$prefix" "$change" <<'PYTHON'
import json
import sys

text, topic, prefix, change = sys.argv[1:]
found = json.loads(text or "{}")
topics = found.get("TopicConfigurations", [])
ours = {
    "Id": "file-arrivals",
    "TopicArn": topic,
    "Events": ["s3:ObjectCreated:*"],
    "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": prefix}]}},
}


def signature(item):
    rules = item.get("Filter", {}).get("Key", {}).get("FilterRules", [])
    # S3 returns "Prefix" where "prefix" was set.
    return item["TopicArn"], item["Events"], [(rule["Name"].lower(), rule["Value"]) for rule in rules]


for item in topics:
    if change == "add" and item.get("Id") == ours["Id"] and item["TopicArn"] != topic:
        sys.exit(
            f"its notification {ours['Id']} goes to {item['TopicArn']}, which belongs to another stack. Remove that notification first "
            f"(--remove with SNS_TOPIC_ARN={item['TopicArn']} and its SOURCE_PREFIX)"
        )
if change == "add" and signature(ours) not in map(signature, topics):
    kept = [item for item in topics if item.get("Id") != ours["Id"]]
    print(json.dumps({**found, "TopicConfigurations": [*kept, ours]}))
elif change == "remove" and signature(ours) in map(signature, topics):
    kept = [item for item in topics if signature(item) != signature(ours)]
    print(json.dumps({**found, "TopicConfigurations": kept}))
PYTHON
) || fail "nothing was changed on $BUCKET; see the error above"
if [[ $change == add ]]; then
  state="$BUCKET notifies $SNS_TOPIC_ARN of $prefix"
else
  state="$BUCKET does not notify $SNS_TOPIC_ARN of $prefix"
fi
if [[ -z $wanted ]]; then
  echo "unchanged: $state"
  exit
fi
aws s3api put-bucket-notification-configuration --bucket "$BUCKET" --notification-configuration "$wanted" ||
  fail "S3 refuses the notification of $BUCKET. If it cannot validate the destination, run sns_set_topic_policy.sh first;" \
    "if configurations overlap, another notification covers $prefix: aws s3api get-bucket-notification-configuration shows it"
echo "set: $state"
