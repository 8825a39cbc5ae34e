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

Cluster, queues, topic, database, and the platform's release. Settings are in terraform/terraform.tfvars.

commands:
  init           download the provider
  plan           show what would change
  apply          apply the changes after a confirmation, then deploy the chart with Terraform's outputs
  update-image   build and push the image, pin its digest in terraform/container_image.txt, deploy, wait for the rollout
  destroy        uninstall the chart and delete everything, after a confirmation
  outputs        show all outputs, or one

  --yes          do not ask for confirmation

variables:
  HELM_VALUES    values files of the chart, separated by commas, such as helm/etl-platform/values-prod.yaml; Terraform's
                 outputs override them [the values of the current release]
  update-image also uses those of ecr_put.sh.

example:
  ./manage.sh init
  ./manage.sh apply
  HELM_VALUES=../../helm/etl-platform/values-prod.yaml ./manage.sh update-image
HELP
}

output() {
  python3 -c 'import json, sys; print(json.load(sys.stdin).get(sys.argv[1], {}).get("value") or "")' "$1" <<<"$outputs"
}

aim_as_terraform_does() {
  AWS_PROFILE=$(tf_variable aws_profile)
  AWS_REGION=$(output region)
  aim_at_aws
}

# Uses its own kubeconfig, so the user's current context does not change. Credentials in the environment override the
# profile here but not in Terraform, and another account may have a cluster of the same name.
connect() {
  local name server
  need_tools aws kubectl helm
  aim_as_terraform_does
  name=$(output cluster_name)
  export KUBECONFIG=$work/kubeconfig
  aws eks update-kubeconfig --name "$name" --kubeconfig "$KUBECONFIG" >/dev/null ||
    fail "cannot access cluster $name; see the error above"
  server=$(kubectl config view --minify --output=jsonpath='{.clusters[0].cluster.server}')
  [[ $server == "$(output cluster_endpoint)" ]] ||
    fail "these credentials belong to another cluster $name ($server) than Terraform's ($(output cluster_endpoint));" \
      "unset AWS_ACCESS_KEY_ID and the like, or use credentials of Terraform's account"
}

# The password of the database's owner, from RDS's secret or from db_password. It is passed through pipes only.
owner_password() {
  local secret_arn
  secret_arn=$(output database_secret_arn)
  if [[ -n $secret_arn ]]; then
    aws secretsmanager get-secret-value --secret-id "$secret_arn" --query SecretString --output text |
      python3 -c 'import json, sys; print(json.load(sys.stdin)["password"])'
  else
    tf_variable db_password
  fi
}

# A Secret with the password on stdin.
put_password() {
  kubectl --namespace "$1" create secret generic "$2" --from-file=postgresql-password=/dev/stdin --dry-run=client --output=json |
    kubectl --namespace "$1" apply --filename=- >/dev/null
}

# Dagster has a login of its own, whose password is made here and is nowhere else. The owner's is in the cluster only until
# the chart's Job has made the login (helm/etl-platform/database_login.py).
ensure_passwords() {
  local namespace=$1 login password
  login=$(output database_login)
  password=$(owner_password)
  [[ -n $password ]] || fail "the database has no password: database_secret_arn is empty; set db_password, or run apply to let RDS create one"
  owner_secret_in=$namespace
  printf %s "$password" | put_password "$namespace" file-processing-postgresql-owner
  [[ $(kubectl --namespace "$namespace" get secret file-processing-postgresql --ignore-not-found \
    --output=jsonpath='{.metadata.labels.login}') != "$login" ]] || return 0
  python3 -c 'import secrets; print(secrets.token_urlsafe(32), end="")' | put_password "$namespace" file-processing-postgresql
  kubectl --namespace "$namespace" label secret file-processing-postgresql "login=$login" --overwrite >/dev/null
  new_login=true
}

forget_owner_password() {
  [[ -z $owner_secret_in ]] ||
    kubectl --namespace "$owner_secret_in" delete secret file-processing-postgresql-owner --ignore-not-found >/dev/null
  owner_secret_in=
}

# Pods read this secret, so it must exist. People fill it in (docs/deploy/eks.md, "Secrets").
ensure_settings_secret() {
  local secret=file-processing-secrets
  kubectl --namespace "$1" get secret "$secret" >/dev/null 2>&1 && return
  kubectl --namespace "$1" create secret generic "$secret" >/dev/null
  echo "created an empty secret $secret; add DATABASE_URL and GATEWAY_ADMIN_TOKEN to it" >&2
}

# The values files that Terraform's outputs override: HELM_VALUES, else the values of the current release. Without them, an
# apply would remove ingress and alerts.
choose_values() {
  local namespace=$1 release
  IFS=, read -ra given <<<"${HELM_VALUES:-}"
  [[ -z ${HELM_VALUES:-} ]] || return 0
  release=$(helm list --namespace "$namespace" --filter '^etl-platform$' --short)
  [[ -n $release ]] || return 0
  helm get values etl-platform --namespace "$namespace" --output json >"$work/release.json"
  given=("$work/release.json")
}

