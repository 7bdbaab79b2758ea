# shellcheck shell=bash
# The videos of scripts/bench: each as a composition for Spool and as one filter graph for ffmpeg,
# from the same footage, words and settings. Different engines set the letters, which differ by a
# pixel here and there; the rest is meant to be the same picture. When one of a pair changes, change
# the other with it. Sourced, never run.

BENCH_TEXT='Nobody counts the frames of a film that works. Somebody has to, though, and it had better be a machine that never tires.
  So here is one that cuts, sets words, turns the music down when a voice begins, and never does the same work twice.
  Change a word and it renders that word. Change the music and it leaves the pictures alone.'

# Words that are spoken, each 0.4 s, repeated until SECONDS are full.
words() { # SECONDS
  jq -nc --arg text "$BENCH_TEXT" --argjson seconds "$1" '
    ($text | [scan("[^\\s]+")]) as $said
    | [range(($seconds / 0.4) | floor) | {text: $said[. % ($said | length)], start: (. * 4 / 10), end: ((. + 1) * 4 / 10)}]'
}

# ---- M1: portrait, crossfades, a title, words, a voice over music ------------------------------

# The words' box is the whole frame with a margin only below, so that they are on the line where
# libass puts its own. The default box keeps clear of what players cover, and would put them into
# the part that is compared. A clip of 10 s and a half each way for every ten seconds; each but the
# first fades in over the one before it.
m1_composition() { # FOOTAGE VOICE SECONDS
  jq -nc --arg from "$1" --arg voice "$2" --argjson seconds "$3" --argjson words "$(words "$3")" '
    ($seconds / 10) as $count
    | def clip($n): (if $n == 0 then 0 else $n * 10 - 0.5 end) as $start
        | (if $n == $count - 1 then $seconds else ($n + 1) * 10 + 0.5 end) as $until
        | {asset: {type: "video", src: "\($from)/\(["one", "two", "three"][$n % 3]).mp4", volume: 0},
           start: $start, length: ($until - $start), fit: "cover"}
          + if $n == 0 then {} else {transition: {in: "fade"}} end;
    {timeline: {tracks: (
       [{clips: [{asset: {type: "text", text: "A film that works", font: {size: 96, weight: 700}},
                  start: 0.5, length: 4, offset: {y: 0.38}, transition: {in: "fade", out: "fade"}}]},
        {clips: [{asset: {type: "rich-caption", words: $words, font: {size: 64, weight: 700}, stroke: {width: 6}, maxCharacters: 26,
                  maxLines: 1, active: {color: "#ffd700"}, wordAnimation: {style: "highlight"}, padding: {bottom: 220}},
                  start: 0, length: $seconds, width: 1080, height: 1920}]}]
       + [range($count) | {clips: [clip($count - 1 - .)]}]
       + [{clips: [{asset: {type: "audio", src: $voice, role: "voice"}, start: 0, length: $seconds},
                   {asset: {type: "audio", src: "\($from)/music.m4a", volume: 0.8, role: "music"}, start: 0, length: $seconds}]}])},
     output: {format: "mp4", size: {width: 1080, height: 1920}, fps: 30}}'
}

# An extra COMMAND-LINE for the encoder may follow: it makes the lossless picture for the
# comparison.
m1_ffmpeg() { # FOOTAGE VOICE ASS OUT [ENCODER…]
  local from=$1 graph clip
  graph=''
  for clip in 0 1 2; do
    graph+="[$clip:v]trim=0:11,setpts=PTS-STARTPTS,crop=608:1080:656:0,scale=1080:1920:flags=bicubic,setsar=1[v$clip];"
  done
  graph+="[v0]trim=0:10.5[c0];[v1]trim=0:11[c1];[v2]trim=0:10.5[c2]"
  graph+=";[c0][c1]xfade=transition=fade:duration=1:offset=9.5[x];[x][c2]xfade=transition=fade:duration=1:offset=19.5"
  [ -z "$3" ] || graph+=",drawtext=fontfile=$ROOT/media/fonts/OpenSans-Bold.ttf:text='A film that works':fontsize=96:fontcolor=white"
  [ -z "$3" ] || graph+=":x=(w-tw)/2:y=h*0.12-th/2:enable='between(t,0.5,4.5)':alpha='min(1,min((t-0.5),(4.5-t)))'"
  [ -z "$3" ] || graph+=",ass=$3:fontsdir=$ROOT/media/fonts"
  graph+=',format=yuv420p[v]'
  quiet_ffmpeg -i "$from/one.mp4" -i "$from/two.mp4" -i "$from/three.mp4" -i "$from/music.m4a" -i "$2" \
    -filter_complex "$graph;$(ducked 3 4 30)" -map '[v]' -map '[a]' -t 30 -r 30 \
    "${ENCODED[@]}" "${@:5}" "${TAGGED[@]}" -c:a aac -b:a 192k -movflags +faststart "$4"
}

# The settings of the engine's medium quality. ffmpeg chooses its threads, which is all cores.
ENCODED=(-c:v libx264 -preset medium -crf 23 -g 120)
TAGGED=(-colorspace bt709 -color_primaries bt709 -color_trc bt709 -color_range tv)

# Music that gives way to a voice, brought to -14 LUFS.
ducked() { # MUSIC VOICE SECONDS
  printf '[%s:a]aresample=48000,apad=whole_dur=%s,pan=stereo|c0=c0|c1=c0,asplit[voice][key]' "$2" "$3"
  printf ';[%s:a]atrim=0:%s,volume=0.8[music];[music][key]sidechaincompress=threshold=0.03:ratio=8:attack=20:release=400[low]' "$1" "$3"
  printf ';[low][voice]amix=inputs=2:normalize=0:duration=first,loudnorm=I=-14:TP=-1:LRA=11,aresample=48000,aformat=channel_layouts=stereo[a]'
}

