#!/usr/bin/env bash
set -euo pipefail
# shellcheck source=infra/scripts/aws_target.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../scripts/aws_target.sh"

usage() {
  cat <<'HELP'
List the topic's subscriptions, one per line. With ENDPOINT, send a HEAD request to that address too.

Exit 1 if there is no subscription, one is not confirmed, or ENDPOINT does not return 200.

variables:
  ENDPOINT         the gateway's address as SNS reaches it
  SNS_TOPIC_ARN    the topic [file-processing-topic of the account and region]
  ACCOUNT_ID       the topic's account, if SNS_TOPIC_ARN is not set [the caller's]
  AWS_PROFILE      [etl-playground], unless there are other credentials
  AWS_REGION       [us-gov-west-1]
  AWS_ENDPOINT_URL an emulator instead of AWS, in region us-east-1 unless AWS_REGION is set

example:
  ENDPOINT=https://files.example.org/ AWS_PROFILE=etl-playground ./sns_probe_listener.sh
HELP
}

take_no_arguments "$@"
[[ -z ${ENDPOINT:-} ]] || need_tools curl
aim_at_aws
find_topic

listed=$(aws sns list-subscriptions-by-topic --topic-arn "$SNS_TOPIC_ARN" --output text \
  --query 'Subscriptions[].[Protocol, Endpoint, SubscriptionArn]') ||
  fail "cannot list the subscriptions of $SNS_TOPIC_ARN; check that the topic exists"
problems=()
[[ -n $listed && $listed != None ]] || problems+=("$SNS_TOPIC_ARN has no subscription")
while IFS=$'\t' read -r protocol endpoint arn; do
  [[ -n $protocol && $protocol != None ]] || continue
  if [[ $arn == arn:* ]]; then
    echo "confirmed  $protocol  $endpoint"
  else
    echo "waiting    $protocol  $endpoint"
    problems+=("$endpoint has not confirmed its subscription")
  fi
done <<<"$listed"

if [[ -n ${ENDPOINT:-} ]]; then
  status=$(curl --silent --show-error --head --max-time 10 --output /dev/null --write-out '%{http_code}' "$ENDPOINT") ||
    status="no answer"
  echo "HEAD $ENDPOINT: $status"
  [[ $status == 200 ]] || problems+=("$ENDPOINT returns '$status' to HEAD, not 200")
fi
[[ ${#problems[@]} -eq 0 ]] || fail "$(printf '%s; ' "${problems[@]}")see docs/operate/symptoms.md"
