//! Transitions between clips of a track: which go over into each other, and which do not.

use crate::fixtures::{clip, footage, plan, text, track, video};
use composition::plan::{Layer, RenderPlan, Span, Transition, TransitionKind};
use serde_json::{Value, json};

fn with(mut clip: Value, transition: Value) -> Value {
    clip["transition"] = transition;
    clip
}

/// The plan of two clips of four seconds, the second of which begins at a time.
fn two(first: (Value, Value), second: (Value, Value), start: f64) -> RenderPlan {
    plan(&video(json!([track(json!([
        with(clip(first.0, 0.0, 4.0), first.1),
        with(clip(second.0, start, 4.0), second.1),
    ]))])))
}

/// The layers of the segment that begins at a frame, bottom first.
fn layers_from(plan: &RenderPlan, frame: u64) -> &[Layer] {
    let mut at = 0;
    let segment = plan.segments.iter().find(|segment| {
        at += segment.frames;
        at > frame
    });
    &segment.expect("a segment").layers
}

fn kind(transition: Option<Transition>) -> Option<TransitionKind> {
    transition.map(|transition| transition.kind)
}

#[test]
fn the_earlier_clip_goes_on_below_one_that_comes_in() {
    let fade = json!({ "in": "fade", "out": "fade" });
    let plan = two((footage("a"), fade.clone()), (footage("b"), fade), 4.0);
    let [below, above] = layers_from(&plan, 120) else { panic!("two layers") };
    assert_eq!((below.show, below.clock), (Span { from: 0, to: 30 }, 120));
    assert_eq!((kind(below.enter), kind(below.leave)), (None, None));
    assert_eq!(kind(above.enter), Some(TransitionKind::Fade));
    assert!(layers_from(&plan, 90).iter().all(|layer| layer.leave.is_none()));
    assert_eq!(plan.segments.iter().map(|segment| segment.frames).sum::<u64>(), 240);
}

#[test]
fn the_earlier_clip_goes_out_above_one_that_does_not_come_in() {
    let plan = two((footage("a"), json!({ "out": "wipeLeft" })), (footage("b"), json!({})), 4.0);
    let [below, above] = layers_from(&plan, 120) else { panic!("two layers") };
    assert_eq!((below.clock, kind(below.enter)), (0, None));
    assert_eq!((above.show, above.clock), (Span { from: 0, to: 30 }, 120));
    let leave = above.leave.expect("a transition");
    assert_eq!((leave.start, leave.frames), (120, 30));
}

#[test]
fn a_clip_that_stays_visible_beside_the_next_fades_out_below_it() {
    let mut small = footage("b");
    small["crop"] = json!({ "left": 0.25, "right": 0.25 });
    let mut second = with(clip(small, 4.0, 4.0), json!({ "in": "zoom" }));
    second["fit"] = json!("contain");
    let plan = plan(&video(json!([track(json!([clip(footage("a"), 0.0, 4.0), second]))])));
    let leave = layers_from(&plan, 120)[0].leave.expect("a transition");
    assert_eq!((leave.kind, leave.start, leave.frames), (TransitionKind::Fade, 120, 30));
}

#[test]
fn clips_apart_and_text_come_and_go_by_themselves() {
    let fade = || json!({ "in": "fade", "out": "fade" });
    let apart = two((footage("a"), fade()), (footage("b"), fade()), 4.1);
    let words = two((text("a"), fade()), (text("b"), fade()), 4.0);
    for plan in [apart, words] {
        assert!(plan.segments.iter().all(|segment| segment.layers.len() <= 1));
        let left = plan.segments.iter().flat_map(|segment| &segment.layers);
        assert_eq!(left.filter(|layer| layer.leave.is_some()).count(), 2);
    }
    let masked = video(json!([track(json!([
        with(clip(footage("a"), 0.0, 4.0), fade()),
        with(clip(footage("b"), 4.0, 4.0), fade()),
        clip(json!({ "type": "luma", "src": "https://example.test/m.png" }), 0.0, 4.0),
    ]))]));
    assert_eq!(layers_from(&plan(&masked), 120).len(), 1);
}

#[test]
fn a_range_shows_the_same_transition_from_within() {
    let document = video(json!([track(json!([
        clip(footage("a"), 0.0, 4.0),
        with(clip(footage("b"), 4.0, 4.0), json!({ "in": "fade" })),
    ]))]));
    let mut later = document.clone();
    later["output"]["range"] = json!({ "start": 4.5, "length": 2 });
    let plan = plan(&later);
    let [below, above] = layers_from(&plan, 0) else { panic!("two layers") };
    assert_eq!((below.clock, above.clock, below.show.to), (135, 15, 15));
}
