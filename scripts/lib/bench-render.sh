# shellcheck shell=bash disable=SC2153,SC2154
# The render half of scripts/bench: the measurements. The videos are in bench-compositions.sh.
# Sourced, never run.
#
# Every figure is a ratio of two runs on this machine in this hour, and ffmpeg runs at the same
# niceness as Spool's media processes. "Quality" is SSIM against the lossless picture of ffmpeg's
# own graph without letters, over the part of the frame without letters, so that both encoders are
# held to one reference.
for part in reference footage bench-compositions; do
  # shellcheck source=/dev/null
  . "$ROOT/scripts/lib/$part.sh"
done

RENDER_PARTS=(hello m1 m2 m3 workers memory)

bench_render() {
  local clips="$WORK/media" part
  FOOTAGE="$WORK/footage" RUN="$WORK/run"
  "$here/make-clips" "$clips"
  footage "$FOOTAGE" "$clips"
  mkdir -p "$RUN"
  espeak-ng -v en-us -s 165 -w "$RUN/spoken.wav" "$BENCH_TEXT"
  quiet_ffmpeg -stream_loop -1 -i "$RUN/spoken.wav" -t 60 "$RUN/voice.wav"
  for part in ${RENDER_ONLY:-"${RENDER_PARTS[@]}"}; do "render_$part"; done
}

# ---- the demo's video, as at first -----------------------------------------------------------

render_hello() {
  local clips="$WORK/media" run
  say "render: scripts/lib/bench-hello.json, $RUNS times each, in turn"
  reference_speech "$RUN/speech.wav"
  forget_times
  for ((run = 0; run < RUNS; run++)); do
    fresh_cache
    timed spool "$SPOOL" render "$ROOT/scripts/lib/bench-hello.json" --merge "MEDIA=$clips" --allow "$clips" --cache "$RUN/cache" -o "$RUN/spool.mp4"
    timed ffmpeg reference_render "$clips" "$RUN/speech.wav" "$RUN/ffmpeg.mp4"
  done
  against hello "$(jq -nc '{aim: null}')" "$(sizes "$RUN/spool.mp4" "$RUN/ffmpeg.mp4")"
}

# ---- M1 --------------------------------------------------------------------------------------

render_m1() {
  local run
  say "M1: 30 s of 1080x1920, three clips, crossfades, title, words, voice over music; $RUNS times each, in turn"
  m1_composition "$FOOTAGE" "$RUN/voice.wav" 30 >"$RUN/m1.json"
  word_captions "$RUN/m1.ass" 1080 1920 64 6 220 30
  forget_times
  for ((run = 0; run < RUNS; run++)); do
    fresh_cache
    timed spool render_here "$RUN/m1.json" "$RUN/spool.mp4"
    timed ffmpeg m1_ffmpeg "$FOOTAGE" "$RUN/voice.wav" "$RUN/m1.ass" "$RUN/ffmpeg.mp4"
    timed same m1_ffmpeg "$FOOTAGE" "$RUN/voice.wav" "$RUN/m1.ass" "$RUN/same.mp4" -preset veryfast
  done
  m1_ffmpeg "$FOOTAGE" "$RUN/voice.wav" '' "$RUN/lossless.mp4" -preset ultrafast -crf 0
  # The title is above the compared window and the words are below it, in both.
  against m1 "$(jq -nc '{aim: 0.75}')" "$(sizes "$RUN/spool.mp4" "$RUN/ffmpeg.mp4")" "$(qualities "$RUN/spool.mp4" "$RUN/ffmpeg.mp4" 1080:960:0:480)" \
    "$(jq -nc --argjson same "$(median same)" --argjson ssim "$(ssim "$RUN/same.mp4" 1080:960:0:480)" '
      {ffmpegSamePresetSeconds: $same, ffmpegSamePresetSsim: $ssim}')"
  note 'Spool encodes medium quality with x264 veryfast at crf 23, ffmpeg here with medium at crf 23: what they look like is the SSIM above.'
  note "ffmpeg with veryfast as well takes $(median same) s, SSIM $(ssim "$RUN/same.mp4" 1080:960:0:480)."
  rm -f "$RUN/lossless.mp4"
}

