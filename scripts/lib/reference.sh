# shellcheck shell=bash
# The same video as scripts/lib/bench-hello.json by one ffmpeg command line, as a person who knows ffmpeg
# would write it. When the composition changes, this changes with it. Sourced, never run.

# Read from the composition, so that both have the same words.
reference_speech() { # FILE
  jq -r '.timeline.tracks[].clips[].asset | select(.type == "speech").text' "$ROOT/scripts/lib/bench-hello.json" |
    espeak-ng -v en-us -s 165 -w "$1"
}

# The settings of the engine's medium quality. ffmpeg chooses its threads, which is all cores.
reference_render() { # CLIPS SPEECH OUT
  local bold="$ROOT/media/fonts/OpenSans-Bold.ttf"
  # The second clip fades in over the first from 4 s on, for one second, and out again at the end.
  local picture="[0:v]trim=0:5,setpts=PTS-STARTPTS[dawn];[1:v]trim=0.5:6,setpts=PTS-STARTPTS[aurora]"
  picture+=";[dawn][aurora]xfade=transition=fade:duration=1:offset=4,fade=t=out:st=8.5:d=1:color=0x0b0d1a"
  picture+=",drawtext=fontfile=$bold:text='Hello, Spool':fontsize=92:fontcolor=white:x=(w-tw)/2:y=(h-th)/2-0.12*h"
  picture+=":enable='between(t,0.6,4.2)':alpha='min(1,min((t-0.6),(4.2-t)))'"
  picture+=",drawtext=fontfile=$bold:text='One file in, one video out.':fontsize=56:fontcolor=white:x=(w-tw)/2:y=(h-th)/2+0.36*h"
  picture+=":enable='between(t,5.2,8.8)':alpha='min(1,min((t-5.2),(8.8-t)))',format=yuv420p[v]"
  # The voice starts at 1 s and ducks the music; the whole is brought to -14 LUFS.
  local sound="[3:a]aresample=48000,adelay=1000:all=1,apad=whole_dur=9.5,pan=stereo|c0=c0|c1=c0,asplit[voice][key]"
  sound+=";[2:a]atrim=0:9.5,volume=0.8,afade=t=out:st=8:d=1.5[music];[music][key]sidechaincompress=threshold=0.03:ratio=8:attack=50:release=400[low]"
  sound+=";[low][voice]amix=inputs=2:normalize=0:duration=first,loudnorm=I=-14:TP=-1:LRA=11,aresample=48000,aformat=channel_layouts=stereo[a]"
  nice -n 10 ffmpeg -nostdin -hide_banner -loglevel error -y \
    -i "$1/dawn.mp4" -i "$1/aurora.mp4" -i "$1/music.m4a" -i "$2" \
    -filter_complex "$picture;$sound" -map '[v]' -map '[a]' -t 9.5 -r 30 \
    -c:v libx264 -preset medium -crf 23 -g 120 \
    -colorspace bt709 -color_primaries bt709 -color_trc bt709 -color_range tv \
    -c:a aac -b:a 192k -movflags +faststart "$3"
}
