//! From a composition as callers write it to frames: each frame is the same wherever segments are
//! cut.

use super::clips::Clip;
use super::segments::SegmentFixture;
use crate::picture::Scene;
use crate::picture::planes::Picture;
use crate::text::FontFolders;
use composition::plan::{RenderPlan, Segment, SourceHash};
use composition::{SourceKey, compile, parse};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Everything that moves, in ten seconds at 25 frames a second.
fn animated(src: &str) -> Value {
    let video = |start: f64, length: f64, more: Value| {
        let mut clip =
            json!({ "asset": { "type": "video", "src": src }, "start": start, "length": length });
        clip.as_object_mut()
            .expect("an object")
            .extend(more.as_object().expect("an object").clone());
        clip
    };
    json!({
        "timeline": { "background": "#102030", "tracks": [
            { "clips": [
                { "asset": {
                    "type": "text", "text": "Appearing now",
                    "font": { "size": 16, "weight": 700 } },
                  "start": 0.2, "length": 4,
                  "transition": { "in": "slideUpFast", "out": "fadeFast" } },
                { "asset": {
                    "type": "rich-text", "text": "one by one", "font": { "size": 18 },
                    "animation": { "preset": "slideIn", "style": "word", "duration": 1.5 } },
                  "start": 5, "length": 4 },
            ] },
            { "clips": [
                { "asset": {
                    "type": "rich-caption", "font": { "size": 14 },
                    "wordAnimation": { "style": "pop" },
                    "words": [
                        { "text": "these", "start": 0.0, "end": 0.5 },
                        { "text": "words", "start": 0.5, "end": 1.4 },
                        { "text": "are", "start": 1.5, "end": 2.0 },
                        { "text": "lit", "start": 2.1, "end": 6.0 },
                    ] },
                  "start": 1, "length": 7 },
            ] },
            { "clips": [
                { "asset": {
                    "type": "shape", "shape": "rectangle",
                    "rectangle": { "width": 30, "height": 20, "cornerRadius": 5 },
                    "fill": { "color": "#e4572e" } },
                  "start": 0, "length": 10,
                  "offset": { "x": [
                      { "from": -0.3, "to": 0.311, "start": 0.48, "length": 3 },
                      { "to": -0.2, "length": 2.52 },
                      { "to": 0.1, "start": 8, "length": 1 } ] },
                  "scale": [
                      { "from": 0.5, "to": 1.7, "start": 2, "length": 4,
                        "easing": "easeInOutCubic" } ],
                  "transform": { "rotate": {
                      "angle": [ { "from": 0, "to": 200, "start": 6, "length": 3 } ] } },
                  "blend": "screen" },
            ] },
            { "clips": [
                video(0.0, 4.0, json!({
                    "effect": "zoomIn", "transition": { "out": "carouselLeft" } })),
                video(4.0, 6.0, json!({
                    "effect": "slideRightSlow", "fit": "blur", "transition": { "in": "zoom" },
                    "filter": "boost" })),
            ] },
            { "clips": [
                { "asset": {
                    "type": "gradient",
                    "stops": [ { "color": "#ffffff" }, { "color": "#203040" } ] },
                  "start": 0, "length": 10 },
            ] },
        ] },
        "output": { "format": "mp4", "size": { "width": 160, "height": 90 }, "fps": 25 },
    })
}

fn compiled(
    mut document: Value,
    range: Option<(f64, f64)>,
    src: &str,
    facts: &composition::plan::Facts,
) -> RenderPlan {
    if let Some((start, length)) = range {
        document["output"]["range"] = json!({ "start": start, "length": length });
    }
    let composition = parse(&document).expect("it reads");
    let facts = BTreeMap::from([(SourceKey::of_src(src), facts.clone())]);
    compile(&composition, &facts).expect("it compiles")
}

fn digests(segments: &[Segment], files: &BTreeMap<SourceHash, PathBuf>) -> Vec<blake3::Hash> {
    let frames = segments.iter().flat_map(|segment| {
        let mut scene = Scene::open(segment, files, &FontFolders(vec![])).expect("it opens");
        (0..segment.frames).map(move |frame| scene.frame(frame).expect("it draws").digest())
    });
    frames.collect()
}

