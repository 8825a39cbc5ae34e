#!/usr/bin/env bash
set -euo pipefail
# shellcheck source=infra/scripts/aws_target.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../scripts/aws_target.sh"
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)

usage() {
  cat <<'HELP'
usage: setup_localstack.sh [HOST] [PORT]

Create bucket, topic and queues in the local emulator, and print their settings. Starts the emulator of
infra/local/docker-compose.yml if none is running. Running it twice changes nothing.

Without HOST the topic sends to the queue directly. With HOST it sends to a gateway in development mode, which the emulator
reaches at http://HOST:PORT/, and neither directly nor to the gateway of an earlier call: every event would arrive twice.

variables:
  AWS_ENDPOINT_URL the emulator [http://127.0.0.1:4566]

example:
  ./setup_localstack.sh
  ./setup_localstack.sh host.docker.internal 8080
HELP
}

emulator_answers() {
  curl --silent --fail --noproxy '*' --max-time 5 --output /dev/null "$AWS_ENDPOINT_URL/_ministack/ready"
}

start_emulator() {
  [[ $AWS_ENDPOINT_URL =~ ^http://(127\.0\.0\.1|localhost):([0-9]+)/?$ ]] ||
    fail "no emulator answers at AWS_ENDPOINT_URL=$AWS_ENDPOINT_URL; start it, or unset the variable"
  docker compose version >/dev/null 2>&1 ||
    fail "no emulator answers at $AWS_ENDPOINT_URL, and 'docker compose' is not installed to start one; run 'make dev', which does not need it"
  EMULATOR_PORT=${BASH_REMATCH[2]} \
    docker compose --file "$repository/infra/local/docker-compose.yml" up --detach --wait emulator >&2
}

# Unsubscribes the topic's subscriptions that meet a JMESPath condition.
end_subscriptions() {
  local condition=$1 listed arn
  listed=$(aws sns list-subscriptions-by-topic --topic-arn "$topic_arn" --output text \
    --query "Subscriptions[?$condition].[SubscriptionArn]")
  while read -r arn; do
    [[ $arn != arn:* ]] || aws sns unsubscribe --subscription-arn "$arn"
  done <<<"$listed"
}

[[ ${1:-} != -h && ${1:-} != --help ]] || { usage && exit 0; }
[[ $# -le 2 ]] || usage_error "takes HOST and PORT only, but got $# arguments"
host=${1:-}
port=${2:-8080}
[[ -z $host || $host =~ ^[A-Za-z0-9.-]+$ ]] || usage_error "HOST takes a name or an address, not '$host'"
[[ $port =~ ^[1-9][0-9]{0,4}$ && $port -le 65535 ]] ||
  usage_error "PORT takes a number from 1 to 65535, not '$port'"
need_tools curl
[[ -x $repository/.venv/bin/python ]] || fail "the environment $repository/.venv does not exist; run make setup"
export AWS_ENDPOINT_URL=${AWS_ENDPOINT_URL:-http://127.0.0.1:4566} AWS_REGION=us-east-1
aim_at_aws

emulator_answers || start_emulator
settings=$(cd "$repository" && .venv/bin/python -m etl_platform.local provision "$AWS_ENDPOINT_URL") ||
  fail "the emulator's resources could not be created; see the error above"
topic_arn=$(sed -n 's/^GATEWAY_ALLOWED_TOPIC_ARNS=//p' <<<"$settings")
if [[ -n $host ]]; then
  gateway=http://$host:$port/
  SNS_TOPIC_ARN=$topic_arn ENDPOINT=$gateway "$repository/infra/file_processing/scripts/sns_subscribe.sh" >&2
  end_subscriptions "Protocol=='sqs' || Protocol=='http' && Endpoint!='$gateway'"
else
  end_subscriptions "Protocol=='http'"
fi
printf 'AWS_ENDPOINT_URL=%s\nAWS_REGION=%s\n%s\n' "$AWS_ENDPOINT_URL" "$AWS_REGION" "$settings"
