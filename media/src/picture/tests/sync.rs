//! Ten minutes of flashes and beeps: the number of frames, the time of each, the key frames, and
//! that each beep is heard when its flash is seen.

use super::finished::{FinishedVideo, VideoMaker};
use crate::decode::reader::VideoReader;
use crate::sound::reader::SoundReader;
use composition::plan::Rate;
use ffmpeg_next::{Packet, Rational};
use serde_json::{Value, json};

/// The video's length in seconds.
const LENGTH: u64 = 600;
/// The times of flashes and beeps in milliseconds. Most are no whole frames, so they are moved to
/// the grid.
const FLASHES: [u64; 8] = [0, 1_500, 61_370, 123_456, 299_970, 417_003, 555_550, 599_200];
/// The most samples by which sound may lead or lag: two milliseconds.
const MAX_SAMPLES: i64 = 96;
const SAMPLES: u32 = 48_000;

fn document(fps: &Value) -> Value {
    let flashes: Vec<Value> = FLASHES
        .iter()
        .map(|start| {
            json!({
                "asset": { "type": "color", "color": "#ffffff" },
                "start": *start as f64 / 1000.0, "length": 0.5,
            })
        })
        .collect();
    let beeps: Vec<Value> = FLASHES
        .iter()
        .map(|start| {
            json!({
                "asset": { "type": "audio", "src": "beep.wav" },
                "start": *start as f64 / 1000.0, "length": 0.5,
            })
        })
        .collect();
    json!({
        "timeline": { "background": "#000000", "tracks": [
            { "clips": flashes }, { "clips": beeps },
            { "clips": [
                { "asset": { "type": "color", "color": "#000000" },
                  "start": 0, "length": LENGTH } ] },
        ] },
        "output": {
            "format": "mp4", "size": { "width": 32, "height": 32 }, "fps": fps,
            "quality": "low", "loudness": false },
    })
}

fn assert_exact(fps: Value, rate: Rate) {
    let mut maker = VideoMaker::new();
    // A burst that is loudest at its first quarter of a millisecond.
    maker.make_source(
        "beep.wav",
        "-f lavfi -i aevalsrc=exprs=0.9*cos(2000*PI*t)*exp(-t*300):s=48000:d=0.5 -ac 2",
    );
    let finished = maker.finish(&document(&fps), "film.mp4");
    let frames = rate.frame_at(composition::plan::Ratio::whole(LENGTH as i64));
    assert_eq!((finished.plan.assemble.rate, finished.output.frames), (rate, frames), "{fps}");
    assert_frames_on_the_grid(&finished, rate, frames);
    let starts: Vec<u64> = FLASHES.iter().map(|start| nearest_frame(*start, rate)).collect();
    assert_flashes_visible(&finished, rate, &starts);
    assert_beeps_audible(&finished, rate, frames, &starts);
}

/// Rounds half up in whole numbers: 555.55 s at 50 frames a second is frame 27777.5 exactly.
fn nearest_frame(milliseconds: u64, rate: Rate) -> u64 {
    let (num, den) = (u64::from(rate.num), u64::from(rate.den) * 1000);
    (2 * milliseconds * num + den) / (2 * den)
}

fn assert_frames_on_the_grid(finished: &FinishedVideo, rate: Rate, frames: u64) {
    let mut input = crate::decode::open::open_input(&finished.path).unwrap();
    let base = input.stream(0).unwrap().time_base();
    let (mut times, mut keys) = (Vec::new(), Vec::new());
    loop {
        let mut packet = Packet::empty();
        if packet.read(&mut input).is_err() {
            break;
        }
        if packet.stream() == 0 {
            times.push(packet.pts().unwrap());
            keys.extend(packet.is_key().then(|| packet.pts().unwrap()));
        }
    }
    times.sort_unstable();
    let step = Rational(rate.den as i32, rate.num as i32) / base;
    assert_eq!(step.denominator(), 1, "a frame is a whole number of ticks");
    let step = i64::from(step.numerator());
    let expected: Vec<i64> = (0..frames as i64).map(|frame| frame * step).collect();
    assert!(times == expected, "{} frames, {} expected", times.len(), expected.len());
    let lengths = finished.plan.segments.iter().map(|segment| segment.frames as i64);
    let cuts: Vec<i64> =
        lengths.scan(0, |at, length| Some(std::mem::replace(at, *at + length) * step)).collect();
    // No segment is longer than a GOP, so key frames are exactly at the segments' starts.
    assert!(keys == cuts, "{} key frames, {} segments", keys.len(), cuts.len());
}

