# shellcheck shell=bash disable=SC2153,SC2154
# The part "cache" of scripts/bench: the caches by themselves, and a script that is requested
# repeatedly. Sourced, never run.

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

# The same script, requested as a client does: posted, then waited for. Two times of each: the
# server's own, from accepted to settled, and that of the two calls by curl's clock, without the
# start of curl and jq.
script_again() {
  local run line
  say 'a script, and the same script 50 times more: submit to result'
  : >"$WORK/script.times"
  for ((run = 0; run <= 50; run++)); do script_times >>"$WORK/script.times"; done
  line=$(jq -sc 'def ms(name): map(.[name]) | sort | {p50: .[(length - 1) * 0.5 | floor], p95: .[(length - 1) * 0.95 | floor]};
    {bench: "repeated script", first: .[0], againServerMs: (.[1:] | ms("serverMs")), againCallsMs: (.[1:] | ms("callsMs"))}' "$WORK/script.times")
  jq -r '"  accepted to settled                first \(.first.serverMs) ms; again \(.againServerMs.p50) / \(.againServerMs.p95) ms (p50 / p95)",
         "  post and read, by curl             first \(.first.callsMs) ms; again \(.againCallsMs.p50) / \(.againCallsMs.p95) ms"' <<<"$line"
  printf '%s\n' "$line" >>"$WORK/lines"
}

# A wait ends at each change of status, so it is repeated until the job is final.
script_times() {
  local began=$EPOCHREALTIME job got
  job=$(curl -fsS "$SPOOL_SERVER/v1/jobs" -H 'content-type: application/json' \
    -d '{"kind": "script", "input": {"topic": "why the sea is salt"}}' | jq -r .id)
  until
    got=$(curl -fsS "$SPOOL_SERVER/v1/jobs/$job?wait=25&fields=status,createdAt,finishedAt")
    jq -e '.finishedAt' <<<"$got" >/dev/null
  do :; done
  jq -ce --argjson began "$began" --argjson ended "$EPOCHREALTIME" "$SECONDS_BETWEEN"'
    if .status == "succeeded" then {serverMs: (between(.createdAt; .finishedAt) * 1000 | round), callsMs: (($ended - $began) * 10000 | round / 10)}
    else error("the script ended as \(.status)") end' <<<"$got"
}
