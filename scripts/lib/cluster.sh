# shellcheck shell=bash disable=SC2034,SC2153
# Three RabbitMQ nodes on one machine: each a rabbitmq of its own (lib/rabbitmq.sh) with a name, a
# folder and ports; one epmd and one cookie for all. Sourced, never run.

CLUSTER_NODES=(1 2 3)

choose_cluster() { # sets CLUSTER, its folder
  choose_instance_dir
  CLUSTER="$DIR/cluster"
  mkdir -p "$CLUSTER"
}

load_cluster_ports() {
  CLUSTER_PORT=''
  # shellcheck source=/dev/null
  [ ! -f "$CLUSTER/ports" ] || . "$CLUSTER/ports"
}

# One port for epmd, and two for each node, in a row.
choose_cluster_ports() {
  local try offset block
  for ((try = 0; try < 500; try++)); do
    block=$((10000 + RANDOM % 1000 * 4))
    for offset in 0 1 2 3 4 5 6; do ! listening $((block + offset)) || continue 2; done
    CLUSTER_PORT=$block
    printf 'CLUSTER_PORT=%s\n' "$block" >"$CLUSTER/ports"
    return
  done
  die 'no seven free ports in a row between 10000 and 14000'
}

amqp_port_of() { printf '%s' $((CLUSTER_PORT + 2 * $1 - 1)); }

# Runs a command of lib/rabbitmq.sh for a node, in a subshell, because everything that it sets is
# the node's.
in_node() ( # NUMBER COMMAND…
  NODE=spool$1 DIR="$CLUSTER/$1" EPMD_PORT=$CLUSTER_PORT
  AMQP_PORT=$(amqp_port_of "$1") AMQP_DIST_PORT=$((CLUSTER_PORT + 2 * $1))
  "${@:2}"
)

# A node that is cut off from the others stops serving, as is advised for quorum queues.
cluster_settings() {
  local node
  printf 'cluster_formation.peer_discovery_backend = classic_config\ncluster_partition_handling = pause_minority\n'
  for node in "${CLUSTER_NODES[@]}"; do printf 'cluster_formation.classic_config.nodes.%s = spool%s@localhost\n' "$node" "$node"; done
}

# Started before any node, so that it belongs to none and outlives all.
start_epmd() {
  local epmd
  epmd=$(command -v epmd || printf '%s\n' /usr/lib/erlang/erts-*/bin/epmd | tail -n 1)
  env -i "PATH=$PATH" "SPOOL_BROKER_HOME=$CLUSTER" "$epmd" -daemon -address 127.0.0.1 -port "$CLUSTER_PORT" 9>&-
}

epmd_pids() { pids_with_env "SPOOL_BROKER_HOME=$CLUSTER"; }

share_cookie() { # NUMBER
  local home="$CLUSTER/$1/rabbitmq"
  mkdir -p "$home"
  rm -f "$home/.erlang.cookie"
  cp "$CLUSTER/cookie" "$home/.erlang.cookie"
  chmod 400 "$home/.erlang.cookie"
}

kill_node() {
  local pids
  mapfile -t pids < <(in_node "$1" rabbitmq_pids)
  signal KILL "${pids[@]}"
  wait_until 10 in_node "$1" no_process_of rabbitmq || die "node $1 survives SIGKILL"
}

start_node() {
  # A node that was frozen or cut off may be coming back by itself.
  in_node "$1" no_process_of rabbitmq || ! wait_until 30 in_node "$1" rabbitmq_ready || return 0
  kill_node "$1"
  in_node "$1" rabbitmq_start || { tail -n 15 "$(in_node "$1" rabbitmq_log)" >&2; die "node $1 did not start"; }
}

signal_node() { # SIGNAL NUMBER
  local pids
  mapfile -t pids < <(in_node "$2" rabbitmq_server_pids)
  [ "${#pids[@]}" -gt 0 ] || die "node $2 does not run"
  signal "$1" "${pids[@]}"
}

# Cuts a node off: its cookie for the others is wrong, and theirs for it, so that they can't
# connect.
cut_node() {
  in_node "$1" rabbitmq_ctl eval "[begin erlang:set_cookie(N, cut_off), erlang:disconnect_node(N) end || N <- rabbit_nodes:all(), N =/= node()]." >/dev/null
}

heal_node() {
  in_node "$1" rabbitmq_ctl eval "[begin erlang:set_cookie(N, erlang:get_cookie()), net_kernel:connect_node(N) end || N <- [spool1@localhost, spool2@localhost, spool3@localhost], N =/= node()]." >/dev/null
}

# The node that leads a queue, as reported by any node that answers.
leader_of() { # QUEUE
  local node found
  for node in "${CLUSTER_NODES[@]}"; do
    in_node "$node" rabbitmq_ready || continue
    found=$(in_node "$node" rabbitmq_ctl --timeout 10 list_queues name leader 2>/dev/null | awk -v queue="$1" '$1 == queue { print $2 }')
    [[ ! $found =~ ^spool([0-9])@ ]] || { printf '%s\n' "${BASH_REMATCH[1]}"; return; }
  done
  die "no node knows who leads $1"
}
