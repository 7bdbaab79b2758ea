//! Faults: each with its place, all together.

use crate::given::{clip, compiled, footage, text, track, video};
use composition::parse;
use serde_json::{Value, json};

/// Where the faults of a document are.
fn places(document: &Value) -> Vec<String> {
    parse(document).expect_err("faults").into_iter().map(|fault| fault.pointer).collect()
}

/// One clip on one track.
fn one(clip: Value) -> Value {
    video(json!([track(json!([clip]))]))
}

/// One asset in one clip.
fn asset(asset: Value) -> Value {
    one(clip(asset, 0.0, 1.0))
}

#[test]
fn each_fault_names_its_place() {
    let cases: Vec<(Value, &str)> = vec![
        (json!(null), ""),
        (json!([]), ""),
        (json!({}), "/timeline"),
        (json!({"timeline": 3}), "/timeline"),
        (json!({"timeline": {"tracks": []}}), "/timeline/tracks"),
        (json!({"timeline": {"tracks": [{}]}}), "/timeline/tracks/0/clips"),
        (json!({"timeline": {"tracks": [{"clips": [{}]}]}}), "/timeline/tracks/0/clips/0/asset"),
        (
            one(json!({"asset": text("a"), "start": -1, "length": 1})),
            "/timeline/tracks/0/clips/0/start",
        ),
        (one(json!({"asset": text("a"), "start": "later"})), "/timeline/tracks/0/clips/0/start"),
        (one(json!({"asset": text("a"), "length": 0})), "/timeline/tracks/0/clips/0/length"),
        (one(json!({"asset": text("a"), "lenght": 1})), "/timeline/tracks/0/clips/0/lenght"),
        (one(json!({"asset": text("a"), "fit": "crop"})), "/timeline/tracks/0/clips/0/fit"),
        (one(json!({"asset": text("a"), "opacity": 1.5})), "/timeline/tracks/0/clips/0/opacity"),
        (
            one(json!({"asset": text("a"), "opacity": [{"from": 0, "to": 2}]})),
            "/timeline/tracks/0/clips/0/opacity/0/to",
        ),
        (
            one(json!({"asset": text("a"), "opacity": [{"to": 1, "easing": "wobble"}]})),
            "/timeline/tracks/0/clips/0/opacity/0/easing",
        ),
        (
            one(json!({"asset": text("a"), "transition": {"in": "fadeSlowly"}})),
            "/timeline/tracks/0/clips/0/transition/in",
        ),
        (
            one(json!({"asset": text("a"), "transition": {"in": {"name": "fade", "length": 0}}})),
            "/timeline/tracks/0/clips/0/transition/in/length",
        ),
        (one(json!({"asset": text("a"), "effect": "zoom"})), "/timeline/tracks/0/clips/0/effect"),
        (
            one(json!({"asset": text("a"), "filter": ["blur", "sepia"]})),
            "/timeline/tracks/0/clips/0/filter/1",
        ),
        (asset(json!({"type": "movie"})), "/timeline/tracks/0/clips/0/asset/type"),
        (
            asset(json!({"src": "https://example.test/a.mp4"})),
            "/timeline/tracks/0/clips/0/asset/type",
        ),
        (asset(json!({"type": "video"})), "/timeline/tracks/0/clips/0/asset/src"),
        (asset(json!({"type": "video", "src": ""})), "/timeline/tracks/0/clips/0/asset/src"),
        (
            asset(json!({"type": "video", "src": "concat://a|b"})),
            "/timeline/tracks/0/clips/0/asset/src",
        ),
        (
            asset(json!({"type": "video", "src": "alias://x"})),
            "/timeline/tracks/0/clips/0/asset/src",
        ),
        (
            asset(json!({"type": "video", "src": "a.mp4", "speed": 0})),
            "/timeline/tracks/0/clips/0/asset/speed",
        ),
        (
            asset(json!({"type": "video", "src": "a.mp4", "crop": {"left": 0.6, "right": 0.4}})),
            "/timeline/tracks/0/clips/0/asset/crop",
        ),
        (asset(json!({"type": "text", "text": " "})), "/timeline/tracks/0/clips/0/asset/text"),
        (
            asset(json!({"type": "text", "text": "a", "font": {"color": "blurple"}})),
            "/timeline/tracks/0/clips/0/asset/font/color",
        ),
        (
            asset(json!({"type": "text", "text": "a", "type~/": 1})),
            "/timeline/tracks/0/clips/0/asset/type~0~1",
        ),
        (asset(json!({"type": "caption"})), "/timeline/tracks/0/clips/0/asset"),
        (
            asset(json!({"type": "caption", "src": "alias://nobody"})),
            "/timeline/tracks/0/clips/0/asset/src",
        ),
        (
            asset(json!({"type": "caption", "cues": [{"text": "a", "start": 2, "end": 1}]})),
            "/timeline/tracks/0/clips/0/asset/cues/0/end",
        ),
        (asset(json!({"type": "speech", "text": ""})), "/timeline/tracks/0/clips/0/asset/text"),
        (
            asset(json!({"type": "speech", "text": "a", "voice": "../x"})),
            "/timeline/tracks/0/clips/0/asset/voice",
        ),
        (asset(json!({"type": "shape", "shape": "line"})), "/timeline/tracks/0/clips/0/asset/line"),
        (
            asset(json!({"type": "gradient", "stops": [{"color": "red"}]})),
            "/timeline/tracks/0/clips/0/asset/stops",
        ),
    ];
    for (document, place) in cases {
        let found = places(&document);
        assert_eq!(found, [place], "{document}");
    }
}

