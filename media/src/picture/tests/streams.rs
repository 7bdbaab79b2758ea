//! Streams as their containers describe them: the shape of pixels, the default track, lengths, and
//! times that begin again.

use super::finished::{FinishedVideo, VideoMaker, make};
use crate::decode::reader::VideoReader;
use crate::probe::probe;
use crate::sound::reader::SoundReader;
use composition::plan::{Facts, Ratio, SourceHash};
use serde_json::{Value, json};
use std::path::Path;

const RATE: u32 = 48_000;

fn facts(path: &Path) -> Facts {
    probe(path, &SourceHash("00".into())).unwrap()
}

/// A composition of one clip of a source, of the length of the source.
fn whole(kind: &str, src: &str, format: &str) -> Value {
    json!({
        "timeline": { "tracks": [ { "clips": [ { "asset": { "type": kind, "src": src } } ] } ] },
        "output": {
            "format": format, "size": { "width": 64, "height": 48 }, "fps": 25,
            "loudness": false },
    })
}

/// Reads a sound stream to its end.
fn samples(path: &Path, stream: u32) -> Vec<f32> {
    let mut reader = SoundReader::open(path, stream, RATE, 0).unwrap();
    let mut samples = Vec::new();
    while !reader.is_over() {
        let mut block = vec![[0.0; 2]; RATE as usize];
        reader.fill(&mut block).unwrap();
        samples.extend(block.iter().map(|sample| sample[0]));
    }
    samples.truncate(usize::try_from(reader.end()).unwrap());
    samples
}

/// Counts the periods in the half second from `second` on.
fn hertz(samples: &[f32], second: f64) -> i32 {
    let from = (second * f64::from(RATE)) as usize;
    let half = &samples[from..from + RATE as usize / 2];
    half.windows(2).filter(|two| two[0] <= 0.0 && two[1] > 0.0).count() as i32 * 2
}

fn heard(finished: &FinishedVideo) -> Vec<f32> {
    let stream = facts(&finished.path).audio[0].index;
    samples(&finished.path, stream)
}

/// The brightness in the middle of the frame at a time.
fn luma(reader: &mut VideoReader, seconds: Ratio) -> u8 {
    let frame = reader.frame_at(seconds).unwrap().frame;
    let (column, row) = (frame.width() as usize / 2, frame.height() as usize / 2);
    frame.data(0)[row * frame.stride(0) + column]
}

fn frame_time(frame: i64) -> Ratio {
    Ratio::new(frame, 25).unwrap()
}

#[test]
fn the_container_may_say_that_pixels_are_not_square() {
    let mut maker = VideoMaker::new();
    let plain = "-f lavfi -i color=red:s=90x72:r=25:d=1 -pix_fmt yuv420p";
    make(&maker.path("plain.mp4"), plain);
    let copied = format!("-i {} -c copy -aspect 16:9", maker.path("plain.mp4").display());
    let shaped = "-f lavfi -i color=red:s=90x72:r=25:d=1 -vf setsar=64/45";
    for (name, arguments) in [
        ("copied.mkv", copied.clone()),
        ("copied.mp4", copied),
        ("vp9.webm", format!("{shaped} -c:v libvpx-vp9 -cpu-used 8")),
        ("prores.mov", format!("{shaped} -c:v prores -pix_fmt yuv422p10le")),
        ("codec.mp4", format!("{shaped} -pix_fmt yuv420p")),
    ] {
        let video = &maker.make_source(name, &arguments).video[0];
        assert_eq!((video.width, video.height), (90, 72), "{name}");
        assert_eq!(video.shown_size(), (128, 72), "{name}: {}", video.sar);
    }
}

#[test]
fn the_default_track_is_used() {
    let mut maker = VideoMaker::new();
    let sounds = "-f lavfi -i color=black:s=64x48:r=25:d=1 -f lavfi -i sine=300:d=1 \
        -f lavfi -i sine=900:d=1 -map 0 -map 1 -map 2 -pix_fmt yuv420p \
        -disposition:a:0 0 -disposition:a:1 default";
    for name in ["sounds.mkv", "sounds.mp4"] {
        let facts = maker.make_source(name, sounds);
        let order: Vec<u32> = facts.audio.iter().map(|audio| audio.index).collect();
        assert_eq!(order, [2, 1], "{name}");
        let finished = maker.finish(&whole("video", name, "wav"), &format!("{name}.wav"));
        let hertz = hertz(&heard(&finished), 0.25);
        assert!((880..920).contains(&hertz), "{name}: {hertz} Hz");
    }
    let pictures = "-f lavfi -i color=black:s=64x48:r=25:d=1 \
        -f lavfi -i color=white:s=64x48:r=25:d=1 -map 0 -map 1 -pix_fmt yuv420p \
        -disposition:v:0 0 -disposition:v:1 default";
    let facts = maker.make_source("pictures.mkv", pictures);
    let order: Vec<u32> = facts.video.iter().map(|video| video.index).collect();
    assert_eq!(order, [1, 0]);
}

