# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# The part "generation" of scripts/bench: calls that wait for a provider, and a video requested
# twice. Sourced, never run.

CALLS=2000 PROVIDER_PID=''

# Seconds between two times of one day, to the millisecond: jq can't read fractions of a second.
# shellcheck disable=SC2016 # jq reads this, not the shell
SECONDS_BETWEEN='def clock: capture("T(?<h>..):(?<m>..):(?<s>[0-9.]+)Z") | (.h | tonumber) * 3600 + (.m | tonumber) * 60 + (.s | tonumber);
  def between(from; to): ((to | clock) - (from | clock)) * 1000 | round / 1000;'

bench_generation() {
  (cd "$ROOT" && cargo build --locked --release -p spool --example waiting-provider)
  "$here/services" up
  eval "$("$here/services" env)"
  start_generation
  generation_run 'generation, 1 s each'
  generation_run 'generation, the same again'
  video_twice
  fleet_memory
  stop_fleet
  stop_provider
  "$here/services" wipe
}

# One worker for tasks that wait, with a slot for each call, and one for tasks that keep a core
# busy.
start_generation() {
  local port provider
  port=$(free_port) provider=$(free_port)
  "$(dirname "$SPOOL")/examples/waiting-provider" "127.0.0.1:$provider" 1000 >"$WORK/provider.log" 2>&1 </dev/null &
  PROVIDER_PID=$! PROVIDER="http://127.0.0.1:$provider"
  export SPOOL_SERVER="http://127.0.0.1:$port" SPOOL_LOG=${SPOOL_LOG:-warn} NO_PROXY=127.0.0.1
  export SPOOL_OPENAI_BASE_URL="$PROVIDER/v1" SPOOL_OPENAI_API_KEY=none SPOOL_OPENAI_CONNECTIONS=$CALLS
  export SPOOL_PROVIDERS_SPEECH=offline SPOOL_PROVIDERS_IMAGE=offline
  "$SPOOL" migrate
  launch serve serve --listen "127.0.0.1:$port"
  launch work-generate work --queue generate --slots "$CALLS"
  launch work-others work --queue render --queue light
  wait_until 60 fleet_ready || { tail -n 20 "$WORK"/*.log >&2; die "the fleet did not get ready; its logs are in $WORK"; }
  choose_instance_dir
  sample_servers &
  SAMPLER_PID=$!
}

stop_provider() {
  [ -z "$PROVIDER_PID" ] || kill "$PROVIDER_PID" 2>/dev/null || true
  PROVIDER_PID=''
}

generation_run() { # NAME
  local batch line
  say "$1: $CALLS jobs of kind hook, one worker of $CALLS slots"
  batch=$(jq -nc --argjson calls "$CALLS" '{jobs: [range($calls) | {kind: "hook", input: {topic: "bench \(.)"}}]}' |
    curl -fsS "$SPOOL_SERVER/v1/batches" -H 'content-type: application/json' --data-binary @- | jq -r .id)
  wait_until 300 batch_settled "$batch" || die "not settled: $(curl -fsS "$SPOOL_SERVER/v1/batches/$batch")"
  line=$(curl -fsS "$SPOOL_SERVER/v1/batches/$batch" | jq -c --arg name "$1" --argjson stats "$(curl -fsS "$PROVIDER/stats")" "$SECONDS_BETWEEN"'
    {bench: $name, jobs: .counts.total, fulfilled: .counts.fulfilled, seconds: between(.createdAt; .settledAt)} + $stats')
  jq -r '"  accepted to last settled           \(.seconds) s",
         "  fulfilled                          \(.fulfilled) of \(.jobs)",
         "  calls so far, most side by side    \(.calls), \(.sideBySide)"' <<<"$line"
  printf '%s\n' "$line" >>"$WORK/lines"
}

batch_settled() { [ "$(curl -fsS "$SPOOL_SERVER/v1/batches/$1" | jq -r .status)" = settled ]; }

# The second video takes everything from memos and caches.
video_twice() {
  local first second line
  say 'video: a script of five scenes, twice'
  first=$(video_seconds) second=$(video_seconds)
  line=$(jq -nc --argjson first "$first" --argjson second "$second" '{bench: "video twice", firstSeconds: $first, againSeconds: $second}')
  jq -r '"  accepted to result                 \(.firstSeconds) s, and again \(.againSeconds) s"' <<<"$line"
  printf '%s\n' "$line" >>"$WORK/lines"
}

video_seconds() {
  local id job
  id=$(jq -nc '{kind: "video", input: {resolution: "hd", script: {title: "Tides", scenes:
      [range(5) | {text: "Sentence \(.) of what the sea does all day.", picture: "a sea, view \(.)"}]}}}' |
    curl -fsS "$SPOOL_SERVER/v1/jobs" -H 'content-type: application/json' --data-binary @- | jq -r .id)
  wait_until 300 job_final "$id" || die "not settled: $id"
  job=$(curl -fsS "$SPOOL_SERVER/v1/jobs/$id?fields=status,error,createdAt,finishedAt")
  jq -e '.status == "succeeded"' <<<"$job" >/dev/null || die "the video failed: $job"
  jq "$SECONDS_BETWEEN"' between(.createdAt; .finishedAt)' <<<"$job"
}

job_final() { case $(curl -fsS "$SPOOL_SERVER/v1/jobs/$1?wait=20&fields=status" | jq -r .status) in succeeded | failed | cancelled) ;; *) return 1 ;; esac }