#[test]
fn faults_of_the_output_name_their_place() {
    let output = |output: Value| json!({ "timeline": { "tracks": [track(json!([clip(text("a"), 0.0, 1.0)]))] }, "output": output });
    let cases = [
        (json!({"format": "avi"}), "/output/format"),
        (json!({"fps": 61}), "/output/fps"),
        (json!({"fps": 24.5}), "/output/fps"),
        (json!({"fps": "25000/1001"}), ""),
        (json!({"size": {"width": 101, "height": 100}}), "/output/size/width"),
        (json!({"size": {"width": 100}}), "/output/size/height"),
        (json!({"size": {"width": 4096, "height": 4096}}), "/output/size"),
        (json!({"size": {"width": 100, "height": 100}, "resolution": "hd"}), "/output/size"),
        (json!({"format": "webm", "codec": "h265"}), "/output/codec"),
        (json!({"loudness": {"integrated": -3}}), "/output/loudness/integrated"),
        (json!({"poster": {}}), "/output/poster/capture"),
    ];
    for (written, place) in cases {
        let document = output(written);
        if place.is_empty() {
            assert!(parse(&document).is_ok(), "{document}");
        } else {
            assert_eq!(places(&document), [place], "{document}");
        }
    }
}

#[test]
fn all_faults_come_together_with_those_between_fields() {
    let document = json!({
        "timeline": { "trakcs": 1, "tracks": [track(json!([
            { "asset": { "type": "caption", "words": [], "cues": [] }, "start": 0, "length": 1, "alias": "a" },
            { "asset": text("x"), "alias": "a", "colour": 1 },
        ]))] },
        "output": { "size": { "width": 99, "height": 20 } },
        "extra": true,
    });
    let found = places(&document);
    let wanted = [
        "/timeline/trakcs",
        "/timeline/tracks/0/clips/1/colour",
        "/extra",
        "/output/size/width",
        "/timeline/tracks/0/clips/0/asset",
        "/timeline/tracks/0/clips/1/alias",
    ];
    for place in wanted {
        assert!(found.iter().any(|found| found == place), "{place} is not in {found:#?}");
    }
    assert_eq!(found.len(), wanted.len());
}

