#!/usr/bin/env bash
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
stack=$(dirname "$here")
# shellcheck source=infra/scripts/aws_target.sh
source "$here/../../scripts/aws_target.sh"
# shellcheck source=infra/scripts/terraform_stack.sh
source "$here/../../scripts/terraform_stack.sh"

usage() {
  cat <<'HELP'
usage: manage.sh COMMAND [--yes] [ARGUMENT OF TERRAFORM …]

The shared network: VPC, subnets, NAT. Its settings are in terraform/terraform.tfvars.

commands:
  init      download the provider
  plan      show what would change
  apply     apply the changes, after a confirmation
  destroy   delete everything, after a confirmation
  outputs   show all outputs, or one

  --yes     do not ask for confirmation

example:
  ./manage.sh init
  ./manage.sh apply
HELP
}

read_command "$@"
case $action in
  -h | --help) usage ;;
  init | plan) need_terraform && tf "$action" ${tf_arguments[@]+"${tf_arguments[@]}"} ;;
  apply) need_terraform && tf_apply ;;
  destroy)
    need_terraform
    confirm "This deletes the network of $stack. It fails while another stack uses the network."
    tf destroy -auto-approve ${tf_arguments[@]+"${tf_arguments[@]}"}
    ;;
  outputs) need_terraform && tf output ${tf_arguments[@]+"${tf_arguments[@]}"} ;;
  update-image) usage_error "the network has no image; use infra/file_processing/scripts/manage.sh update-image" ;;
  *) usage_error "unknown command '$action'" ;;
esac
