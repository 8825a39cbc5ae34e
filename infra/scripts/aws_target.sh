# shellcheck shell=bash
# Credentials and region of the scripts, and their error messages. Sourced, never run.

fail() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

usage_error() {
  printf '%s: %s\nTry: %s --help\n' "${0##*/}" "$*" "$0" >&2
  exit 2
}

take_no_arguments() {
  [[ $# -gt 0 ]] || return 0
  [[ $1 != -h && $1 != --help ]] || { usage && exit 0; }
  usage_error "takes no arguments, but got '$1'"
}

need_tools() {
  local tool
  for tool in "$@"; do
    command -v "$tool" >/dev/null || fail "$tool is not on PATH; install it, see the tools in docs/deploy/one-machine.md"
  done
}

# Old versions of the AWS CLI ignore AWS_ENDPOINT_URL, and would change the real AWS instead of the emulator.
aws() {
  command aws ${AWS_ENDPOINT_URL:+--endpoint-url "$AWS_ENDPOINT_URL"} "$@"
}

# Credentials in the environment, or an emulator, override the profile: a profile that does not exist fails every call.
aim_at_aws() {
  need_tools aws
  if [[ -n ${AWS_ENDPOINT_URL:-} ]]; then
    unset AWS_PROFILE
    export AWS_ACCESS_KEY_ID=${AWS_ACCESS_KEY_ID:-test} AWS_SECRET_ACCESS_KEY=${AWS_SECRET_ACCESS_KEY:-test}
    AWS_REGION=${AWS_REGION:-us-east-1}
  elif [[ -n ${AWS_ACCESS_KEY_ID:-}${AWS_WEB_IDENTITY_TOKEN_FILE:-} ]] ||
    [[ -n ${AWS_CONTAINER_CREDENTIALS_FULL_URI:-}${AWS_CONTAINER_CREDENTIALS_RELATIVE_URI:-} ]]; then
    unset AWS_PROFILE
  else
    export AWS_PROFILE=${AWS_PROFILE-etl-playground}
    [[ -n $AWS_PROFILE ]] || unset AWS_PROFILE
  fi
  export AWS_REGION=${AWS_REGION:-us-gov-west-1} AWS_PAGER=''
  export AWS_DEFAULT_REGION=$AWS_REGION
}

# Sets SNS_TOPIC_ARN to file-processing-topic of ACCOUNT_ID, else of the caller's account, unless it is given.
find_topic() {
  local caller partition account
  [[ ${ACCOUNT_ID:-000000000000} =~ ^[0-9]{12}$ ]] || usage_error "ACCOUNT_ID takes 12 digits, not '$ACCOUNT_ID'"
  if [[ -z ${SNS_TOPIC_ARN:-} ]]; then
    caller=$(aws sts get-caller-identity --query Arn --output text) ||
      fail "AWS refuses these credentials (${AWS_PROFILE:+profile $AWS_PROFILE, }region $AWS_REGION);" \
        "log in, or set AWS_PROFILE and AWS_REGION"
    IFS=: read -r _ partition _ _ account _ <<<"$caller"
    SNS_TOPIC_ARN=arn:$partition:sns:$AWS_REGION:${ACCOUNT_ID:-$account}:file-processing-topic
  fi
  [[ $SNS_TOPIC_ARN =~ ^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+(\.fifo)?$ ]] ||
    usage_error "SNS_TOPIC_ARN takes arn:<partition>:sns:<region>:<account>:<name>, not '$SNS_TOPIC_ARN'"
}

need_bucket() {
  [[ ${BUCKET:-} =~ ^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$ ]] ||
    usage_error "BUCKET takes the name of a bucket, not '${BUCKET:-}'"
}
