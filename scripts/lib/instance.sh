# shellcheck shell=bash
# One instance of the private services: its folder, ports and processes. Its folder identifies it,
# and nothing else on the machine is touched.

# The instance's folder. A server that drops root must be able to reach it, so a checkout below a
# closed folder (/root, a 0700 home) gets one in /tmp, named by a hash of its path.
choose_instance_dir() {
  local wanted=${SPOOL_SERVICES_DIR:-$SCRATCH/services}
  mkdir -p "$wanted" || die "cannot make $wanted: set SPOOL_SERVICES_DIR to a folder that you may write"
  wanted=$(cd "$wanted" && pwd -P)
  if ! is_root || ! id postgres >/dev/null 2>&1 || reachable_by_postgres "$wanted"; then
    DIR=$wanted
    return
  fi
  DIR=/tmp/spool-services-$(path_key "$wanted")
  [ -d "$DIR" ] || mkdir -m 755 "$DIR"
  if [ ! -O "$DIR" ] || [ -L "$DIR" ]; then
    die "$DIR belongs to someone else: set SPOOL_SERVICES_DIR to a folder that user postgres can reach"
  fi
}

reachable_by_postgres() { setpriv --reuid=postgres --regid=postgres --init-groups test -x "$1"; }
path_key() { printf '%s' "$1" | sha256sum | cut -c1-12; }

# One command at a time per instance. Servers are started with the lock's descriptor closed.
lock_instance() {
  exec 9>"$DIR/lock"
  flock -w 180 9 || die "another scripts/services has held $DIR/lock for three minutes"
}

# ---- ports ------------------------------------------------------------------------------------
# Below the ephemeral range (32768 on Linux), so that no client's own port can take one; a block
# per folder, so that two checkouts hardly ever meet and one checkout keeps its ports.

PORT_NAMES=(POSTGRES_PORT REDIS_PORT AMQP_PORT AMQP_DIST_PORT EPMD_PORT)

load_ports() {
  POSTGRES_PORT='' REDIS_PORT='' AMQP_PORT='' AMQP_DIST_PORT='' EPMD_PORT=''
  # shellcheck source=/dev/null
  [ ! -f "$DIR/ports" ] || . "$DIR/ports"
}

save_ports() {
  local name
  for name in "${PORT_NAMES[@]}"; do printf '%s=%s\n' "$name" "${!name}"; done >"$DIR/ports.new"
  mv "$DIR/ports.new" "$DIR/ports"
}

choose_ports() {
  local skip=${1:-0} start try block
  start=$((16#$(path_key "$DIR" | cut -c1-7)))
  for ((try = skip; try < 2000; try++)); do
    block=$((20000 + (start + try * 7) % 2400 * 5))
    block_free "$block" || continue
    POSTGRES_PORT=$block REDIS_PORT=$((block + 1)) AMQP_PORT=$((block + 2))
    AMQP_DIST_PORT=$((block + 3)) EPMD_PORT=$((block + 4))
    save_ports
    return
  done
  die 'no five free ports in a row between 20000 and 32000'
}

block_free() {
  local offset
  for offset in 0 1 2 3 4; do ! listening $(($1 + offset)) || return 1; done
}

# True when every saved port is either free or held by a server of this instance.
ports_still_ours() {
  [ -n "$EPMD_PORT" ] || return 1
  [ -n "$(postgres_pids)" ] || ! listening "$POSTGRES_PORT" || return 1
  [ -n "$(redis_pids)" ] || ! listening "$REDIS_PORT" || return 1
  [ -n "$(rabbitmq_pids)" ] || { ! listening "$AMQP_PORT" && ! listening "$AMQP_DIST_PORT" && ! listening "$EPMD_PORT"; }
}

# ---- processes --------------------------------------------------------------------------------
# Found by what they are, not by pid files: those go stale in a crash and then name a stranger.

# Processes called $1 whose working folder is $2. Other processes come and go meanwhile, so the exit
# codes of find and grep mean nothing.
pids_named_in() {
  local cwd pid
  { find /proc/[0-9]*/cwd -maxdepth 0 \( -lname "$2" -o -lname "$2 (deleted)" \) 2>/dev/null || true; } | while IFS= read -r cwd; do
    pid=${cwd#/proc/} pid=${pid%/cwd}
    [ "$(cat "/proc/$pid/comm" 2>/dev/null)" != "$1" ] || printf '%s\n' "$pid"
  done
}

# Processes that were started with $1 (NAME=value) in their environment.
pids_with_env() {
  local file
  { grep -lzFx -- "$1" /proc/[0-9]*/environ 2>/dev/null || true; } | while IFS= read -r file; do
    file=${file#/proc/}
    printf '%s\n' "${file%/environ}"
  done
}

signal() { # SIGNAL PIDS…: a process that is gone already is what we want
  local name=$1; shift
  [ $# -eq 0 ] || kill "-$name" "$@" 2>/dev/null || true
}

no_process_of() { [ -z "$("$1_pids")" ]; }

# Sends one request, and succeeds if the first byte of the answer comes within a second.
answers() { # PORT REQUEST
  # shellcheck disable=SC2016 # the inner shell's own $1 and $2
  timeout 1 bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$1" && printf "$2" >&3 && [ -n "$(head -c 1 <&3 | tr "\0\1" xx)" ]' _ "$1" "$2" 2>/dev/null
}
