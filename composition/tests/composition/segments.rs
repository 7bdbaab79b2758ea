//! Segments: which edits change them, and which do not.

use crate::fixtures::{bytes, clip, footage, lengths, only_layer, plan, text, track, video};
use composition::plan::{Asset, RenderPlan};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Three scenes of ten seconds, captions every two, music.
fn story() -> Value {
    let scenes: Vec<Value> = ["a", "b", "c"]
        .iter()
        .enumerate()
        .map(|(index, name)| clip(footage(name), index as f64 * 10.0, 10.0))
        .collect();
    let cues: Vec<Value> = (0..15)
        .map(|index| {
            let text = format!("caption {index}");
            json!({ "text": text, "start": index * 2, "end": index * 2 + 2 })
        })
        .collect();
    let mut document = video(json!([
        track(json!([{ "asset": { "type": "caption", "cues": cues }, "start": 0, "length": 30 }])),
        track(json!(scenes)),
    ]));
    document["timeline"]["soundtrack"] = json!({ "src": "music.mp3" });
    document
}

/// The number of segments of the second plan that the first does not have.
fn new_segments(before: &RenderPlan, after: &RenderPlan) -> usize {
    let old: BTreeSet<String> = before.segments.iter().map(bytes).collect();
    after.segments.iter().filter(|segment| !old.contains(&bytes(segment))).count()
}

#[test]
fn segments_end_at_the_edges_of_scenes() {
    let plan = plan(&story());
    let mut at = 0;
    let ends: BTreeSet<u64> = plan
        .segments
        .iter()
        .map(|segment| {
            at += segment.frames;
            at
        })
        .collect();
    assert!([300, 600, 900].iter().all(|edge| ends.contains(edge)), "{ends:?}");
    assert!(
        lengths(&plan).iter().all(|frames| (30..=120).contains(frames)),
        "{:?}",
        lengths(&plan)
    );
    assert_eq!(plan.assemble.segment_frames, lengths(&plan));
}

#[test]
fn one_caption_changes_only_the_segments_that_show_it() {
    let before = plan(&story());
    let mut edited = story();
    edited["timeline"]["tracks"][0]["clips"][0]["asset"]["cues"][7]["text"] = json!("another");
    let after = plan(&edited);
    let showing =
        after.segments.iter().filter(|segment| bytes(segment).contains("another")).count();
    assert!((1..=2).contains(&showing));
    assert_eq!(new_segments(&before, &after), showing);
    assert_eq!(
        serde_json::to_string(&before.sound).unwrap(),
        serde_json::to_string(&after.sound).unwrap()
    );
}

#[test]
fn a_caption_that_moves_leaves_other_scenes_alone() {
    let before = plan(&story());
    let mut edited = story();
    edited["timeline"]["tracks"][0]["clips"][0]["asset"]["cues"][7]["start"] = json!(14.4);
    let after = plan(&edited);
    assert!(new_segments(&before, &after) <= 2, "{}", new_segments(&before, &after));
}

#[test]
fn other_music_changes_no_segment() {
    let before = plan(&story());
    let mut edited = story();
    edited["timeline"]["soundtrack"]["src"] = json!("other.mp3");
    let after = plan(&edited);
    assert_eq!(new_segments(&before, &after), 0);
    assert_ne!(before.sound, after.sound);
}

#[test]
fn a_filter_changes_only_its_clips_segments() {
    let before = plan(&story());
    let mut edited = story();
    edited["timeline"]["tracks"][1]["clips"][1]["filter"] = json!("greyscale");
    let after = plan(&edited);
    let of_b = after.segments.iter().filter(|segment| bytes(segment).contains("b.mp4")).count();
    assert_eq!(new_segments(&before, &after), of_b);
}

