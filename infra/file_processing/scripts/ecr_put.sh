#!/usr/bin/env bash
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(cd "$here/../../.." && pwd)
# shellcheck source=infra/scripts/aws_target.sh
source "$here/../../scripts/aws_target.sh"
image_file=$(dirname "$here")/terraform/container_image.txt
# The Dockerfile and what it copies.
sources=(Dockerfile .dockerignore pyproject.toml uv.lock README.md api_sources contracts etl_platform)

usage() {
  cat <<'HELP'
Build the image for each platform, push it to ECR and write its digest URI to terraform/container_image.txt.

The tag is the commit. A commit that is already in ECR is not built again; only its digest is written. The image on which
it is built must have a digest: renew_base_image.sh writes it into the Dockerfile.

variables:
  ECR_REPOSITORY   the repository, created if it does not exist [etl-file-processing]
  IMAGE_TAG        [the commit; with a time if files of the image have uncommitted changes]
  PLATFORMS        [linux/amd64,linux/arm64]
  BASE_IMAGE       <name>@sha256:<digest>, instead of the Dockerfile's
  AWS_PROFILE      [etl-playground], unless there are other credentials
  AWS_REGION       [us-gov-west-1]

example:
  AWS_PROFILE=etl-playground PLATFORMS=linux/amd64 ./ecr_put.sh

Sign what was pushed, if your rules ask for it, with a signing profile of AWS Signer and the notation program:
  notation sign --plugin com.amazonaws.signer.notation.plugin --id ARN_OF_THE_PROFILE "$(<terraform/container_image.txt)"
The cluster checks no signature unless you install an admission policy; it runs the digest of container_image.txt only.
HELP
}

commit_tag() {
  local commit
  commit=$(git -C "$repository" rev-parse --short=12 HEAD) || fail "$repository is not a git checkout; set IMAGE_TAG"
  [[ -z $(git -C "$repository" status --porcelain -- "${sources[@]}") ]] || commit+=-$(date -u +%Y%m%d%H%M%S)
  echo "$commit"
}

ensure_repository() {
  uri=$(aws ecr describe-repositories --repository-names "$name" --query 'repositories[0].repositoryUri' --output text \
    2>"$work/error") && return
  grep -q RepositoryNotFoundException "$work/error" || fail "ECR: $(<"$work/error")"
  uri=$(aws ecr create-repository --repository-name "$name" --image-tag-mutability IMMUTABLE \
    --image-scanning-configuration scanOnPush=true --query repository.repositoryUri --output text)
  echo "created repository $name; import it as aws_ecr_repository.file_processing before manage.sh apply" >&2
}

# The digest of the tag in ECR; empty if the tag does not exist.
pushed_digest() {
  aws ecr describe-images --repository-name "$name" --image-ids "imageTag=$tag" \
    --query 'imageDetails[0].imageDigest' --output text 2>"$work/error" && return
  grep -q ImageNotFoundException "$work/error" || fail "ECR: $(<"$work/error")"
}

build_and_push() {
  local base
  base=${BASE_IMAGE:-$(sed -n 's/^ARG BASE_IMAGE=//p' "$repository/Dockerfile")}
  [[ $base =~ @sha256:[0-9a-f]{64}$ ]] ||
    fail "the base image $base has no digest, so the next build could have another one; run renew_base_image.sh and commit" \
      "the Dockerfile, or set BASE_IMAGE"
  aws ecr get-login-password | docker login --username AWS --password-stdin "${uri%%/*}"
  # Only a builder of this kind can build for another platform than its own.
  docker buildx inspect etl-platform >/dev/null 2>&1 ||
    docker buildx create --name etl-platform --driver docker-container >/dev/null
  docker buildx build --builder etl-platform --platform "${PLATFORMS:-linux/amd64,linux/arm64}" \
    --build-arg "BASE_IMAGE=$base" --build-arg "REVISION=$tag" \
    --file "$repository/Dockerfile" --tag "$uri:$tag" --metadata-file "$work/metadata.json" --push "$repository"
  digest=$(python3 -c 'import json, sys; print(json.load(sys.stdin)["containerimage.digest"])' <"$work/metadata.json")
}

take_no_arguments "$@"
need_tools docker git python3
name=${ECR_REPOSITORY:-etl-file-processing}
tag=${IMAGE_TAG:-$(commit_tag)}
[[ $tag =~ ^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$ ]] || usage_error "IMAGE_TAG takes letters, digits, '_', '.' and '-', not '$tag'"
aim_at_aws
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

ensure_repository
digest=$(pushed_digest)
# Not `… || build_and_push`: errexit is off inside such a list.
if [[ -z $digest ]]; then
  build_and_push
fi
[[ $digest =~ ^sha256:[0-9a-f]{64}$ ]] || fail "the registry returned '$digest' instead of a digest for $uri:$tag; nothing was pinned, run it again"
echo "$uri@$digest" >"$work/container_image.txt"
mv "$work/container_image.txt" "$image_file"
echo "pinned $uri@$digest ($tag) in $image_file"
