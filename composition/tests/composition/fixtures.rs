//! Compositions and facts for the tests.

use common::fault::Fault;
use composition::plan::{
    AudioFacts, ColourFacts, Facts, Ratio, RenderPlan, Segment, SourceHash, SpokenWord, VideoFacts,
};
use composition::{Origin, SourceKey, TakenFor, compile, parse, sources};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A composition of tracks, at 30 frames a second and 1280 × 720.
pub fn video(tracks: Value) -> Value {
    json!({ "timeline": { "tracks": tracks }, "output": { "fps": 30, "resolution": "hd" } })
}

/// A track of clips.
pub fn track(clips: Value) -> Value {
    json!({ "clips": clips })
}

/// A clip of an asset, with its start and length in seconds.
pub fn clip(asset: Value, start: f64, length: f64) -> Value {
    json!({ "asset": asset, "start": start, "length": length })
}

/// A text asset.
pub fn text(text: &str) -> Value {
    json!({ "type": "text", "text": text })
}

/// A video asset: `long` of an hour, or `short` of ten seconds.
pub fn footage(name: &str) -> Value {
    json!({ "type": "video", "src": format!("https://example.test/{name}.mp4") })
}

pub fn seconds(thousandths: i64) -> Ratio {
    Ratio::new(thousandths, 1000).unwrap()
}

fn picture(width: u32, height: u32) -> VideoFacts {
    VideoFacts {
        index: 0,
        codec: "h264".into(),
        width,
        height,
        rotation: 0,
        sar: Ratio::ONE,
        rate: Some(Ratio::whole(30)),
        variable_rate: false,
        frames: None,
        pixel_format: "yuv420p".into(),
        bits: 8,
        colour: ColourFacts {
            matrix: "bt709".into(),
            primaries: "bt709".into(),
            transfer: "bt709".into(),
            range: "tv".into(),
        },
        interlaced: false,
        alpha: false,
        start: Ratio::ZERO,
        keyframes: vec![],
    }
}

fn sound() -> AudioFacts {
    AudioFacts {
        index: 1,
        codec: "aac".into(),
        rate: 44_100,
        channels: 2,
        start: Ratio::ZERO,
        duration: None,
    }
}

/// The facts of a source by its address: `.png` is a still, `.mp3` has sound alone, `mute` has no
/// sound, `short` lasts ten seconds and any other an hour.
pub fn facts_of(src: &str) -> Facts {
    let still = src.ends_with(".png");
    let sound_only = src.ends_with(".mp3");
    let length = if src.contains("short") { 10 } else { 3_600 };
    Facts {
        hash: SourceHash(format!("hash of {src}")),
        container: "test".into(),
        duration: (!still).then(|| Ratio::whole(length)),
        image: still,
        joined: false,
        video: if sound_only { vec![] } else { vec![picture(1920, 1080)] },
        audio: if still || src.contains("mute") { vec![] } else { vec![sound()] },
        words: vec![],
        text: None,
        faces: vec![],
        writes: false,
    }
}

/// Subtitles of two cues.
pub const SRT: &str =
    "1\n00:00:01,000 --> 00:00:02,000\nOne\n\n2\n00:00:03,000 --> 00:00:04,500\nTwo\n";

/// The facts of all sources of a composition.
pub fn facts(composition: &composition::Composition) -> BTreeMap<SourceKey, Facts> {
    let facts = sources(composition).into_iter().map(|source| {
        let facts = match source.origin {
            Origin::Fetch { src, taken_for: TakenFor::Subtitles } => {
                Facts { text: Some(SRT.into()), ..facts_of(&src) }
            }
            Origin::Fetch { src, .. } => facts_of(&src),
            Origin::Speak(speech) => spoken(&speech.text),
        };
        (source.key, facts)
    });
    facts.collect()
}

/// The facts of a speech of one word per second.
fn spoken(text: &str) -> Facts {
    let words = text.split_whitespace().zip(0_i64..).map(|(word, index)| SpokenWord {
        text: word.into(),
        start: Ratio::whole(index),
        end: Ratio::whole(index + 1),
    });
    let words: Vec<SpokenWord> = words.collect();
    Facts { duration: Some(Ratio::whole(words.len() as i64)), words, ..facts_of("speech.mp3") }
}

/// Parses and compiles a composition.
pub fn compiled(document: &Value) -> Result<RenderPlan, Vec<Fault>> {
    let composition = parse(document)?;
    compile(&composition, &facts(&composition))
}

/// The plan of a valid composition.
pub fn plan(document: &Value) -> RenderPlan {
    compiled(document).unwrap_or_else(|faults| panic!("{faults:#?}"))
}

/// The only layer of a segment.
pub fn only_layer(segment: &Segment) -> &composition::plan::Layer {
    assert_eq!(segment.layers.len(), 1, "{segment:#?}");
    &segment.layers[0]
}

/// The JSON from which a segment's key is computed.
pub fn bytes(segment: &Segment) -> String {
    serde_json::to_string(segment).unwrap()
}

/// The number of frames of each segment.
pub fn lengths(plan: &RenderPlan) -> Vec<u64> {
    plan.segments.iter().map(|segment| segment.frames).collect()
}