# Quality of both results against the lossless one, over a window WIDTH:HEIGHT:X:Y without letters.
qualities() { # SPOOL_FILE FFMPEG_FILE WINDOW
  jq -nc --argjson spool "$(ssim "$1" "$3")" --argjson ffmpeg "$(ssim "$2" "$3")" '{spoolSsim: $spool, ffmpegSsim: $ffmpeg}'
}

ssim() { # FILE WINDOW
  ffmpeg -nostdin -hide_banner -i "$1" -i "$RUN/lossless.mp4" -an \
    -lavfi "[0:v]crop=$2,settb=1/30,setpts=N[a];[1:v]crop=$2,settb=1/30,setpts=N[b];[a][b]ssim" -f null - 2>&1 |
    sed -n 's/.*SSIM .*All:\([0-9.]*\).*/\1/p'
}

# ---- M2 --------------------------------------------------------------------------------------

# The server is started beforehand, as a service is; ffmpeg has nothing to start.
render_m2() {
  local numbers=(00 01 02 03 04 05 06 07 08 09) number run
  say "M2: ten shorts of 6 s, 720x1280, as a batch, against ffmpeg in turn and two at a time; $RUNS times each"
  word_captions "$RUN/m2.ass" 720 1280 44 4 140 6
  for number in "${numbers[@]}"; do m2_composition "$FOOTAGE" "$number" | jq -c '{kind: "render", input: .}'; done |
    jq -sc '{jobs: .}' >"$RUN/m2.json"
  forget_times
  for ((run = 0; run < RUNS; run++)); do
    start_single
    timed spool "$SPOOL" batch "$RUN/m2.json" --watch
    stop_fleet
    timed in_turn shorts_in_turn "${numbers[@]}"
    timed two_at_a_time shorts_two_at_a_time "${numbers[@]}"
  done
  local turn two
  turn=$(median in_turn) two=$(median two_at_a_time)
  cp "$RUN/$(awk -v a="$turn" -v b="$two" 'BEGIN { print a <= b ? "in_turn" : "two_at_a_time" }').times" "$RUN/ffmpeg.times"
  against m2 "$(jq -nc --argjson turn "$turn" --argjson two "$two" '{aim: 0.9, ffmpegInTurnSeconds: $turn, ffmpegTwoAtATimeSeconds: $two}')" \
    "$(first_short)"
}

# Quality of two of them. The batch's files are the server's own, so the first short is rendered
# once more, without being timed.
first_short() {
  # shellcheck disable=SC2034 # m2_ffmpeg encodes by it; its options would go to the decoder too.
  local ENCODED=(-c:v libx264 -preset ultrafast -crf 0)
  m2_composition "$FOOTAGE" 00 >"$RUN/short.json"
  fresh_cache
  render_here "$RUN/short.json" "$RUN/short.mp4" >/dev/null
  m2_ffmpeg "$FOOTAGE" 00 '' "$RUN/lossless.mp4"
  qualities "$RUN/short.mp4" "$RUN/short-00.mp4" 720:640:0:320
  rm -f "$RUN/lossless.mp4"
}

shorts_in_turn() {
  local number
  for number; do m2_ffmpeg "$FOOTAGE" "$number" "$RUN/m2.ass" "$RUN/short-$number.mp4"; done
}

shorts_two_at_a_time() {
  local number running=0
  for number; do
    [ "$running" -lt 2 ] || { wait -n; running=$((running - 1)); }
    m2_ffmpeg "$FOOTAGE" "$number" "$RUN/m2.ass" "$RUN/short-$number.mp4" -threads 1 -filter_complex_threads 1 &
    running=$((running + 1))
  done
  wait
}

# Starts `spool dev` with an empty cache.
start_single() {
  local port
  rm -rf "$RUN/data"
  port=$(free_port)
  export SPOOL_SERVER="http://127.0.0.1:$port"
  launch dev dev --listen "127.0.0.1:$port" --data "$RUN/data" --allow "$WORK"
  wait_until 30 fleet_ready || die "spool dev did not get ready: $WORK/dev.log"
}

