# shellcheck shell=bash disable=SC2153,SC2154
# The part "cache" of scripts/bench: the caches by themselves, and a script that is asked for again and again. Sourced, never run.

bench_cache() {
  (cd "$ROOT" && cargo build --locked --release -p backing --example cache_bench)
  "$here/services" up
  eval "$("$here/services" env)"
  say 'caches: gets and sets a second, and a mix of 1,000 requests whose keys repeat by Zipf'
  "$(dirname "$SPOOL")/examples/cache_bench" | tee "$WORK/cache.lines" | jq -r '
    if .perSecond then "  \(.bench | sub("cache: "; ""))\(if .sideBySide then " from Redis, \(.sideBySide) side by side" else ", \(.tasks) at once" end): \(.perSecond)/s \(.ms // "")"
    else "  mix \(.mix)", "  \(.processes) processes: L1 \(.l1), L2 \(.l2), computed \(.computed): hit rate \(.hitRate)" end'
  cat "$WORK/cache.lines" >>"$WORK/lines"
  start_fleet 1 8
  script_again
  stop_fleet
  "$here/services" wipe
}

# The same script, asked for as a client does: posted, then waited for.
script_again() {
  local run line
  say 'a script, and the same script 50 times more: submit to result'
  : >"$WORK/script.times"
  for ((run = 0; run <= 50; run++)); do script_seconds >>"$WORK/script.times"; done
  line=$(jq -sc '{bench: "repeated script", firstMs: (.[0] * 1000 | round),
    againMs: (.[1:] | sort | {p50: (.[25] * 10000 | round / 10), p95: (.[47] * 10000 | round / 10)})}' "$WORK/script.times")
  jq -r '"  first \(.firstMs) ms; again \(.againMs.p50) / \(.againMs.p95) ms (p50 / p95)"' <<<"$line"
  printf '%s\n' "$line" >>"$WORK/lines"
}

script_seconds() {
  local began=$EPOCHREALTIME id status
  id=$(curl -fsS "$SPOOL_SERVER/v1/jobs" -H 'content-type: application/json' \
    -d '{"kind": "script", "input": {"topic": "why the sea is salt"}}' | jq -r .id)
  status=$(curl -fsS "$SPOOL_SERVER/v1/jobs/$id?wait=25&fields=status" | jq -r .status)
  while [ "$status" = queued ] || [ "$status" = running ]; do
    status=$(curl -fsS "$SPOOL_SERVER/v1/jobs/$id?wait=25&fields=status" | jq -r .status)
  done
  [ "$status" = succeeded ] || die "the script ended as $status"
  awk -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.4f\n", b - a }'
}
