# shellcheck shell=bash disable=SC2153,SC2154
# Cost of a job in PostgreSQL under a load: a long backlog, a transaction that is held open, a
# tenant with a backlog beside another's single job. Each is a part of
# backing/examples/store_under_load.rs. Sourced by scripts/bench.

bench_backlog() {
  say 'backlog: settled jobs/s beside 0, 100,000 and 1,000,000 that wait'
  under_load backlog | jq -r '"  \(.waiting) waiting\t\(.settledPerSecond) settled/s"' | expand -t 30
}

bench_held() {
  say "held: settled jobs/s, then with a transaction held open for $MINUTES minutes"
  under_load held $((MINUTES * 60)) | jq -r '
    "  without                     \(.withoutPerSecond) settled/s",
    "  held, on average            \(.settledPerSecond) settled/s, \(.ratio) of that",
    "  held, in the last 30 s      \(.lastPerSecond) settled/s, \(.lastRatio) of that"'
}

bench_fair() {
  say 'fair: slot turns that others have before the single job of a tenant beside 100,000 of another'
  under_load fair | jq -r '"  turns before it               \(.meanTurns) on average, \(.worstTurns) at worst"'
}

# Prints the part's lines, and adds them to those of this run.
under_load() { # PART NUMBER…
  local lines="$WORK/store.lines"
  (cd "$ROOT" && cargo build --locked --release -p backing --example store_under_load) >&2
  "$here/services" up
  eval "$("$here/services" env)"
  "$TARGET_DIR/release/examples/store_under_load" "$@" >"$lines"
  "$here/services" wipe
  tee -a "$WORK/lines" <"$lines"
}