#[test]
fn the_length_is_that_of_the_picture_and_the_sound_in_use() {
    let mut maker = VideoMaker::new();
    let subtitles = maker.path("cues.srt");
    std::fs::write(&subtitles, "1\n00:00:00,500 --> 00:00:09,000\nA cue\n").unwrap();
    for (name, codec) in [("cues.mp4", "mov_text"), ("cues.mkv", "srt")] {
        let arguments = format!(
            "-f lavfi -i color=red:s=64x48:r=25:d=2 -f lavfi -i sine=440:d=1 \
             -f lavfi -i sine=880:d=5 -i {} -map 0 -map 1 -map 2 -map 3 -pix_fmt yuv420p \
             -c:a flac -strict experimental -disposition:a:0 default -disposition:a:1 0 \
             -c:s {codec}",
            subtitles.display()
        );
        let facts = maker.make_source(name, &arguments);
        assert_eq!(facts.duration, Some(Ratio::whole(2)), "{name}");
        let finished = maker.finish(&whole("video", name, "mp4"), &format!("{name}.out.mp4"));
        assert_eq!(finished.output.frames, 50, "{name}");
    }
    let longer = "-f lavfi -i color=red:s=64x48:r=25:d=1 -f lavfi -i sine=440:d=3 \
        -pix_fmt yuv420p -c:a flac";
    assert_eq!(maker.make_source("sound.mkv", longer).duration, Some(Ratio::whole(3)));
}

#[test]
fn the_length_of_a_sound_has_none_of_the_encoders_padding() {
    let mut maker = VideoMaker::new();
    let tone = "-f lavfi -i sine=500:sample_rate=48000:d=1.3 -ac 2";
    for (name, codec, close) in [
        ("x.wav", "-c:a pcm_s16le", 0),
        ("x.flac", "-c:a flac", 0),
        ("x.mp3", "-c:a libmp3lame -b:a 192k", 0),
        ("x44.mp3", "-ar 44100 -c:a libmp3lame -b:a 192k", 0),
        ("x.m4a", "-c:a aac -b:a 192k", 0),
        ("x.ogg", "-c:a libvorbis -q:a 6", 0),
        ("x.opus", "-c:a libopus -b:a 160k", 0),
        ("x.webm", "-c:a libopus -b:a 160k", 0),
        // Matroska rounds times to milliseconds and states no padding of AAC.
        ("aac.mkv", "-c:a aac", 1_100),
    ] {
        let facts = maker.make_source(name, &format!("{tone} {codec}"));
        let length = facts.duration.unwrap();
        let found = length.times(Ratio::whole(48_000)).round_half_up();
        assert!((found - 62_400).abs() <= close, "{name} has {found} samples by its facts");
        assert_eq!(facts.audio[0].duration, Some(length), "{name}");
        if close == 0 {
            assert_eq!(samples(&maker.path(name), 0).len(), 62_400, "{name} is read");
        }
    }
}

#[test]
fn a_repeated_soundtrack_goes_on_without_a_gap() {
    let mut maker = VideoMaker::new();
    let tone = "-f lavfi -i aevalsrc=0.5*sin(1000*PI*t)|0.5*sin(1000*PI*t):s=48000:d=0.5";
    for (name, codec) in [
        ("x.mp3", "-c:a libmp3lame -b:a 192k"),
        ("x44.mp3", "-ar 44100 -c:a libmp3lame -b:a 192k"),
        ("x.m4a", "-c:a aac -b:a 192k"),
        ("x.opus", "-c:a libopus -b:a 160k"),
    ] {
        maker.make_source(name, &format!("{tone} {codec}"));
        let document = json!({
            "timeline": {
                "soundtrack": { "src": name, "repeat": true },
                "tracks": [ { "clips": [
                    { "asset": { "type": "color", "color": "#000000" }, "length": 3 } ] } ] },
            "output": { "format": "wav", "fps": 25, "loudness": false },
        });
        let samples = heard(&maker.finish(&document, &format!("{name}.wav")));
        assert_eq!(samples.len(), 144_000, "{name}");
        // Every period is heard: none is quieter than half the tone.
        for (period, part) in samples[4_800..139_200].chunks(96).enumerate() {
            let level = (part.iter().map(|sample| sample * sample).sum::<f32>() / 96.0).sqrt();
            assert!(level > 0.25, "{name}: {level} at {} ms", 100 + period * 2);
        }
    }
}

/// Joins two files byte by byte.
fn join(parts: [&Path; 2], joined: &Path) {
    let bytes: Vec<u8> = parts.iter().flat_map(|part| std::fs::read(part).unwrap()).collect();
    std::fs::write(joined, bytes).unwrap();
}