#[test]
fn a_fault_says_what_was_found_and_what_to_do() {
    let detail = |document: &Value| parse(document).expect_err("faults").remove(0).detail;
    let typo = one(json!({"asset": text("a"), "lenght": 1}));
    assert_eq!(
        detail(&typo),
        "is not known here: remove it; there are `asset`, `start`, `length`, `fit`, `scale`, `width`, `height`, `position`, `offset`, `opacity`, `transition`, `effect`, `filter`, `transform`, `blend` or `alias`"
    );
    assert_eq!(
        detail(&one(json!({"asset": text("a"), "lengh": 1}))),
        "is not known here: did you mean `length`?"
    );
    assert_eq!(
        detail(&one(json!({"asset": text("a"), "opacity": 1.5}))),
        "is 1.5: keep it within 0 and 1"
    );
    assert_eq!(
        detail(&one(json!({"asset": text("a"), "fit": "crop"}))),
        "is `crop`: write `cover`, `contain`, `fill`, `none` or `blur`"
    );
}

#[test]
fn faults_that_only_the_sources_show_have_their_place_too() {
    let cases = [
        (
            json!({"type": "video", "src": "short.mp4", "trim": 10}),
            "/timeline/tracks/0/clips/0/asset/trim",
        ),
        (json!({"type": "video", "src": "a.mp3"}), "/timeline/tracks/0/clips/0/asset/src"),
        (json!({"type": "audio", "src": "mute.mp4"}), "/timeline/tracks/0/clips/0/asset/src"),
        (json!({"type": "image", "src": "a.mp3"}), "/timeline/tracks/0/clips/0/asset/src"),
        (json!({"type": "waveform", "src": "a.png"}), "/timeline/tracks/0/clips/0/asset/src"),
    ];
    for (asset_, place) in cases {
        let faults = compiled(&asset(asset_.clone())).expect_err("faults");
        assert_eq!(
            faults.iter().map(|fault| fault.pointer.as_str()).collect::<Vec<_>>(),
            [place],
            "{asset_}"
        );
    }
}

#[test]
fn what_follows_from_a_fault_is_no_fault_of_its_own() {
    let cut_away = one(json!({"asset": {"type": "video", "src": "short.mp4", "trim": 100}}));
    let faults = compiled(&cut_away).expect_err("nothing is left of it");
    let places: Vec<&str> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
    assert_eq!(places, ["/timeline/tracks/0/clips/0/asset/trim"]);
}

#[test]
fn what_has_no_end_or_no_start_is_refused() {
    let endless = one(json!({"asset": text("a"), "length": "end"}));
    assert_eq!(compiled(&endless).expect_err("no end")[0].pointer, "/timeline");
    let after = video(json!([track(json!([
        {"asset": text("a"), "start": 0, "length": "end"},
        {"asset": text("b"), "length": 2},
        clip(text("c"), 3.0, 1.0),
    ]))]));
    assert_eq!(
        compiled(&after).expect_err("no start")[0].pointer,
        "/timeline/tracks/0/clips/1/start"
    );
    let mut late = one(clip(text("a"), 0.0, 5.0));
    late["output"]["range"] = json!({"start": 5});
    assert_eq!(compiled(&late).expect_err("past the end")[0].pointer, "/output/range/start");
}

#[test]
fn clips_that_wait_for_each_other_are_refused() {
    // The captions begin after the speech that begins after the captions.
    let circle = video(json!([track(json!([
        {"asset": {"type": "caption", "src": "alias://voice"}},
        {"asset": {"type": "speech", "text": "one two"}, "alias": "voice"},
    ]))]));
    assert!(compiled(&circle).is_err());
}

#[test]
fn an_unprobed_source_is_told() {
    let composition = parse(&asset(footage("long"))).expect("a composition");
    let faults = composition::compile(&composition, &Default::default()).expect_err("no facts");
    assert_eq!(faults[0].pointer, "/timeline/tracks/0/clips/0/asset/src");
}

#[test]
fn a_composition_too_large_to_draw_is_refused_before_it_is_drawn() {
    let deep: Vec<_> = (0..100).map(|_| track(json!([clip(text("a"), 0.0, 7200.0)]))).collect();
    assert_eq!(
        compiled(&video(json!(deep))).expect_err("too many layers")[0].pointer,
        "/timeline/tracks"
    );
    let flicker: Vec<_> =
        (0..3_900).map(|index| clip(footage("long"), f64::from(index) / 10.0, 0.1)).collect();
    assert_eq!(
        compiled(&video(json!([track(json!(flicker))]))).expect_err("too many segments")[0].pointer,
        "/timeline"
    );
}
