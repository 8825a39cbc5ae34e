#!/usr/bin/env bash
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
stack=$(dirname "$here")
repository=$(cd "$here/../../.." && pwd)
# shellcheck source=infra/scripts/aws_target.sh
source "$here/../../scripts/aws_target.sh"
# shellcheck source=infra/scripts/terraform_stack.sh
source "$here/../../scripts/terraform_stack.sh"
chart=$repository/helm/etl-platform
image_file=$stack/terraform/container_image.txt
roll_out_within=15m

usage() {
  cat <<'HELP'
usage: manage.sh COMMAND [--yes] [ARGUMENT OF TERRAFORM …]

Cluster, queues, topic, database and the platform in them. Settings are in terraform/terraform.tfvars.

commands:
  init           get the provider
  plan           show what would change
  apply          change it, after Terraform has asked, then deploy the chart with Terraform's outputs
  update-image   build and push the image, pin its digest in terraform/container_image.txt, deploy, wait for the rollout
  destroy        uninstall the chart, then delete all of it, after a question
  outputs        show the outputs, or one of them

  --yes          ask nothing

variables:
  HELM_VALUES    a values file of the chart, such as helm/etl-platform/values-prod.yaml; what Terraform says goes over it
  For update-image also those of ecr_put.sh.

example:
  ./manage.sh init
  ./manage.sh apply
  HELM_VALUES=../../helm/etl-platform/values-prod.yaml ./manage.sh update-image
HELP
}

output() {
  python3 -c 'import json, sys; print(json.load(sys.stdin).get(sys.argv[1], {}).get("value") or "")' "$1" <<<"$outputs"
}

# A kubeconfig of this run's own: nobody's current context is changed, and no other cluster can be hit.
connect() {
  need_tools aws kubectl helm
  AWS_PROFILE=$(tf_variable aws_profile)
  AWS_REGION=$(output region)
  aim_at_aws
  export KUBECONFIG=$work/kubeconfig
  aws eks update-kubeconfig --name "$(output cluster_name)" --kubeconfig "$KUBECONFIG" >/dev/null ||
    fail "cannot get at cluster $(output cluster_name); the line above says why"
}

# The password of Dagster's database, from RDS's own secret or from db_password, through pipes only.
copy_database_password() {
  local namespace=$1 secret_arn password
  secret_arn=$(output database_secret_arn)
  if [[ -n $secret_arn ]]; then
    password=$(aws secretsmanager get-secret-value --secret-id "$secret_arn" --query SecretString --output text |
      python3 -c 'import json, sys; print(json.load(sys.stdin)["password"])')
  else
    password=$(tf_variable db_password)
  fi
  [[ -n $password ]] || fail "there is no password of the database: neither database_secret_arn nor db_password is set"
  copied=$(printf %s "$password" |
    kubectl --namespace "$namespace" create secret generic file-processing-postgresql \
      --from-file=postgresql-password=/dev/stdin --dry-run=client --output=json |
    kubectl --namespace "$namespace" apply --filename=-)
}

# Pods read it, so it must be there; what belongs in it only people know (docs/deployment.md, "Secrets").
ensure_settings_secret() {
  local secret=file-processing-secrets
  kubectl --namespace "$1" get secret "$secret" >/dev/null 2>&1 && return
  kubectl --namespace "$1" create secret generic "$secret" >/dev/null
  echo "made an empty secret $secret; DATABASE_URL and GATEWAY_ADMIN_TOKEN belong in it" >&2
}

deploy() {
  local image=$1 namespace given=()
  outputs=$(tf output -json)
  namespace=$(output namespace)
  [[ -n $namespace ]] || fail "Terraform has no outputs yet; run '$0 apply' first"
  [[ -z ${HELM_VALUES:-} ]] || given=(--values "$HELM_VALUES")
  python3 "$here/chart_values.py" "$image" <<<"$outputs" >"$work/values.json"
  connect
  kubectl create namespace "$namespace" --dry-run=client --output=json | kubectl apply --filename=- >/dev/null
  copy_database_password "$namespace"
  # Pods read a password when they start. Helm sees no change in a rotated one, and would wait for pods that lack it.
  [[ $copied != *configured ]] ||
    kubectl --namespace "$namespace" rollout restart deployment --selector app.kubernetes.io/instance=etl-platform
  ensure_settings_secret "$namespace"
  helm upgrade --install etl-platform "$chart" --namespace "$namespace" \
    ${given[@]+"${given[@]}"} --values "$work/values.json" --wait --timeout "$roll_out_within"
  kubectl --namespace "$namespace" rollout status deployment \
    --selector app.kubernetes.io/instance=etl-platform --timeout "$roll_out_within"
  echo "deployed $image"
}

# Checked before anything is changed: without the official chart Helm would stop half way.
need_chart() {
  compgen -G "$chart/charts/dagster-*.tgz" >/dev/null ||
    fail "the official chart is not in $chart/charts; run 'make helm-deps' in $repository first"
  [[ -z ${HELM_VALUES:-} || -f $HELM_VALUES ]] || fail "HELM_VALUES: there is no file $HELM_VALUES"
}

apply() {
  local image
  [[ ! -s $image_file ]] || need_chart
  tf_apply
  outputs=$(tf output -json)
  image=$(output image)
  if [[ -z $image ]]; then
    echo "There is no image yet, so nothing is deployed. Next: $0 update-image"
    return
  fi
  need_chart
  deploy "$image"
}

update_image() {
  local profile region repository_name own_image
  need_chart
  outputs=$(tf output -json)
  repository_name=$(output ecr_repository_url | sed 's|^[^/]*/||')
  [[ -n $repository_name ]] || fail "Terraform has no outputs yet; run '$0 apply' first"
  own_image=$(tf_variable image)
  [[ -z $own_image ]] ||
    fail "terraform.tfvars sets image, and the next apply would go back to it; remove it, so that container_image.txt counts"
  profile=$(tf_variable aws_profile)
  region=$(output region)
  AWS_PROFILE=$profile AWS_REGION=$region ECR_REPOSITORY=$repository_name "$here/ecr_put.sh"
  deploy "$(<"$image_file")"
}

destroy() {
  local cluster
  outputs=$(tf output -json)
  cluster=$(output cluster_name)
  confirm "This deletes all that Terraform made in $stack${cluster:+: cluster $cluster, its database and its queues}."
  if [[ -n $cluster ]]; then
    connect
    # A load balancer that the cluster made would keep Terraform from deleting the network around it.
    helm uninstall etl-platform --namespace "$(output namespace)" --ignore-not-found --wait
  fi
  tf destroy -auto-approve ${tf_arguments[@]+"${tf_arguments[@]}"}
}

read_command "$@"
case $action in
  -h | --help) usage && exit ;;
  init | plan | apply | update-image | destroy | outputs) need_terraform && need_tools python3 ;;
  *) usage_error "there is no command '$action'" ;;
esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
case $action in
  init) tf init ${tf_arguments[@]+"${tf_arguments[@]}"} ;;
  plan) tf plan ${tf_arguments[@]+"${tf_arguments[@]}"} ;;
  apply) apply ;;
  update-image) update_image ;;
  destroy) destroy ;;
  outputs) tf output ${tf_arguments[@]+"${tf_arguments[@]}"} ;;
esac
