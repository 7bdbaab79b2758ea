//! Faults of a composition: each with its JSON Pointer, all reported together.

use crate::fixtures::{clip, compiled, footage, text, track, video};
use composition::parse;
use serde_json::{Value, json};

/// The JSON Pointers of a document's faults.
fn pointers(document: &Value) -> Vec<String> {
    parse(document).expect_err("faults").into_iter().map(|fault| fault.pointer).collect()
}

/// A composition of one clip on one track.
fn one(clip: Value) -> Value {
    video(json!([track(json!([clip]))]))
}

/// A composition of one asset in one clip.
fn asset(asset: Value) -> Value {
    one(clip(asset, 0.0, 1.0))
}

#[test]
fn each_fault_has_its_json_pointer() {
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
    for (document, pointer) in cases {
        let found = pointers(&document);
        assert_eq!(found, [pointer], "{document}");
    }
}

#[test]
fn faults_of_the_output_have_their_json_pointer() {
    let output = |output: Value| {
        let tracks = json!([track(json!([clip(text("a"), 0.0, 1.0)]))]);
        json!({ "timeline": { "tracks": tracks }, "output": output })
    };
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
    for (written, pointer) in cases {
        let document = output(written);
        if pointer.is_empty() {
            assert!(parse(&document).is_ok(), "{document}");
        } else {
            assert_eq!(pointers(&document), [pointer], "{document}");
        }
    }
}

#[test]
fn faults_of_single_fields_and_between_fields_are_reported_together() {
    let document = json!({
        "timeline": { "trakcs": 1, "tracks": [track(json!([
            {
                "asset": { "type": "caption", "words": [], "cues": [] },
                "start": 0, "length": 1, "alias": "a",
            },
            { "asset": text("x"), "alias": "a", "colour": 1 },
        ]))] },
        "output": { "size": { "width": 99, "height": 20 } },
        "extra": true,
    });
    let found = pointers(&document);
    let expected = [
        "/timeline/trakcs",
        "/timeline/tracks/0/clips/1/colour",
        "/extra",
        "/output/size/width",
        "/timeline/tracks/0/clips/0/asset",
        "/timeline/tracks/0/clips/1/alias",
    ];
    for pointer in expected {
        assert!(found.iter().any(|found| found == pointer), "{pointer} is not in {found:#?}");
    }
    assert_eq!(found.len(), expected.len());
}

#[test]
fn a_fault_says_what_was_found_and_what_to_do() {
    let detail = |document: &Value| parse(document).expect_err("faults").remove(0).detail;
    let typo = one(json!({"asset": text("a"), "lenght": 1}));
    assert_eq!(detail(&typo), "is not known here: did you mean `length`?");
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
fn faults_of_the_sources_have_their_json_pointer() {
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
    for (asset_, pointer) in cases {
        let faults = compiled(&asset(asset_.clone())).expect_err("faults");
        assert_eq!(
            faults.iter().map(|fault| fault.pointer.as_str()).collect::<Vec<_>>(),
            [pointer],
            "{asset_}"
        );
    }
}

#[test]
fn consequences_of_a_fault_are_not_reported_as_faults() {
    let cut_away = one(json!({"asset": {"type": "video", "src": "short.mp4", "trim": 100}}));
    let faults = compiled(&cut_away).expect_err("nothing is left of it");
    let pointers: Vec<&str> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
    assert_eq!(pointers, ["/timeline/tracks/0/clips/0/asset/trim"]);
}

#[test]
fn compositions_without_an_end_or_a_start_are_refused() {
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
    // The captions wait for the speech, and the speech begins after the captions.
    let circle = video(json!([track(json!([
        {"asset": {"type": "caption", "src": "alias://voice"}},
        {"asset": {"type": "speech", "text": "one two"}, "alias": "voice"},
    ]))]));
    assert!(compiled(&circle).is_err());
}

#[test]
fn a_source_without_facts_is_a_fault() {
    let composition = parse(&asset(footage("long"))).expect("a composition");
    let faults = composition::compile(&composition, &Default::default()).expect_err("no facts");
    assert_eq!(faults[0].pointer, "/timeline/tracks/0/clips/0/asset/src");
}

#[test]
fn too_many_layers_or_segments_are_refused() {
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