#[test]
fn inserting_two_seconds_at_the_start_keeps_all_other_segments() {
    let before = plan(&story());
    let mut edited = story();
    for track in edited["timeline"]["tracks"].as_array_mut().unwrap() {
        for clip in track["clips"].as_array_mut().unwrap() {
            clip["start"] = json!(clip["start"].as_f64().unwrap() + 2.0);
        }
    }
    edited["timeline"]["tracks"][1]["clips"]
        .as_array_mut()
        .unwrap()
        .insert(0, clip(footage("intro"), 0.0, 2.0));
    let after = plan(&edited);
    assert_eq!(after.segments.len(), before.segments.len() + 1);
    assert_eq!(new_segments(&before, &after), 1);
}

#[test]
fn inserting_time_before_text_alone_keeps_all_other_segments() {
    let titles = |shift: f64| {
        let clips: Vec<Value> = (0..6)
            .map(|i| clip(text(&format!("title {i}")), f64::from(i) * 2.5 + shift, 2.5))
            .collect();
        plan(&video(json!([track(json!(clips))])))
    };
    let (before, after) = (titles(0.0), titles(2.0));
    assert_eq!(new_segments(&before, &after), 1);
}

#[test]
fn the_size_changes_every_segment() {
    let before = plan(&story());
    let mut edited = story();
    edited["output"] = json!({ "fps": 30, "resolution": "sd" });
    let after = plan(&edited);
    assert_eq!(new_segments(&before, &after), after.segments.len());
}

#[test]
fn segments_of_a_still_are_equal() {
    let still =
        json!([track(json!([clip(json!({ "type": "image", "src": "a.png" }), 0.0, 12.0)]))]);
    let plan = plan(&video(still));
    let distinct: BTreeSet<String> =
        plan.segments.iter().filter(|s| s.frames == 60).map(bytes).collect();
    assert_eq!((plan.segments.len(), distinct.len()), (6, 1));
}

#[test]
fn segments_of_a_moving_still_keep_their_clock() {
    let mut moving = clip(json!({ "type": "image", "src": "a.png" }), 0.0, 12.0);
    moving["effect"] = json!("zoomIn");
    let plan = plan(&video(json!([track(json!([moving]))])));
    let clocks: Vec<u64> = plan.segments.iter().map(|segment| only_layer(segment).clock).collect();
    assert_eq!(clocks, [0, 60, 120, 180, 240, 300]);
}

#[test]
fn only_segments_within_a_transition_hold_it() {
    let mut faded = clip(json!({ "type": "image", "src": "a.png" }), 0.0, 12.0);
    faded["transition"] = json!({ "in": "fade", "out": "fade" });
    let plan = plan(&video(json!([track(json!([faded]))])));
    let transitions: Vec<(bool, bool, u64)> = plan
        .segments
        .iter()
        .map(only_layer)
        .map(|layer| (layer.enter.is_some(), layer.leave.is_some(), layer.clock))
        .collect();
    let (first, still, last) = ((true, false, 0), (false, false, 0), (false, true, 300));
    assert_eq!(transitions, [first, still, still, still, still, last]);
}

#[test]
fn a_segment_holds_only_the_sources_and_cues_it_shows() {
    let plan = plan(&story());
    let first = &plan.segments[0];
    let sources: Vec<String> = first.sources().into_iter().map(|hash| hash.0).collect();
    assert_eq!(sources, ["hash of https://example.test/a.mp4"]);
    let Asset::Captions(captions) = &first.layers[1].asset else { panic!("{first:#?}") };
    assert!(captions.cues.iter().all(|cue| 0 <= cue.from && cue.to <= first.frames as i64));
}

#[test]
fn plain_captions_are_cut_to_the_segment_and_moving_words_are_not() {
    let captions = |kind: &str| {
        let cue = json!({ "text": "one two", "start": 1, "end": 9 });
        let asset = json!({ "type": kind, "cues": [cue] });
        let tracks = json!([
            track(json!([clip(asset, 0.0, 10.0)])),
            track(json!([clip(footage("a"), 0.0, 10.0)]))
        ]);
        let plan = plan(&video(tracks));
        let Asset::Captions(captions) = plan.segments[1].layers[1].asset.clone() else {
            panic!("{plan:#?}")
        };
        (captions.cues[0].from, captions.cues[0].words.len())
    };
    assert_eq!(captions("caption"), (0, 0));
    assert_eq!(captions("rich-caption"), (-30, 2));
}

