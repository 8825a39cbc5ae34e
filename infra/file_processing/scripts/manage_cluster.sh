#!/usr/bin/env bash
# The older name of manage.sh, for those who still call it.
set -euo pipefail
echo "manage_cluster.sh is now manage.sh; call that, for this name will go" >&2
exec "$(dirname "${BASH_SOURCE[0]}")/manage.sh" "$@"