# ---- M3 --------------------------------------------------------------------------------------

render_m3() {
  local run
  say "M3: five minutes of 1280x720 from thirty clips with captions, once, and after one caption changed"
  m3_composition "$FOOTAGE" '' >"$RUN/m3.json"
  forget_times
  fresh_cache
  timed first render_here "$RUN/m3.json" "$RUN/m3.mp4"
  for ((run = 0; run < RUNS; run++)); do
    m3_composition "$FOOTAGE" "A caption that was changed, $run" >"$RUN/m3-changed.json"
    timed again render_here "$RUN/m3-changed.json" "$RUN/m3.mp4"
  done
  local line
  line=$(jq -nc --argjson first "$(median first)" --argjson again "$(median again)" '
    {bench: "m3", firstSeconds: $first, againSeconds: $again, ratio: ($again / $first * 10000 | round / 10000), aim: 0.02, aimSeconds: 3}')
  jq -r '"  first \(.firstSeconds) s, again \(.againSeconds) s: \(.ratio * 100) % of the first (aim: at most 2 %, and under 3 s)"' <<<"$line"
  printf '%s\n' "$line" >>"$WORK/lines"
}

# ---- more workers ----------------------------------------------------------------------------

# On the production adapters, new each time, so that there are no memos. Their own work is on the
# same cores.
render_workers() {
  local workers run line
  say "M1 on a fleet: one worker of one slot, then two; $RUNS times each, in turn"
  m1_composition "$FOOTAGE" "$RUN/voice.wav" 30 >"$RUN/m1.json"
  forget_times
  for ((run = 0; run < RUNS; run++)); do
    for workers in 1 2; do
      "$here/services" up
      eval "$("$here/services" env)"
      SPOOL_ALLOW="$WORK" start_fleet "$workers" 1
      timed "workers_$workers" "$SPOOL" submit "$RUN/m1.json" --watch
      stop_fleet
      "$here/services" wipe
    done
  done
  line=$(jq -nc --argjson one "$(median workers_1)" --argjson two "$(median workers_2)" '
    {bench: "workers", oneSeconds: $one, twoSeconds: $two, speedUp: ($one / $two * 100 | round / 100), aim: 1.8}')
  jq -r '"  one worker \(.oneSeconds) s, two \(.twoSeconds) s: \(.speedUp) times as fast (aim: at least 1.8)"' <<<"$line"
  printf '%s\n' "$line" >>"$WORK/lines"
}

# ---- memory ----------------------------------------------------------------------------------

# Memory of the largest media process of each kind, for M1's video in three lengths: it must not
# grow with the length.
render_memory() {
  local seconds line lines=''
  say 'peak memory of a child for M1, as the video gets longer'
  for seconds in 10 30 60; do
    m1_composition "$FOOTAGE" "$RUN/voice.wav" "$seconds" >"$RUN/m1.json"
    fresh_cache
    : >"$RUN/child.memory"
    watch_children &
    SAMPLER_PID=$!
    timed memory render_here "$RUN/m1.json" "$RUN/spool.mp4"
    kill "$SAMPLER_PID" && { wait "$SAMPLER_PID" || true; } 2>/dev/null
    SAMPLER_PID=''
    lines+=$(peaks "$seconds" <"$RUN/child.memory")
  done
  line=$(jq -sc '
    {bench: "memory", childPeaks: .,
     growth: (.[2] as $long | .[1] | del(.seconds) | with_entries(.value = (($long[.key] // .value) / .value * 100 | round / 100))), aim: 1.05}' <<<"$lines")
  jq -r '
    (.childPeaks[] | "  \(.seconds) s of video: \(del(.seconds) | to_entries | map("\(.key) \(.value) MB") | join(", "))"),
    "  60 s take, of what 30 s take: \(.growth | to_entries | map("\(.key) \(.value)") | join(", ")) (aim: no more)"' <<<"$line"
  printf '%s\n' "$line" >>"$WORK/lines"
}

peaks() { # SECONDS, with lines of what a child does and how much it took
  jq -Rnc --argjson seconds "$1" '
    [inputs | split(" ") | {kind: .[0], kb: (.[1] | tonumber)}] | group_by(.kind)
    | map({key: .[0].kind, value: (map(.kb) | max / 1024 | round)}) | {seconds: $seconds} + from_entries'
}

# Records the kernel's high-water mark of every media process, many times a second, until killed. A
# media process is named after its work.
watch_children() {
  local pid kind
  while true; do
    for pid in $(pgrep -f "^$SPOOL media-process"); do
      kind=$(cat "/proc/$pid/comm" 2>/dev/null) || continue
      # Before it has read its job it has the program's name.
      [ "$kind" != "${kind#spool }" ] || continue
      sed -n "s/^VmHWM:[^0-9]*\([0-9]*\).*/${kind#spool } \1/p" "/proc/$pid/status" 2>/dev/null || true
    done >>"$RUN/child.memory"
    sleep 0.05
  done
}

# ---- how it is measured ----------------------------------------------------------------------

render_here() { # COMPOSITION OUT
  "$SPOOL" render "$1" --allow "$WORK" --cache "$RUN/cache" -o "$2"
}

fresh_cache() { rm -rf "$RUN/cache"; }

forget_times() { rm -f "$RUN"/*.times; }

timed() { # NAME COMMAND…: adds the seconds it took, on the clock and of the processor
  local TIMEFORMAT='%R %U %S'
  { time "${@:2}" >"$RUN/output" 2>&1; } 2>"$RUN/time" || { cat "$RUN/output" >&2; die "failed: ${*:2}"; }
  awk '{ printf "%.3f %.3f\n", $1, $2 + $3 }' "$RUN/time" >>"$RUN/$1.times"
}

median() { sort -n "$RUN/$1.times" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

cpu() { awk '{ print $2 }' "$RUN/$1.times" | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

sizes() { # SPOOL_FILE FFMPEG_FILE
  jq -nc --argjson spool "$(stat -c %s "$1")" --argjson ffmpeg "$(stat -c %s "$2")" --argjson length "$(seconds_of "$1")" \
    '{videoSeconds: $length, spoolBytes: $spool, ffmpegBytes: $ffmpeg}'
}

seconds_of() { ffprobe -v error -show_entries format=duration -of csv=p=0 "$1"; }

against() { # NAME JSON…: the line of a bench of Spool against ffmpeg
  local line
  line=$(printf '%s\n' "${@:2}" | jq -sc --arg name "$1" --argjson spool "$(median spool)" --argjson ffmpeg "$(median ffmpeg)" \
    --argjson spoolCpu "$(cpu spool)" --argjson ffmpegCpu "$(cpu ffmpeg)" '
    {bench: $name, spoolSeconds: $spool, ffmpegSeconds: $ffmpeg, ratio: ($spool / $ffmpeg * 100 | round / 100),
     spoolCpuSeconds: $spoolCpu, ffmpegCpuSeconds: $ffmpegCpu} + add')
  # On a server the work is not the client's, whose processor time therefore means nothing.
  [ "$1" != m2 ] || line=$(jq -c 'del(.spoolCpuSeconds, .ffmpegCpuSeconds)' <<<"$line")
  jq -r '"  spool   \(.spoolSeconds) s\(if .spoolCpuSeconds then ", \(.spoolCpuSeconds) s of processor" else "" end)\(if .spoolBytes then ", \(.spoolBytes) bytes" else "" end)\(if .spoolSsim then ", SSIM \(.spoolSsim)" else "" end)",
         "  ffmpeg  \(.ffmpegSeconds) s\(if .ffmpegCpuSeconds then ", \(.ffmpegCpuSeconds) s of processor" else "" end)\(if .ffmpegBytes then ", \(.ffmpegBytes) bytes" else "" end)\(if .ffmpegSsim then ", SSIM \(.ffmpegSsim)" else "" end)",
         "  spool takes \(.ratio) of ffmpeg'"'"'s time\(if .aim then " (aim: at most \(.aim))" else "" end)"' <<<"$line"
  printf '%s\n' "$line" >>"$WORK/lines"
}