#[test]
fn check_lists_the_same_keys_for_equal_compositions() {
    let composition = composition::parse(&story()).unwrap();
    let facts = crate::fixtures::facts(&composition);
    let summary = composition::check(&composition, &facts).unwrap();
    assert_eq!(summary.duration.to_f64(), 30.0);
    assert_eq!(summary, composition::check(&composition, &facts).unwrap());
    let keys: BTreeSet<String> =
        summary.segments.iter().map(|segment| segment.key.to_string()).collect();
    assert_eq!(keys.len(), summary.segments.len());
    assert_eq!(summary.segments.last().map(|last| last.start + last.frames), Some(900));
}

#[test]
fn a_plan_reads_back_from_its_json() {
    let plan = plan(&story());
    let stored = serde_json::to_value(&plan).unwrap();
    assert_eq!(serde_json::from_value::<RenderPlan>(stored).unwrap(), plan);
}

#[test]
fn a_plan_of_an_hour_fits_into_a_tasks_output() {
    let scenes: Vec<Value> =
        (0..360).map(|index| clip(footage("long"), f64::from(index) * 10.0, 10.0)).collect();
    let cues: Vec<Value> = (0..1800)
        .map(|index| {
            let text = "a line of about forty characters, as said";
            json!({ "text": text, "start": index * 2, "end": index * 2 + 2 })
        })
        .collect();
    let captions =
        json!({ "asset": { "type": "caption", "cues": cues }, "start": 0, "length": 3600 });
    let plan = plan(&video(json!([track(json!([captions])), track(json!(scenes))])));
    let size = serde_json::to_string(&plan).unwrap().len();
    assert!(
        size < common::limits::MAX_OUTPUT_BYTES / 2,
        "{size} bytes in {} segments",
        plan.segments.len()
    );
}

#[test]
fn layers_hidden_by_another_are_left_out() {
    let over = |top: Value| {
        let mut document = video(json!([
            track(json!([clip(text("on top"), 0.0, 3.0)])),
            track(json!([top])),
            track(json!([clip(text("below"), 0.0, 3.0)])),
        ]));
        document["timeline"]["background"] = json!("#123456");
        let plan = plan(&document);
        (plan.segments[0].layers.len(), plan.segments[0].canvas.background.0[0])
    };
    let shown = |change: Value| {
        let mut top = clip(footage("top"), 0.0, 3.0);
        for (name, value) in change.as_object().unwrap() {
            top[name] = value.clone();
        }
        over(top)
    };
    let hidden = (2, 0);
    let seen = (3, 0x12);
    assert_eq!(shown(json!({})), hidden);
    assert_eq!(shown(json!({ "effect": "zoomIn", "scale": 1.5, "position": "topLeft" })), hidden);
    assert_eq!(shown(json!({ "fit": "blur", "filter": "boost" })), hidden);
    // The footage is 16:9, as the canvas is.
    assert_eq!(shown(json!({ "fit": "contain" })), hidden);
    for change in [
        json!({ "opacity": 0.9 }),
        json!({ "scale": 0.9 }),
        json!({ "offset": { "x": 0.01 } }),
        json!({ "transition": { "in": "fade" } }),
        json!({ "blend": "screen" }),
        json!({ "filter": "blur" }),
        json!({ "transform": { "rotate": { "angle": 1 } } }),
        json!({ "width": 600 }),
        json!({ "effect": "slideLeft" }),
    ] {
        assert_eq!(shown(change.clone()), seen, "{change}");
    }
    assert_eq!(over(clip(json!({ "type": "color", "color": "#ff0000" }), 0.0, 3.0)), hidden);
    assert_eq!(over(clip(json!({ "type": "color", "color": "#ff000080" }), 0.0, 3.0)), seen);
}
