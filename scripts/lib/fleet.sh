# shellcheck shell=bash disable=SC2153
# A fleet for scripts/bench, and its costs: one server and some workers on the private services.
# Sourced, never run.

# The servers' processes are found as scripts/services finds them.
for part in instance postgres redis rabbitmq; do
  # shellcheck source=/dev/null
  . "$ROOT/scripts/lib/$part.sh"
done

FLEET_NAMES=() FLEET_PIDS=() SAMPLER_PID=''

start_fleet() { # WORKERS SLOTS
  local port number
  port=$(free_port)
  export SPOOL_SERVER="http://127.0.0.1:$port" SPOOL_ECHO=true SPOOL_LOG=${SPOOL_LOG:-warn}
  "$SPOOL" migrate
  launch serve serve --listen "127.0.0.1:$port"
  for ((number = 1; number <= $1; number++)); do launch "work-$number" work --slots "$2"; done
  wait_until 60 fleet_ready || { tail -n 20 "$WORK"/*.log >&2; die "the fleet did not get ready; its logs are in $WORK"; }
  choose_instance_dir
  sample_servers &
  SAMPLER_PID=$!
}

launch() { # NAME ARGS…
  "$SPOOL" "${@:2}" >"$WORK/$1.log" 2>&1 </dev/null &
  FLEET_NAMES+=("$1") FLEET_PIDS+=($!)
}

fleet_ready() { curl -fsS -o /dev/null --max-time 2 "$SPOOL_SERVER/health/ready" 2>/dev/null; }

stop_fleet() {
  local pid
  [ -z "$SAMPLER_PID" ] || kill "$SAMPLER_PID" 2>/dev/null || true
  for pid in "${FLEET_PIDS[@]}"; do kill -TERM "$pid" 2>/dev/null || true; done
  for pid in "${FLEET_PIDS[@]}"; do
    wait_until 40 process_ended "$pid" || kill -KILL "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  FLEET_NAMES=() FLEET_PIDS=() SAMPLER_PID=''
}

process_ended() { ! kill -0 "$1" 2>/dev/null; }

# ---- what it costs ----------------------------------------------------------------------------

# Bytes of WAL, and transactions that wrote. Each of those took a number, which is exact at once;
# the statistics of backends are up to ten seconds late.
database_counts() {
  "$(postgres_bin)/psql" "$SPOOL_DATABASE_URL" -XAtq -c "
    SELECT json_build_object(
      'wal', pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0'),
      'commits', pg_snapshot_xmax(pg_current_snapshot())::text::bigint)"
}

# Keeps the largest sum of proportional memory of each server's processes in a file: backends share
# pages, which sums of resident sizes would count several times.
sample_servers() {
  local name now
  local -A most=([postgres]=0 [redis]=0 [rabbitmq]=0)
  while true; do
    for name in "${!most[@]}"; do
      now=$(for pid in $("${name}_pids"); do cat "/proc/$pid/smaps_rollup" 2>/dev/null || true; done | awk '/^Pss:/ { kb += $2 } END { print kb + 0 }')
      [ "$now" -le "${most[$name]}" ] || most[$name]=$now
    done
    for name in "${!most[@]}"; do printf '%s %s\n' "$name" "${most[$name]}"; done >"$WORK/servers.memory.new"
    mv "$WORK/servers.memory.new" "$WORK/servers.memory"
    sleep 1
  done
}

fleet_memory() {
  local index line
  line=$({
    for index in "${!FLEET_PIDS[@]}"; do
      awk -v name="${FLEET_NAMES[$index]}" '/^VmHWM:/ { print name, $2 }' "/proc/${FLEET_PIDS[$index]}/status"
    done
    cat "$WORK/servers.memory"
  } | jq -Rnc '[inputs | split(" ") | {key: .[0], value: (.[1] | tonumber / 1024 | round)}] | {bench: "peak memory, MB"} + from_entries')
  say 'peak memory, MB'
  jq -r 'del(.bench) | to_entries[] | "  \(.key)\t\(.value)"' <<<"$line" | while IFS=$'\t' read -r name figure; do printf '%-36s %s\n' "$name" "$figure"; done
  printf '%s\n' "$line" >>"$WORK/lines"
}
