#!/usr/bin/env bash
# Install the locked packages for make setup, step by step. A failure ends with one line: the cause, and what to do.
#   infra/local/setup.sh platform | emulator
# PYTHON names the interpreter; uv is taken from the PATH, or else installed into .venv.
set -euo pipefail
cd "$(dirname "$0")/../.."

python=${PYTHON:-python3}
uv_version=${UV_VERSION:?the Makefile names it}
oldest=3.11
log=$(mktemp)
trap 'rm -f "$log"' EXIT

fail() {
  echo "make setup: $*" >&2
  exit 1
}

check_python() {
  command -v "$python" >/dev/null ||
    fail "there is no $python; install Python $oldest or newer, or name yours: make setup PYTHON=/path/to/python3"
  local version
  version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>"$log") ||
    fail "$python does not start: $(tail -n 1 "$log"); name another one: make setup PYTHON=/path/to/python3"
  "$python" -c "import sys; sys.exit(sys.version_info < (${oldest/./, },))" ||
    fail "$python is Python $version, and $oldest or newer is needed; install it, and name it: make setup PYTHON=python$oldest"
}

check_space() {
  local needed=$1 free
  free=$(df -Pk . | awk 'NR == 2 { print int($4 / 1024) }')
  ((free >= needed)) ||
    fail "$needed MB are needed in $PWD, and $free MB are free; make room, or move the folder to another disk"
}

find_uv() {
  command -v uv || { [[ -x .venv/bin/uv ]] && echo .venv/bin/uv; }
}

# The cause of a failure, from what uv or pip printed.
explain() {
  local cause
  cause=$(grep -E '^ *(error|cause|ERROR|×|╰)' "$log" | tail -n 1 | sed -E 's/^ *(error|cause|ERROR): //' || true)
  [[ -n $cause ]] || cause=$(tail -n 1 "$log")
  if grep -qiE 'no space left|disk quota' "$log"; then
    fail "the disk of $PWD, of the cache of uv or of the temporary folder is full; make room, and run make setup again"
  elif grep -qiE 'certificate' "$log"; then
    fail "the certificate of the package index is not trusted ($cause); behind a company's proxy set UV_SYSTEM_CERTS=1"
  elif grep -qiE 'dns error|connect error|connection (refused|reset)|timed? ?out|unreachable|error sending request|from versions: none' "$log"; then
    fail "the package index cannot be reached ($cause); check the network, and HTTPS_PROXY if you have a proxy, and run make setup again"
  elif grep -qi 'permission denied' "$log"; then
    fail "a file cannot be written ($cause); is $PWD yours? Files of another user, such as root, are the usual reason"
  elif grep -qi 'lockfile' "$log"; then
    fail "uv.lock does not fit pyproject.toml ($cause); run uv lock if you changed it, else get both anew from git"
  fi
  fail "this step failed: $cause"
}

# Show what is downloaded while it is, but not the list of all packages.
run() {
  "$@" 2>&1 | tee "$log" | { grep --line-buffered -E '^ *(Downloading|Building|Prepared|Installed|Bytecode|WARNING|warning)' || true; }
}

step() {
  echo "make setup: step $1 of 3: $2"
}

platform() {
  check_python
  [[ -e .venv/bin/dagster ]] || check_space 1500
  if ! find_uv >/dev/null; then
    step 1 "uv $uv_version, which installs all others (25 MB)"
    "$python" -c 'import ensurepip, venv' 2>"$log" ||
      fail "$python has no module venv; install it (Debian and Ubuntu: apt-get install python3-venv), or install uv"
    run "$python" -m venv .venv || explain
    run .venv/bin/pip install --quiet --disable-pip-version-check "uv==$uv_version" || explain
  fi
  step 2 "platform and tools into .venv (about 170 packages, 0.3 GB to download, 1.2 GB on disk)"
  run "$(find_uv)" sync --locked --python "$python" || explain
}

emulator() {
  check_python
  local uv
  uv=$(find_uv)
  step 3 "AWS emulator into .emulator (about 17 packages, 65 MB on disk)"
  run "$uv" venv --clear --python "$python" .emulator || explain
  run "$uv" pip install --python .emulator/bin/python --require-hashes -r infra/local/emulator.lock || explain
}

case ${1-} in
  platform | emulator) "$1" ;;
  *) fail "unknown part '${1-}'; there are platform and emulator" ;;
esac
