#!/usr/bin/env bash
# A second place for infra/local/scripts/setup_localstack.sh, where users look for it.
set -euo pipefail
exec "$(dirname "${BASH_SOURCE[0]}")/../../local/scripts/setup_localstack.sh" "$@"
