# shellcheck shell=bash
# What the manage.sh of both stacks share: arguments, confirmation, calls of Terraform.
# Sourced after aws_target.sh, with stack set to the folder that contains terraform/.

tf() {
  # stack is set by the script that sources this.
  # shellcheck disable=SC2154
  terraform -chdir="$stack/terraform" "$@"
}

# The value of a variable, empty for null. Only Terraform can combine terraform.tfvars, TF_VAR_…, defaults and the command's
# own -var and -var-file.
tf_variable() {
  local answer argument given=()
  for argument in ${tf_arguments[@]+"${tf_arguments[@]}"}; do
    [[ ! $argument =~ ^--?var(-file)?= ]] || given+=("$argument")
  done
  answer=$(tf console ${given[@]+"${given[@]}"} <<<"jsonencode(nonsensitive(var.$1))") ||
    fail "terraform cannot read its variable $1; see the error above"
  python3 -c 'import json, sys; print(json.loads(json.load(sys.stdin)) or "")' <<<"$answer"
}

# Splits COMMAND [--yes] [argument of terraform …] into action, assume_yes and tf_arguments.
read_command() {
  action=${1:-} assume_yes=false tf_arguments=()
  [[ -n $action ]] || usage_error "a command is missing"
  shift
  local argument
  for argument in "$@"; do
    case $argument in
      --yes) assume_yes=true ;;
      -h | --help) action=--help ;;
      -*) [[ $action != update-image ]] || usage_error "$action does not take '$argument'" && tf_arguments+=("$argument") ;;
      *) [[ $action == outputs ]] || usage_error "$action does not take '$argument'" && tf_arguments+=("$argument") ;;
    esac
  done
}

need_terraform() {
  need_tools terraform
  [[ $action != init && ! -d $stack/terraform/.terraform ]] || return 0
  # Nothing can be planned or deleted that was never applied from here, so that is more likely a wrong folder.
  [[ $action == apply ]] || fail "$stack/terraform is not initialized; run '$0 init' first"
  tf init
}

confirm() {
  local answer=''
  [[ $assume_yes == false ]] || return 0
  printf '%s\nType yes to continue: ' "$1" >&2
  read -r answer || true
  [[ $answer == yes ]] || fail "stopped, nothing was changed; type yes, or pass --yes"
}

# Without --yes, Terraform shows the plan and asks.
tf_apply() {
  [[ $assume_yes == false ]] || tf_arguments+=(-auto-approve)
  tf apply ${tf_arguments[@]+"${tf_arguments[@]}"}
}
