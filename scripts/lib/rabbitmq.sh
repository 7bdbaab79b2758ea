# shellcheck shell=bash disable=SC2153
# A private RabbitMQ: node, cookie, epmd and configuration are all below the instance's folder.

rabbitmq_home() { printf '%s/rabbitmq' "$DIR"; }
rabbitmq_node() { printf '%s@localhost' "${NODE:-spool}"; } # NODE: of a cluster, whose nodes share a machine
rabbitmq_log() { printf '%s/rabbitmq/log/%s.log' "$DIR" "$(rabbitmq_node)"; }
# A mark in the environment of all its processes: the node, its port programs and epmd, which
# outlives the node.
rabbitmq_mark() { printf 'SPOOL_BROKER_HOME=%s' "$(rabbitmq_home)"; }
rabbitmq_pids() { pids_with_env "$(rabbitmq_mark)"; }
rabbitmq_main_pid() {
  local pid
  for pid in $(rabbitmq_pids); do
    [ "$(cat "/proc/$pid/comm" 2>/dev/null)" != beam.smp ] || printf '%s\n' "$pid"
  done | sed -n 1p
}
rabbitmq_url() { printf 'amqp://guest:guest@127.0.0.1:%s/%%2f' "$AMQP_PORT"; }
rabbitmq_stop_signal() { printf TERM; } # sent to the node alone, which then stops in order

rabbitmq_bin() { # the real scripts: those in /usr/sbin switch the user
  local dir
  dir=$(printf '%s\n' /usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin | sort -V | tail -n 1)
  [ -x "$dir/rabbitmq-server" ] || die 'RabbitMQ is not installed: run scripts/setup services'
  printf '%s' "$dir"
}

# Sets NODE_ENV: the node's environment, and nothing else.
rabbitmq_env() {
  local home; home=$(rabbitmq_home)
  NODE_ENV=(
    "PATH=$PATH" LC_ALL=C.UTF-8 "HOME=$home" "$(rabbitmq_mark)"
    "RABBITMQ_NODENAME=$(rabbitmq_node)"
    RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 "RABBITMQ_NODE_PORT=$AMQP_PORT" "RABBITMQ_DIST_PORT=$AMQP_DIST_PORT"
    "ERL_EPMD_PORT=$EPMD_PORT" ERL_EPMD_ADDRESS=127.0.0.1
    "RABBITMQ_MNESIA_BASE=$home/data" "RABBITMQ_LOG_BASE=$home/log"
    "RABBITMQ_PID_FILE=$home/pid" "RABBITMQ_GENERATED_CONFIG_DIR=$home/generated"
    "RABBITMQ_ENABLED_PLUGINS_FILE=$home/enabled_plugins"
    "RABBITMQ_FEATURE_FLAGS_FILE=$home/feature_flags"
    RABBITMQ_CONF_ENV_FILE=/dev/null "RABBITMQ_CONFIG_FILE=$home/rabbitmq"
    "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}${NODE:+ -kernel net_ticktime 8}"
  )
}

rabbitmq_ctl() {
  rabbitmq_env
  cd "$(rabbitmq_home)" && env -i "${NODE_ENV[@]}" "$(rabbitmq_bin)/rabbitmqctl" -q "$@"
}

# An AMQP greeting gets its first byte only after the last boot step, when queues and users exist.
rabbitmq_ready() { [ -n "$AMQP_PORT" ] && [ -n "$(rabbitmq_main_pid)" ] && answers "$AMQP_PORT" 'AMQP\0\0\11\1'; }

rabbitmq_start() {
  local home bin; home=$(rabbitmq_home); bin=$(rabbitmq_bin)
  mkdir -p "$home/log"
  printf '[].\n' >"$home/enabled_plugins"
  rabbitmq_settings >"$home/rabbitmq.conf"
  cd "$home" || return 1
  rabbitmq_env
  # A plain command, not a function: a subshell would live as long as the node, and hold the lock
  # with it.
  setsid env -i "${NODE_ENV[@]}" "$bin/rabbitmq-server" </dev/null >"$home/log/stdout" 2>&1 9>&- &
  disown
  # Until it carries its mark, a node that is starting looks like one that died.
  wait_until 10 rabbitmq_appeared || return 1
  wait_until 120 rabbitmq_up_or_gone && rabbitmq_ready
}

# Ends the wait at once if the node died while it booted.
rabbitmq_up_or_gone() {
  rabbitmq_ready || { no_process_of rabbitmq || [ -z "$(rabbitmq_server_pids)" ]; }
}
rabbitmq_appeared() { [ -n "$(rabbitmq_server_pids)" ]; }
rabbitmq_server_pids() { # without epmd
  local pid
  for pid in $(rabbitmq_pids); do
    [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = epmd ] || printf '%s\n' "$pid"
  done
}

# Modest limits: several checkouts may run on one small machine.
rabbitmq_settings() {
  cat <<CONF
vm_memory_high_watermark.absolute = 512MB
disk_free_limit.absolute = 200MB
log.file.level = warning
log.console = false
# The default write-ahead log of quorum queues is 512 MB, in memory and on disk.
raft.wal_max_size_bytes = 33554432
CONF
  [ -z "${NODE:-}" ] || cluster_settings
}