fn assert_flashes_visible(finished: &FinishedVideo, rate: Rate, starts: &[u64]) {
    let mut reader = VideoReader::open(&finished.path, 0).unwrap();
    let mut luma = |frame: u64| {
        let shown = reader.frame_at(rate.seconds(frame)).unwrap();
        shown.frame.data(0)[16 * shown.frame.stride(0) + 16]
    };
    for &start in starts {
        let end = start + (rate.to_f64() / 2.0 + 0.5).floor() as u64;
        assert!(luma(start) > 200 && luma(end - 2) > 200 && luma(end + 1) < 40, "frame {start}");
        assert!(start == 0 || luma(start - 1) < 40, "frame before {start}");
    }
}

fn assert_beeps_audible(finished: &FinishedVideo, rate: Rate, frames: u64, starts: &[u64]) {
    let mut reader = SoundReader::open(&finished.path, 1, SAMPLES, 0).unwrap();
    let all = rate.samples(frames, SAMPLES) as usize;
    let mut samples = vec![[0.0_f32; 2]; all];
    reader.fill(&mut samples).unwrap();
    let mut more = [[0.0; 2]];
    reader.fill(&mut more).unwrap();
    assert!(reader.is_over(), "the sound is longer than the picture");
    for &start in starts {
        let expected = rate.samples(start, SAMPLES) as usize;
        let from = expected.saturating_sub(4_800);
        let window = &samples[from..(expected + 4_800).min(all)];
        let loudest = window.iter().fold(0.0_f32, |most, sample| most.max(sample[0].abs()));
        let onset =
            from + window.iter().position(|sample| sample[0].abs() > loudest / 2.0).unwrap();
        let late = onset as i64 - expected as i64;
        assert!(
            loudest > 0.3 && late.abs() <= MAX_SAMPLES,
            "frame {start}: {late} samples late, {loudest}"
        );
    }
}

#[test]
fn ten_minutes_at_29_97_frames_a_second_are_exact() {
    assert_exact(json!(29.97), Rate { num: 30_000, den: 1_001 });
}

#[test]
#[ignore = "a quarter of a minute for each rate; one runs always"]
fn ten_minutes_at_24_frames_a_second_are_exact() {
    assert_exact(json!(24), Rate { num: 24, den: 1 });
}

#[test]
#[ignore = "a quarter of a minute for each rate; one runs always"]
fn ten_minutes_at_25_frames_a_second_are_exact() {
    assert_exact(json!(25), Rate { num: 25, den: 1 });
}

#[test]
#[ignore = "a quarter of a minute for each rate; one runs always"]
fn ten_minutes_at_30_frames_a_second_are_exact() {
    assert_exact(json!(30), Rate { num: 30, den: 1 });
}

#[test]
#[ignore = "a quarter of a minute for each rate; one runs always"]
fn ten_minutes_at_50_frames_a_second_are_exact() {
    assert_exact(json!(50), Rate { num: 50, den: 1 });
}

#[test]
#[ignore = "a quarter of a minute for each rate; one runs always"]
fn ten_minutes_at_59_94_frames_a_second_are_exact() {
    assert_exact(json!(59.94), Rate { num: 60_000, den: 1_001 });
}

#[test]
#[ignore = "a quarter of a minute for each rate; one runs always"]
fn ten_minutes_at_60_frames_a_second_are_exact() {
    assert_exact(json!(60), Rate { num: 60, den: 1 });
}