# ---- M2: shorts, each of one clip with a title, words and music --------------------------------

m2_composition() { # FOOTAGE NUMBER
  jq -nc --arg from "$1" --arg number "$2" --argjson words "$(words 6)" '
    {timeline: {tracks: [
       {clips: [{asset: {type: "text", text: "Number \($number)", font: {size: 72, weight: 700}},
                 start: 0.5, length: 4, offset: {y: 0.38}, transition: {in: "fade", out: "fade"}}]},
       {clips: [{asset: {type: "rich-caption", words: $words, font: {size: 44, weight: 700}, stroke: {width: 4}, maxCharacters: 26,
                 maxLines: 1, active: {color: "#ffd700"}, wordAnimation: {style: "highlight"}, padding: {bottom: 140}},
                 start: 0, length: 6, width: 720, height: 1280}]},
       {clips: [{asset: {type: "video", src: "\($from)/cuts/\($number).mp4", volume: 0}, start: 0, length: 6, fit: "cover"}]},
       {clips: [{asset: {type: "audio", src: "\($from)/music.m4a", fadeOut: 1}, start: 0, length: 6}]}]},
     output: {format: "mp4", size: {width: 720, height: 1280}, fps: 30}}'
}

# Without ASS there are no letters.
m2_ffmpeg() { # FOOTAGE NUMBER ASS OUT [OPTIONS…]
  local graph="[0:v]trim=0:6,setpts=PTS-STARTPTS,crop=404:720:438:0,scale=720:1280:flags=bicubic,setsar=1"
  [ -z "$3" ] || graph+=",drawtext=fontfile=$ROOT/media/fonts/OpenSans-Bold.ttf:text='Number $2':fontsize=72:fontcolor=white"
  [ -z "$3" ] || graph+=":x=(w-tw)/2:y=h*0.12-th/2:enable='between(t,0.5,4.5)':alpha='min(1,min((t-0.5),(4.5-t)))'"
  [ -z "$3" ] || graph+=",ass=$3:fontsdir=$ROOT/media/fonts"
  graph+=',format=yuv420p[v]'
  graph+=';[1:a]atrim=0:6,afade=t=out:st=5:d=1,loudnorm=I=-14:TP=-1:LRA=11,aresample=48000,aformat=channel_layouts=stereo[a]'
  quiet_ffmpeg "${@:5}" -i "$1/cuts/$2.mp4" -i "$1/music.m4a" -filter_complex "$graph" -map '[v]' -map '[a]' -t 6 -r 30 \
    "${ENCODED[@]}" "${@:5}" "${TAGGED[@]}" -c:a aac -b:a 192k -movflags +faststart "$4"
}

# ---- M3: five minutes of thirty clips with captions ---------------------------------------------

m3_composition() { # FOOTAGE CHANGED_CAPTION
  jq -nc --arg from "$1" --arg changed "$2" --argjson words "$(words 300)" '
    [$words | _nwise(10) | {text: (map(.text) | join(" ")), start: .[0].start, end: .[-1].end}] as $cues
    | def name: tostring | if length < 2 then "0\(.)" else . end;
    {timeline: {tracks: [
       {clips: [{asset: {type: "caption", cues: ($cues | if $changed == "" then . else .[40].text = $changed end),
                 font: {size: 40}, stroke: {width: 3}, padding: 40}, start: 0, length: 300}]},
       {clips: [range(30) | {asset: {type: "video", src: "\($from)/cuts/\(name).mp4", volume: 0}, start: (. * 10), length: 10}]},
       {clips: [{asset: {type: "audio", src: "\($from)/music.m4a", fadeOut: 2}, start: 0, length: 300}]}]},
     output: {format: "mp4", size: {width: 1280, height: 720}, fps: 30}}'
}

# ---- words for libass ---------------------------------------------------------------------------

# Four words a line, the spoken one in gold: an event for each word, as a person's script would
# write it.
word_captions() { # FILE WIDTH HEIGHT SIZE OUTLINE MARGIN SECONDS
  {
    printf '[Script Info]\nScriptType: v4.00+\nPlayResX: %s\nPlayResY: %s\nYCbCr Matrix: TV.709\n\n[V4+ Styles]\n' "$2" "$3"
    printf 'Format: Name,Fontname,Fontsize,PrimaryColour,OutlineColour,Bold,BorderStyle,Outline,Alignment,MarginV,Encoding\n'
    # libass measures a font from ascender to descender, which are 1.36 em apart in Open Sans.
    printf 'Style: w,Open Sans,%s,&H00FFFFFF,&H00000000,1,1,%s,2,%s,1\n\n[Events]\n' "$(($4 * 136 / 100))" "$5" "$6"
    printf 'Format: Layer,Start,End,Style,Text\n'
    words "$7" | jq -r '
      def clock: (. * 100 | round) as $t
        | "0:\($t / 6000 | floor | tostring | if length < 2 then "0" + . else . end):\($t % 6000 / 100 | floor | tostring | if length < 2 then "0" + . else . end).\($t % 100 | tostring | if length < 2 then "0" + . else . end)";
      [_nwise(4)][] | . as $line | range(length) as $now
      | "Dialogue: 0,\($line[$now].start | clock),\($line[$now].end | clock),w,"
        + ([$line | to_entries[] | if .key == $now then "{\\c&H00D7FF&}\(.value.text){\\c&HFFFFFF&}" else .value.text end] | join(" "))'
  } >"$1"
}
