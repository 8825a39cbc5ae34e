#!/usr/bin/env bash
set -euo pipefail
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
# shellcheck source=infra/scripts/aws_target.sh
source "$repository/infra/scripts/aws_target.sh"
dockerfile=$repository/Dockerfile

usage() {
  cat <<'HELP'
Pin the image on which ours is built to the digest that its tag has now: the line ARG BASE_IMAGE of the Dockerfile.

Its publisher rebuilds it with the patches of Debian and Python. Run this once a month, commit the Dockerfile, and run
manage.sh update-image. If the digest is the same, nothing changes.

variables:
  BASE_IMAGE       another image, such as a mirror's [the one of the Dockerfile]

example:
  ./renew_base_image.sh
  BASE_IMAGE=registry.example.gov/python:3.12-slim ./renew_base_image.sh
HELP
}

take_no_arguments "$@"
need_tools docker
pinned=$(sed -n 's/^ARG BASE_IMAGE=//p' "$dockerfile")
name=${BASE_IMAGE:-$pinned}
name=${name%%@*}
[[ $name =~ ^[a-z0-9][A-Za-z0-9./:_-]*:[A-Za-z0-9_.-]+$ ]] ||
  usage_error "BASE_IMAGE takes an image with a tag, such as python:3.12-slim, not '$name'"
digest=$(docker buildx imagetools inspect "$name" --format '{{.Manifest.Digest}}') ||
  fail "the registry did not return $name; see the error above. The Dockerfile is unchanged"
[[ $digest =~ ^sha256:[0-9a-f]{64}$ ]] ||
  fail "the registry returned '$digest' instead of a digest for $name; the Dockerfile is unchanged"
if [[ $pinned == "$name@$digest" ]]; then
  echo "$pinned is still the newest"
  exit
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sed "s|^ARG BASE_IMAGE=.*|ARG BASE_IMAGE=$name@$digest|" "$dockerfile" >"$work/Dockerfile"
cat "$work/Dockerfile" >"$dockerfile"
echo "$name@$digest instead of $pinned; commit the Dockerfile, then run manage.sh update-image"
