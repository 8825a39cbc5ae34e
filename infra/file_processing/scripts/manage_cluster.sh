#!/usr/bin/env bash
# The former name of manage.sh.
set -euo pipefail
echo "manage_cluster.sh is now manage.sh; use that, because this name will be removed" >&2
exec "$(dirname "${BASH_SOURCE[0]}")/manage.sh" "$@"