#[test]
fn a_joined_transport_stream_is_all_of_its_parts() {
    let mut maker = VideoMaker::new();
    // The brightness of a frame tells its number over both parts.
    for (name, first, hertz, late) in
        [("a.ts", 0, 500, 0), ("b.ts", 50, 900, 0), ("c.ts", 50, 900, 500)]
    {
        let arguments = format!(
            "-f lavfi -i color=black:s=64x48:r=25:d=2,geq=lum=16+2*(N+{first}):cb=128:cr=128 \
             -f lavfi -i sine={hertz}:d=2 -c:v libx264 -pix_fmt yuv420p -bf 2 -g 10 -qp 10 \
             -c:a aac -output_ts_offset {late} -f mpegts"
        );
        make(&maker.path(name), &arguments);
    }
    for second in ["b.ts", "c.ts"] {
        let path = maker.path(&format!("a{second}"));
        join([&maker.path("a.ts"), &maker.path(second)], &path);
        let facts = maker.source("joined.ts", &path);
        assert!(facts.joined);
        assert_eq!(facts.video[0].frames, Some(100), "{second}");
        let length = facts.duration.unwrap().to_f64();
        assert!((3.98..4.1).contains(&length), "{second}: {length}");

        let mut joined = VideoReader::open(&path, facts.video[0].index).unwrap();
        joined.read_as_joined();
        let mut seen = Vec::new();
        for frame in 0..100 {
            seen.push(luma(&mut joined, frame_time(frame)));
        }
        let number = |luma: u8| (i64::from(luma) - 16) / 2;
        for (frame, luma) in (0_i64..).zip(&seen) {
            assert!((number(*luma) - frame).abs() <= 2, "{second}, frame {frame}: {seen:?}");
        }
        // From anywhere, the same frames are found.
        for frame in [99, 30, 60, 75, 2] {
            let mut fresh = VideoReader::open(&path, facts.video[0].index).unwrap();
            fresh.read_as_joined();
            assert_eq!(luma(&mut fresh, frame_time(frame)), seen[frame as usize], "{frame}");
        }
        let finished = maker.finish(&whole("video", "joined.ts", "wav"), "joined.wav");
        let samples = heard(&finished);
        for (second, expected) in [(1.0, 500), (3.0, 900)] {
            let found = hertz(&samples, second);
            assert!((found - expected).abs() <= 20, "{found} Hz at {second} s");
        }
    }
}

#[test]
fn a_chained_ogg_is_heard_to_its_end() {
    let mut maker = VideoMaker::new();
    for (name, codec) in [("opus", "libopus"), ("vorbis", "libvorbis"), ("flac", "flac")] {
        let paths = [500, 900].map(|hertz| {
            let path = maker.path(&format!("{name}{hertz}.ogg"));
            make(&path, &format!("-f lavfi -i sine={hertz}:d=2:sample_rate=48000 -c:a {codec}"));
            path
        });
        let path = maker.path(&format!("{name}.ogg"));
        join([&paths[0], &paths[1]], &path);
        let facts = maker.source("chained.ogg", &path);
        let finished = maker.finish(&whole("audio", "chained.ogg", "wav"), "chained.wav");
        let samples = heard(&finished);
        assert_eq!(facts.duration, Some(Ratio::whole(4)), "{name}");
        assert_eq!(samples.len(), 192_000, "{name}");
        for (second, expected) in [(1.0, 500), (1.49, 500), (2.02, 900), (3.0, 900)] {
            let found = hertz(&samples, second);
            assert!((found - expected).abs() <= 20, "{name}: {found} Hz at {second} s");
        }
    }
}

#[test]
fn an_avi_with_frames_that_wait_for_others_is_neither_late_nor_short() {
    let mut maker = VideoMaker::new();
    for codec in ["libx264 -bf 3 -qp 10", "mpeg4 -bf 2 -q:v 2", "mpeg4 -q:v 2"] {
        let arguments = format!(
            "-f lavfi -i color=black:s=64x48:r=25:d=2,geq=lum=16+4*N:cb=128:cr=128 \
             -c:v {codec} -g 12 -pix_fmt yuv420p"
        );
        let facts = maker.make_source("film.avi", &arguments);
        assert_eq!((facts.duration, facts.video[0].frames), (Some(Ratio::whole(2)), Some(50)));
        let path = maker.path("film.avi");
        let mut reader = VideoReader::open(&path, 0).unwrap();
        for frame in 0..50 {
            let number = (f64::from(luma(&mut reader, frame_time(frame))) - 16.0) / 4.0;
            assert_eq!(number.round() as i64, frame, "{codec}");
        }
        for frame in [49, 31, 7] {
            let mut fresh = VideoReader::open(&path, 0).unwrap();
            let number = (f64::from(luma(&mut fresh, frame_time(frame))) - 16.0) / 4.0;
            assert_eq!(number.round() as i64, frame, "{codec}, from there");
        }
    }
}
