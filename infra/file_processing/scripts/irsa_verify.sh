#!/usr/bin/env bash
set -euo pipefail
# shellcheck source=infra/scripts/aws_target.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../scripts/aws_target.sh"

usage() {
  cat <<'HELP'
Verify that each component's service account has a role that trusts it. Then, in the pod for commands: no AWS keys, the
pod's identity, and etl-platform doctor. Changes nothing. Exit 1 at the first failure.

variables:
  CLUSTER          [file-processing-cluster]
  NAMESPACE        [file-processing]
  AWS_PROFILE      [etl-playground], unless there are other credentials
  AWS_REGION       [us-gov-west-1]

example:
  AWS_PROFILE=etl-playground ./irsa_verify.sh
HELP
}

in_pod() {
  kubectl --namespace "$namespace" exec deployment/file-processing-commands -- "$@"
}

take_no_arguments "$@"
need_tools kubectl
cluster=${CLUSTER:-file-processing-cluster}
namespace=${NAMESPACE:-file-processing}
aim_at_aws
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export KUBECONFIG=$work/kubeconfig

issuer=$(aws eks describe-cluster --name "$cluster" --query cluster.identity.oidc.issuer --output text) ||
  fail "no cluster $cluster in $AWS_REGION for ${AWS_PROFILE:-these credentials}; set CLUSTER, AWS_REGION or AWS_PROFILE"
issuer=${issuer#https://}
provider=$(aws iam list-open-id-connect-providers --output text \
  --query "OpenIDConnectProviderList[?ends_with(Arn, '$issuer')].Arn | [0]")
[[ $provider == arn:* ]] || fail "the account has no OIDC provider for $issuer; run manage.sh apply"
echo "provider   $provider"

aws eks update-kubeconfig --name "$cluster" --kubeconfig "$KUBECONFIG" >/dev/null
# Daemon and read-only webserver have a service account and no role.
for account in file-processing-{gateway,metrics,code,sa,retention,doctor,commands}; do
  role=$(kubectl --namespace "$namespace" get serviceaccount "$account" \
    --output=jsonpath='{.metadata.annotations.eks\.amazonaws\.com/role-arn}')
  [[ $role == arn:* ]] || fail "service account $account has no eks.amazonaws.com/role-arn; run manage.sh apply"
  trust=$(aws iam get-role --role-name "${role##*/}" --query Role.AssumeRolePolicyDocument --output json)
  [[ $trust == *"$provider"* && $trust == *"system:serviceaccount:$namespace:$account\""* ]] ||
    fail "role ${role##*/} does not trust $account of $namespace through $provider; run manage.sh apply"
  echo "role       $account: $role"
done

keys=$(in_pod python -c 'import os; print(*(name for name in os.environ if name.startswith(("AWS_ACCESS_", "AWS_SECRET_"))))')
[[ -z $keys ]] || fail "the pods have $keys, which override the role: remove them from the secret file-processing-secrets" \
  "and restart the deployments"

identity=$(in_pod python -c 'import boto3; print(boto3.client("sts").get_caller_identity()["Arn"])')
[[ $identity == *":assumed-role/${role##*/}/"* ]] ||
  fail "the pod for commands has the identity $identity, not ${role##*/}. Pods that started before the annotation keep it:" \
    "kubectl -n $namespace rollout restart deployment -l app.kubernetes.io/instance=etl-platform"
echo "pod        $identity"

in_pod etl-platform doctor