# Requires connect.
deploy() {
  local image=$1 namespace given file options=()
  namespace=$(output namespace)
  python3 "$here/chart_values.py" "$image" <<<"$outputs" >"$work/values.json"
  choose_values "$namespace"
  for file in ${given[@]+"${given[@]}"}; do
    options+=(--values "$file")
    # The container of values-contracts-s3.yaml is in a list, which another values file cannot change.
    ! grep -qF CONTRACTS_S3_URL "$file" || options+=(--set-string
      "dagster.runLauncher.config.customRunLauncher.config.run_k8s_config.pod_spec_config.initContainers[0].image=$image")
  done
  kubectl create namespace "$namespace" --dry-run=client --output=json | kubectl apply --filename=- >/dev/null
  # Pod Security Standard `restricted`: no privileged pod, no root, no network or files of the node.
  kubectl label namespace "$namespace" pod-security.kubernetes.io/enforce=restricted --overwrite >/dev/null
  ensure_passwords "$namespace"
  ensure_settings_secret "$namespace"
  options+=(--values "$work/values.json")
  # The official chart's webserver reads settings when it starts, and has no checksum of them. A subchart's values cannot be
  # computed, so the checksum is made here.
  helm template etl-platform "$chart" --namespace "$namespace" --show-only templates/configmap.yaml "${options[@]}" \
    >"$work/settings.yaml"
  options+=(--set-string "dagster.dagsterWebserver.annotations.checksum/config=$(cksum <"$work/settings.yaml" | tr ' ' -)")
  helm upgrade --install etl-platform "$chart" --namespace "$namespace" "${options[@]}" --wait --timeout "$roll_out_within"
  forget_owner_password
  # Pods read the password when they start, and Helm does not notice a new one.
  [[ $new_login == false ]] ||
    kubectl --namespace "$namespace" rollout restart deployment --selector app.kubernetes.io/instance=etl-platform
  kubectl --namespace "$namespace" rollout status deployment \
    --selector app.kubernetes.io/instance=etl-platform --timeout "$roll_out_within"
  echo "deployed $image"
}

# Checked before anything is changed: without the official chart Helm would stop halfway.
need_chart() {
  local file files
  compgen -G "$chart/charts/dagster-*.tgz" >/dev/null ||
    fail "the official Dagster chart is missing in $chart/charts; run 'make helm-deps' in $repository first"
  IFS=, read -ra files <<<"${HELM_VALUES:-}"
  for file in ${files[@]+"${files[@]}"}; do
    [[ -f $file ]] || fail "HELM_VALUES: the file $file does not exist"
  done
}

apply() {
  local image
  [[ ! -s $image_file ]] || need_chart
  tf_apply
  outputs=$(tf output -json)
  image=$(output image)
  if [[ -z $image ]]; then
    echo "There is no image yet, so nothing was deployed. Next: $0 update-image"
    return
  fi
  need_chart
  connect
  deploy "$image"
}

update_image() {
  local repository_name own_image
  need_chart
  outputs=$(tf output -json)
  repository_name=$(output ecr_repository_url | sed 's|^[^/]*/||')
  [[ -n $repository_name ]] || fail "Terraform has no outputs yet; run '$0 apply' first"
  own_image=$(tf_variable image)
  [[ -z $own_image ]] ||
    fail "terraform.tfvars sets image, so the next apply would deploy that one; remove it, so that container_image.txt is used"
  connect
  AWS_PROFILE=${AWS_PROFILE:-} ECR_REPOSITORY=$repository_name "$here/ecr_put.sh"
  deploy "$(<"$image_file")"
}

# Terraform would fail halfway, with chart, queues and role deleted, and the data's key scheduled for deletion.
refuse_if_not_destroyable() {
  local kind name key
  while read -r kind name; do
    [[ $kind == bucket ]] ||
      fail "the database is protected; run '$0 apply -var=db_deletion_protection=false' first. Nothing was changed"
    key=$(aws s3api list-object-versions --bucket "$name" --max-keys 1 --no-paginate --output text \
      --query '[Versions, DeleteMarkers][].Key | [0]') ||
      fail "cannot list the bucket $name; see the error above. Nothing was changed"
    [[ $key == None ]] ||
      fail "the bucket $name still contains versions, such as of $key; empty it first. Nothing was changed"
  done <"$work/obstacles"
}

# One line each: the buckets that Terraform created, and the database if it is protected.
find_obstacles() {
  tf show -json | python3 -c '
import json, sys

made = json.load(sys.stdin).get("values", {}).get("root_module", {}).get("resources", [])
for item in made:
    if item["mode"] == "managed" and item["type"] == "aws_s3_bucket":
        print("bucket", item["values"]["bucket"])
    if item["type"] == "aws_db_instance" and item["values"]["deletion_protection"]:
        print("database", item["values"]["identifier"])
'
}

destroy() {
  local cluster
  outputs=$(tf output -json)
  find_obstacles >"$work/obstacles"
  aim_as_terraform_does
  refuse_if_not_destroyable
  cluster=$(output cluster_name)
  confirm "This deletes everything that Terraform created in $stack${cluster:+: cluster $cluster, its database and its queues}."
  if [[ -n $cluster ]]; then
    connect
    # A load balancer that the cluster created would keep Terraform from deleting its network.
    helm uninstall etl-platform --namespace "$(output namespace)" --ignore-not-found --wait
  fi
  tf destroy -auto-approve ${tf_arguments[@]+"${tf_arguments[@]}"}
}

read_command "$@"
case $action in
  -h | --help) usage && exit ;;
  init | plan | apply | update-image | destroy | outputs) need_terraform && need_tools python3 ;;
  *) usage_error "unknown command '$action'" ;;
esac
work=$(mktemp -d) owner_secret_in='' new_login=false
trap 'forget_owner_password; rm -rf "$work"' EXIT
case $action in
  init) tf init ${tf_arguments[@]+"${tf_arguments[@]}"} ;;
  plan) tf plan ${tf_arguments[@]+"${tf_arguments[@]}"} ;;
  apply) apply ;;
  update-image) update_image ;;
  destroy) destroy ;;
  outputs) tf output ${tf_arguments[@]+"${tf_arguments[@]}"} ;;
esac