#[test]
fn a_frame_is_the_same_for_any_cuts_of_the_composition() {
    let mut fixture = SegmentFixture::new(160, 90);
    let hash = fixture.clip(&Clip { width: 320, height: 180, ..Clip::even((30, 1), 330) });
    let facts = crate::probe::probe(&fixture.files[&hash], &hash).expect("it probes");
    let src = "https://example.org/clip.mp4";
    let document = animated(src);
    let whole = compiled(document.clone(), None, src, &facts);
    assert!(whole.segments.len() >= 3, "{}", whole.segments.len());
    let expected = digests(&whole.segments, &fixture.files);
    assert_eq!(expected.len(), 250);
    for (start, length) in [(0.48, 5.0), (1.0, 8.0), (2.76, 3.2), (3.52, 6.0), (6.04, 3.96)] {
        let plan = compiled(document.clone(), Some((start, length)), src, &facts);
        let first = (start * 25.0_f64).round() as usize;
        let found = digests(&plan.segments, &fixture.files);
        for (frame, digest) in found.iter().enumerate() {
            assert_eq!(
                *digest,
                expected[first + frame],
                "frame {} of the range from {start}",
                frame
            );
        }
    }
}

/// The frames of two clips of a second each that touch, with these transitions between them.
fn frames_of_two(colours: [&str; 2], out: Option<&str>, enter: Option<&str>) -> Vec<Picture> {
    let clip = |colour: &str, start: u32, transition: Value| {
        json!({ "asset": { "type": "color", "color": colour }, "start": start, "length": 1,
                "transition": transition })
    };
    let named = |end: &str, name: Option<&str>| match name {
        Some(name) => json!({ end: { "name": name, "length": 0.4 } }),
        None => json!({}),
    };
    let document = json!({
        "timeline": { "background": "#000000", "tracks": [ { "clips": [
            clip(colours[0], 0, named("out", out)), clip(colours[1], 1, named("in", enter)),
        ] } ] },
        "output": { "format": "mp4", "size": { "width": 64, "height": 36 }, "fps": 25 },
    });
    let plan = compile(&parse(&document).expect("it reads"), &BTreeMap::new()).expect("a plan");
    let frames = plan.segments.iter().flat_map(|segment| {
        let files = BTreeMap::new();
        let mut scene = Scene::open(segment, &files, &FontFolders(vec![])).expect("it opens");
        (0..segment.frames).map(|frame| scene.frame(frame).expect("it draws")).collect::<Vec<_>>()
    });
    frames.collect()
}

#[test]
fn no_transition_between_touching_clips_shows_the_background() {
    for name in ["fade", "zoom", "reveal", "wipeLeft", "slideUp", "carouselLeft", "shuffleLeftTop"]
    {
        for (out, enter) in [(Some(name), None), (None, Some(name)), (Some(name), Some(name))] {
            let frames = frames_of_two(["#ffffff", "#ffffff"], out, enter);
            assert_eq!(frames.len(), 50);
            let white = frames[0].y[0];
            for (frame, picture) in frames.iter().enumerate() {
                let darkest = picture.y.iter().copied().min().unwrap_or_default();
                assert!(white.abs_diff(darkest) <= 1, "{name} {out:?} {frame}: {darkest}");
            }
        }
    }
}

#[test]
fn a_fade_between_touching_clips_is_a_cross_fade() {
    for (out, enter) in
        [(Some("fade"), None), (None, Some("fade")), (Some("fade"), Some("fadeFast"))]
    {
        let frames = frames_of_two(["#e0e0e0", "#404040"], out, enter);
        let greys: Vec<u8> = frames.iter().map(|picture| picture.y[0]).collect();
        let (light, dark) = (greys[0], greys[49]);
        assert!(greys.is_sorted_by(|a, b| a >= b), "{greys:?}");
        assert!(greys[..25].iter().all(|grey| *grey == light), "{greys:?}");
        assert!(greys[35..].iter().all(|grey| *grey == dark), "{greys:?}");
        assert!(greys[30].abs_diff(light.midpoint(dark)) <= 4, "{greys:?}");
    }
}
