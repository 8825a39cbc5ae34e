#!/usr/bin/env bash
# Install the Debian packages that make deploy-check needs, as root, unless their programs are already installed.
set -euo pipefail

declare -A package_of=([buildah]=buildah [podman]=podman [runc]=runc [debootstrap]=debootstrap [promtool]=prometheus [chromium]=chromium [objdump]=binutils)

missing=()
for program in "${!package_of[@]}"; do
  command -v "$program" >/dev/null || missing+=("${package_of[$program]}")
done
[[ ${#missing[@]} -eq 0 ]] && exit 0

if [[ $(id -u) -ne 0 ]]; then
  echo "deploy-check needs ${missing[*]}. Install them: sudo apt-get install --no-install-recommends ${missing[*]}" >&2
  exit 1
fi
# Only promtool of the package prometheus is needed: do not let the installation start its service.
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update --quiet=2
apt-get install --quiet=2 --no-install-recommends --yes "${missing[@]}" >/dev/null
