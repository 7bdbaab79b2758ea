# shellcheck shell=bash disable=SC2153 # ports come from lib/instance.sh
# A private PostgreSQL. It refuses to run as root, so as root it runs as user postgres.

postgres_home() { printf '%s/postgres' "$DIR"; }
postgres_log() { printf '%s/postgres/log' "$DIR"; }
postgres_pids() { pids_named_in postgres "$(postgres_home)/data"; }
postgres_main_pid() { # the postmaster: the one whose parent is not of the family
  local pid all; all=$(postgres_pids)
  for pid in $all; do
    grep -qx "$(awk '/^PPid:/ { print $2 }' "/proc/$pid/status" 2>/dev/null)" <<<"$all" || printf '%s\n' "$pid"
  done | sed -n 1p
}
postgres_url() { printf 'postgres://postgres@127.0.0.1:%s/spool' "$POSTGRES_PORT"; }
postgres_stop_signal() { printf INT; } # "fast": ends sessions, writes a checkpoint

postgres_bin() { # the newest that is installed, of Debian's layout or on the PATH
  local dir
  dir=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
  if [ -x "$dir/initdb" ]; then printf '%s' "$dir"; return; fi
  have initdb || die 'PostgreSQL is not installed: run scripts/setup services'
  dirname "$(command -v initdb)"
}

as_postgres() {
  local clean=(env -i "PATH=$PATH" LC_ALL=C.UTF-8)
  if is_root; then
    setpriv --reuid=postgres --regid=postgres --init-groups -- "${clean[@]}" "$@" 9>&-
  else
    "${clean[@]}" "$@" 9>&-
  fi
}

postgres_ready() {
  [ -n "$POSTGRES_PORT" ] && [ -n "$(postgres_pids)" ] &&
    "$(postgres_bin)/pg_isready" -q -t 2 -U postgres -h 127.0.0.1 -p "$POSTGRES_PORT"
}

postgres_start() {
  local bin home; bin=$(postgres_bin); home=$(postgres_home)
  cd /
  mkdir -p "$home"
  ! is_root || chown postgres:postgres "$home"
  [ -d "$home/data" ] || postgres_init "$bin" "$home"
  # shellcheck disable=SC2016 # the inner shell's own $1
  postgres_settings | as_postgres sh -c 'cat >"$1"' _ "$home/data/postgresql.conf"
  # No process holds it any more (the caller made sure), and the pid in it may by now be another
  # process's.
  rm -f "$home/data/postmaster.pid"
  as_postgres "$bin/pg_ctl" -D "$home/data" -w -t 90 -s -l "$home/log" start </dev/null >/dev/null || return 1
  postgres_database "$bin"
}

# Created under another name and moved into place, so that a crash leaves nothing that looks
# complete.
postgres_init() {
  rm -rf "$2/data.new"
  as_postgres "$1/initdb" -D "$2/data.new" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync >"$2/initdb.log" 2>&1 ||
    { cat "$2/initdb.log" >&2; return 1; }
  mv "$2/data.new" "$2/data"
}

# Durable as in production, for benchmarks; the other settings fit the size of the machine.
postgres_settings() {
  cat <<CONF
listen_addresses = '127.0.0.1'
port = $POSTGRES_PORT
unix_socket_directories = ''       # a long checkout path would not fit into a socket's 107 bytes
max_connections = 300              # a database and a small pool for each test that runs at once
fsync = on
synchronous_commit = on
full_page_writes = on
shared_buffers = 256MB
max_wal_size = 2GB                 # no checkpoint in the middle of a benchmark
checkpoint_timeout = 15min
wal_level = replica
track_wal_io_timing = on           # scripts/bench reports WAL from pg_stat_wal
track_functions = none
autovacuum_naptime = 5s            # live queue tables turn over in seconds
jit = off                          # only short statements here
timezone = UTC
lc_messages = 'C.UTF-8'
log_timezone = UTC
log_line_prefix = '%m [%p] %d '
log_min_messages = warning
CONF
}

postgres_database() {
  local psql=("$1/psql" -h 127.0.0.1 -p "$POSTGRES_PORT" -U postgres -Xqt)
  [ -n "$(as_postgres "${psql[@]}" -d postgres -c "SELECT 'yes' FROM pg_database WHERE datname = 'spool'" | tr -d '[:space:]')" ] ||
    as_postgres "${psql[@]}" -d postgres -c 'CREATE DATABASE spool'
}
