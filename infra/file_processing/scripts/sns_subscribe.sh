#!/usr/bin/env bash
set -euo pipefail
# shellcheck source=infra/scripts/aws_target.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../scripts/aws_target.sh"

usage() {
  cat <<'HELP'
Subscribe the gateway's address to the topic and wait up to 30 s for the confirmation. Running it twice changes nothing.

Not needed if SNS sends to the queue directly. With both, every event arrives twice.

variables:
  ENDPOINT         the gateway's address as SNS reaches it, https://…/, required; http only with AWS_ENDPOINT_URL
  SNS_TOPIC_ARN    the topic [file-processing-topic of the account and region]
  ACCOUNT_ID       the topic's account, if SNS_TOPIC_ARN is not set [the caller's]
  AWS_PROFILE      [etl-playground], unless there are other credentials
  AWS_REGION       [us-gov-west-1]
  AWS_ENDPOINT_URL an emulator instead of AWS, in region us-east-1 unless AWS_REGION is set

example:
  ENDPOINT=https://files.example.org/ AWS_PROFILE=etl-playground ./sns_subscribe.sh
HELP
}

subscription() {
  aws sns list-subscriptions-by-topic --topic-arn "$SNS_TOPIC_ARN" --output text \
    --query "Subscriptions[?Endpoint=='$ENDPOINT'].SubscriptionArn | [0]" ||
    fail "cannot list the subscriptions of $SNS_TOPIC_ARN; check that the topic exists"
}

take_no_arguments "$@"
[[ ${ENDPOINT:-} =~ ^(https?)://[A-Za-z0-9.:-]+/[^\'[:space:]]*$ ]] ||
  usage_error "ENDPOINT takes https://<host>/, with its last slash, not '${ENDPOINT:-}'"
protocol=${BASH_REMATCH[1]}
[[ $protocol == https || -n ${AWS_ENDPOINT_URL:-} ]] ||
  usage_error "ENDPOINT takes an https address: over http others could read the notifications"
aim_at_aws
find_topic

# A pending subscription is requested again, so that SNS repeats its confirmation.
if [[ $(subscription) != arn:* ]]; then
  aws sns subscribe --topic-arn "$SNS_TOPIC_ARN" --protocol "$protocol" --notification-endpoint "$ENDPOINT" >/dev/null ||
    fail "SNS refuses to subscribe $ENDPOINT to $SNS_TOPIC_ARN; see the error above"
fi
for ((second = 0; second < 30; second++)); do
  found=$(subscription)
  if [[ $found == arn:* ]]; then
    echo "confirmed: $found"
    exit
  fi
  sleep 1
done
fail "$ENDPOINT did not confirm within 30 s. SNS must reach it, with a certificate of a public authority, and" \
  "GATEWAY_ALLOWED_TOPIC_ARNS must contain $SNS_TOPIC_ARN: docs/operate/symptoms.md, \"A subscription stays unconfirmed\""
