# shellcheck shell=bash
# Shared by all scripts: the checkout's path, messages, waiting. Sourced, never run.

# The checkout's physical path, so that a symlinked cwd names the same instance.
# shellcheck disable=SC2034 # used by the scripts that source this
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
# shellcheck disable=SC2034
SCRATCH="$ROOT/scratch"
# shellcheck disable=SC2034
TARGET_DIR=${CARGO_TARGET_DIR:-$ROOT/target}
TOOLS_DIR="$SCRATCH/tools/bin"

# A login shell's PATH may lack cargo, and root's home is not every user's.
find_cargo() {
  local dir
  command -v cargo >/dev/null 2>&1 && return
  for dir in "${CARGO_HOME:-/nonexistent}/bin" "${HOME:-/nonexistent}/.cargo/bin" /usr/local/cargo/bin; do
    [ ! -x "$dir/cargo" ] || { PATH=$dir:$PATH; return; }
  done
}
find_cargo
export PATH="$PATH:$TOOLS_DIR"

say() { printf '\033[1m==> %s\033[0m\n' "$*" >&2; }
note() { printf '    %s\n' "$*" >&2; }
die() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }

have() { command -v "$1" >/dev/null 2>&1; }
is_root() { [ "$(id -u)" -eq 0 ]; }

# wait_until SECONDS COMMAND…: polls until the command succeeds; false when the time is over.
wait_until() {
  local deadline=$((SECONDS + $1)); shift
  until "$@"; do
    [ "$SECONDS" -lt "$deadline" ] || return 1
    sleep 0.05
  done
}

# The first line of help is the comment block at the top of the calling script.
usage() { sed -n '2,/^[^#]/{/^#/s/^# \{0,1\}//p}' "$0"; }
