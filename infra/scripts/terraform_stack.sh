# shellcheck shell=bash
# The Terraform half of both stacks' manage.sh: arguments, confirmation, Terraform's own answers.
# Sourced after aws_target.sh, with stack set to the folder that holds terraform/.

tf() {
  # stack is set by the script that sources this.
  # shellcheck disable=SC2154
  terraform -chdir="$stack/terraform" "$@"
}

# What a variable is after terraform.tfvars, TF_VAR_…, defaults and the command's own -var and -var-file: only Terraform
# knows. Empty for null.
tf_variable() {
  local answer argument given=()
  for argument in ${tf_arguments[@]+"${tf_arguments[@]}"}; do
    [[ ! $argument =~ ^--?var(-file)?= ]] || given+=("$argument")
  done
  answer=$(tf console ${given[@]+"${given[@]}"} <<<"jsonencode(nonsensitive(var.$1))") ||
    fail "terraform cannot read its variable $1; the line above says why"
  python3 -c 'import json, sys; print(json.loads(json.load(sys.stdin)) or "")' <<<"$answer"
}

# Splits COMMAND [--yes] [argument of terraform …] into action, assume_yes and tf_arguments.
read_command() {
  action=${1:-} assume_yes=false tf_arguments=()
  [[ -n $action ]] || usage_error "it takes a command"
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
  [[ $action == init || -d $stack/terraform/.terraform ]] || fail "$stack/terraform is not initialized; run '$0 init' first"
}

confirm() {
  local answer=''
  [[ $assume_yes == false ]] || return 0
  printf '%s\nType yes to go on: ' "$1" >&2
  read -r answer || true
  [[ $answer == yes ]] || fail "stopped, nothing was changed; --yes answers for you"
}

# Terraform shows the plan and asks by itself, unless --yes was given.
tf_apply() {
  [[ $assume_yes == false ]] || tf_arguments+=(-auto-approve)
  tf apply ${tf_arguments[@]+"${tf_arguments[@]}"}
}
