#!/usr/bin/env bash
# The name that users know; infra/local does the work and has the --help.
set -euo pipefail
exec "$(dirname "${BASH_SOURCE[0]}")/../../local/scripts/setup_localstack.sh" "$@"
