# shellcheck shell=bash disable=SC2153,SC2154
# How long a task waits when its worker dies: from `kill -9` to its next start elsewhere, by the
# store's clock. Sourced by scripts/bench.

bench_failover() {
  local run
  "$here/services" up
  eval "$("$here/services" env)"
  start_fleet 2 "$SLOTS"
  say "failover: a worker is killed in the middle of a task, $FAILOVERS times"
  : >"$WORK/failovers"
  for ((run = 1; run <= FAILOVERS; run++)); do failover "$run"; done
  failover_line | tee -a "$WORK/lines" | jq -r '
    "  kill -9 to running elsewhere, s     median \(.medianSeconds), most \(.maxSeconds), of \(.runs) (a lease is 10 s)"'
  stop_fleet
  "$here/services" wipe
}

# One job that runs longer than the failover. Its worker is found by the name that it registered:
# host:pid.
failover() { # RUN
  local job worker pid killed started
  job=$(curl -fsS "$SPOOL_SERVER/v1/jobs" -H 'content-type: application/json' \
    -d '{"kind": "echo", "input": {"sleepMs": 120000}, "timeoutMs": 300000}' | jq -r .id)
  wait_until 30 task_runs "$job" '' || die "job $job never ran"
  read -r worker pid <<<"$(database "SELECT t.worker, split_part(w.name, ':', 2) FROM spool.tasks t JOIN spool.workers w ON w.id = t.worker WHERE t.job = '$job'")"
  # At any moment between two heartbeats, as a lease is as old as the last one.
  sleep "$((RANDOM % 3)).$((RANDOM % 10))"
  killed=$(date +%s%3N)
  kill -KILL "$pid"
  wait "$pid" 2>/dev/null || true
  launch "work-again-$1" work --slots "$SLOTS"
  wait_until 60 task_runs "$job" "$worker" || die "job $job did not run again within a minute"
  started=$(database "SELECT started_at FROM spool.tasks WHERE job = '$job'")
  printf '%s\n' $((started - killed)) >>"$WORK/failovers"
  curl -fsS -o /dev/null -X POST "$SPOOL_SERVER/v1/jobs/$job/cancel"
}

task_runs() { # JOB NOT_WORKER
  [ -n "$(database "SELECT 1 FROM spool.tasks WHERE job = '$1' AND state = 'running' AND worker::text <> '$2'")" ]
}

database() { "$(postgres_bin)/psql" "$SPOOL_DATABASE_URL" -XAtq -F ' ' -c "$1"; }

failover_line() {
  sort -n "$WORK/failovers" | jq -sc '{bench: "failover", runs: length, medianSeconds: (.[(length - 1) / 2 | floor] / 1000), maxSeconds: (max / 1000)}'
}
