# shellcheck shell=bash
# Footage for scripts/bench: the demo's clips made longer, with grain that changes from frame to
# frame as a camera's does. Pictures without grain are far easier to encode than what people upload.
# Sourced, never run.

# Makes the same files for one ffmpeg and one version of this text. Files that are there are kept.
footage() { # FOLDER CLIPS
  local folder=$1 clips=$2 recipe number
  recipe=$(cat "$ROOT/scripts/lib/footage.sh" "$ROOT/scripts/make-clips" | sha256sum | cut -c1-16)
  [ "$(cat "$folder/made-by" 2>/dev/null)" != "$recipe" ] || return 0
  say 'making footage for the benchmarks (a few minutes, once)'
  rm -rf "$folder"
  mkdir -p "$folder/cuts"
  # Three clips of 12 s in full HD, and thirty cuts of 10 s in 1280x720, each with its own section
  # and colour.
  shot "$folder/one.mp4" "$clips/dawn.mp4" 0 12 1920:1080 0
  shot "$folder/two.mp4" "$clips/aurora.mp4" 0 12 1920:1080 0
  shot "$folder/three.mp4" "$clips/dawn.mp4" 3 12 1920:1080 140
  for ((number = 0; number < 30; number++)); do
    local from=dawn
    [ $((number % 2)) -eq 0 ] || from=aurora
    shot "$folder/cuts/$(printf %02d "$number").mp4" "$clips/$from.mp4" "$((number % 6))" 10.2 1280:720 "$((number * 23 % 360))"
  done
  # The demo's twelve seconds repeated, so that music never ends before the pictures do.
  quiet_ffmpeg -stream_loop 29 -i "$clips/music.m4a" -t 310 -c:a aac -b:a 160k "$folder/music.m4a"
  printf '%s\n' "$recipe" >"$folder/made-by"
}

shot() { # FILE CLIP FROM SECONDS WIDTH:HEIGHT HUE
  quiet_ffmpeg -stream_loop -1 -ss "$3" -i "$2" -t "$4" -an \
    -vf "scale=$5:flags=bicubic,hue=h=$6,noise=alls=6:allf=t,format=yuv420p" -r 30 -c:v libx264 -preset veryfast -crf 20 -g 60 \
    -colorspace bt709 -color_primaries bt709 -color_trc bt709 -color_range tv -movflags +faststart "$1"
}

quiet_ffmpeg() { nice -n 10 ffmpeg -nostdin -hide_banner -loglevel error -y "$@"; }
