//! How fields are resolved: times on the frame grid, sizes, curves, captions.

use crate::fixtures::{clip, footage, lengths, only_layer, plan, seconds, text, track, video};
use composition::plan::{
    Asset, Curve, Easing, Fitting, FontFace, Format, Micro, PixelFormat, Rate, Rgba, Span,
    TransitionKind, VideoCodec, WordStyle,
};
use composition::{Origin, parse, sources};
use serde_json::{Value, json};

fn with_output(output: Value, tracks: Value) -> Value {
    json!({ "timeline": { "tracks": tracks }, "output": output })
}

#[test]
fn clips_that_meet_in_seconds_meet_in_frames_at_every_rate() {
    let rates = [
        (json!(24), 24, 1),
        (json!(23.976), 24_000, 1001),
        (json!(23.98), 24_000, 1001),
        (json!(29.97), 30_000, 1001),
        (json!("30000/1001"), 30_000, 1001),
        (json!(59.94), 60_000, 1001),
        (json!(50), 50, 1),
    ];
    for (fps, num, den) in rates {
        let tracks = json!([track(json!([
            clip(text("a"), 0.0, 0.35),
            clip(text("b"), 0.35, 0.65),
            clip(text("c"), 1.0, 9.0)
        ]))]);
        let plan = plan(&with_output(json!({ "fps": fps }), tracks));
        let rate = Rate { num, den };
        assert_eq!(plan.assemble.rate, rate);
        assert_eq!(plan.assemble.frames, rate.frame_at(seconds(10_000)), "{fps}");
        let first: Vec<Span> = plan.segments[0].layers.iter().map(|layer| layer.show).collect();
        assert_eq!(first[0].to, first[1].from);
        assert_eq!(first[1].to, first[2].from);
    }
}

#[test]
fn halves_of_a_frame_round_up() {
    let plan = plan(&with_output(
        json!({ "fps": 30 }),
        json!([track(json!([clip(text("a"), 0.05, 0.05)]))]),
    ));
    // 1.5 frames and 3 frames.
    assert_eq!(only_layer(&plan.segments[1]).show, Span { from: 0, to: 1 });
    assert_eq!(lengths(&plan), [2, 1]);
}

#[test]
fn auto_and_end_are_resolved() {
    let document = video(json!([
        track(json!([{ "asset": text("over all"), "length": "end" }])),
        track(json!([
            { "asset": footage("short") },
            { "asset": { "type": "image", "src": "a.png" } },
            {
                "asset": {
                    "type": "video", "src": "https://example.test/short.mp4", "trim": 4, "speed": 2,
                },
            },
        ])),
    ]));
    let plan = plan(&document);
    assert_eq!(plan.assemble.frames, (10 + 3 + 3) * 30);
    let spans: u64 = plan
        .segments
        .iter()
        .filter(|s| s.layers.iter().any(|l| matches!(l.asset, Asset::Text(_))))
        .map(|s| s.frames)
        .sum();
    assert_eq!(spans, 16 * 30);
}

#[test]
fn sizes_follow_resolution_and_shape() {
    let cases = [
        (json!({}), (1280, 720)),
        (json!({"resolution": "1080", "aspectRatio": "9:16"}), (1080, 1920)),
        (json!({"resolution": "1080", "aspectRatio": "4:5"}), (1080, 1350)),
        (json!({"resolution": "sd", "aspectRatio": "1:1"}), (576, 576)),
        (json!({"resolution": "sd", "aspectRatio": "4:3"}), (768, 576)),
        (json!({"resolution": "4k"}), (3840, 2160)),
        (json!({"size": {"width": 320, "height": 180}}), (320, 180)),
    ];
    for (output, size) in cases {
        let plan =
            plan(&with_output(output.clone(), json!([track(json!([clip(text("a"), 0.0, 1.0)]))])));
        assert_eq!((plan.assemble.width, plan.assemble.height), size, "{output}");
    }
}

#[test]
fn formats_have_their_codecs_and_backgrounds() {
    let tracks =
        || json!([track(json!([{ "asset": footage("short"), "length": 1, "scale": 0.5 }]))]);
    let plan_of = |format: &str| {
        let document = json!({
            "timeline": { "background": "#ff000080", "tracks": tracks() },
            "output": { "format": format },
        });
        plan(&document)
    };
    let mp4 = plan_of("mp4");
    assert_eq!((mp4.assemble.format, mp4.assemble.video), (Format::Mp4, Some(VideoCodec::H264)));
    assert_eq!(mp4.segments[0].canvas.background, Rgba([128, 0, 0, 255]));
    let webm = plan_of("webm");
    assert_eq!(webm.segments[0].recipe.pixel_format, PixelFormat::Yuva420p);
    assert_eq!(webm.segments[0].canvas.background, Rgba([255, 0, 0, 128]));
    let png = plan_of("png");
    assert_eq!((lengths(&png), png.sound), (vec![1], None));
    let mp3 = plan_of("mp3");
    assert!(mp3.segments.is_empty() && mp3.sound.is_some());
    assert_eq!((mp3.assemble.frames, mp3.assemble.video), (0, None));
    assert!(plan_of("gif").sound.is_none());
}

#[test]
fn a_range_renders_only_its_part() {
    let mut document = video(json!([track(json!([
        clip(footage("long"), 0.0, 20.0),
        clip(text("late"), 12.0, 8.0)
    ]))]));
    document["output"]["range"] = json!({"start": 10, "length": 3});
    document["output"]["poster"] = json!({"capture": 1});
    document["output"]["thumbnail"] = json!({"capture": 99, "scale": 0.25});
    let plan = plan(&document);
    assert_eq!(plan.assemble.frames, 90);
    assert_eq!(plan.segments[0].layers[0].clock, 300);
    assert_eq!(plan.assemble.poster.map(|poster| poster.frame), Some(30));
    assert_eq!(
        plan.assemble.thumbnail.map(|picture| (picture.frame, picture.scale)),
        Some((89, Micro(250_000)))
    );
    let sound = plan.sound.expect("sound");
    assert_eq!(
        (sound.samples, sound.items[0].start, sound.items[0].trim),
        (144_000, 0, seconds(10_000))
    );
}

#[test]
fn offsets_go_right_and_up_and_tweens_count_frames() {
    let document = video(json!([track(json!([{
        "asset": text("a"), "start": 0, "length": 2, "position": "topRight",
        "offset": {
            "x": 0.1,
            "y": [
                { "from": 0, "to": 0.25, "start": 0.5, "length": 1, "easing": "easeInOutCubic" },
                { "to": 0 },
            ],
        },
    }]))]));
    let plan = plan(&document);
    let placement = &only_layer(&plan.segments[0]).placement;
    assert_eq!((placement.anchor_x, placement.anchor_y), (Micro::ONE, Micro::ZERO));
    assert_eq!(placement.x, Curve::Still(Micro::whole(128)));
    let Curve::Tweens(tweens) = &placement.y else { panic!("{placement:?}") };
    let found: Vec<_> =
        tweens.iter().map(|tween| (tween.start, tween.length, tween.from, tween.to)).collect();
    assert_eq!(
        found,
        [(15, 30, Micro::ZERO, Micro::whole(-180)), (45, 15, Micro::whole(-180), Micro::ZERO)]
    );
    assert!(matches!(tweens[0].easing, Easing::Bezier(_)) && tweens[1].easing == Easing::Linear);
}

#[test]
fn transitions_have_their_lengths_and_stay_within_the_clip() {
    let document = video(json!([track(json!([
        {
            "asset": text("a"), "start": 0, "length": 3,
            "transition": { "in": "slideLeftFast", "out": { "name": "wipeUp", "length": 0.2 } },
        },
    ]))]));
    let plan = plan(&document);
    let layer = only_layer(&plan.segments[0]);
    let (enter, leave) = (layer.enter.expect("in"), layer.leave.expect("out"));
    assert!(
        matches!(enter.kind, TransitionKind::Slide(_))
            && matches!(leave.kind, TransitionKind::Wipe(_))
    );
    assert_eq!((enter.frames, leave.start, leave.frames), (15, 84, 6));
}

#[test]
fn captions_follow_a_speech_clip_on_another_track() {
    let document = video(json!([
        track(json!([{
            "asset": {
                "type": "rich-caption", "src": "alias://voice",
                "wordAnimation": { "style": "karaoke" },
            },
            "start": 1,
        }])),
        track(json!([
            { "asset": { "type": "color", "color": "navy" }, "start": 0, "length": 2 },
            { "asset": { "type": "speech", "text": "one two three" }, "alias": "voice" },
        ])),
    ]));
    let plan = plan(&document);
    assert_eq!(plan.assemble.frames, 150);
    let cues: Vec<_> = plan
        .segments
        .iter()
        .flat_map(|segment| segment.layers.iter().map(move |layer| (segment, layer)))
        .filter_map(|(segment, layer)| match &layer.asset {
            Asset::Captions(captions) => Some((segment.frames, captions)),
            _ => None,
        })
        .collect();
    let (frames, captions) = cues[0];
    assert_eq!((cues.len(), frames), (1, 90));
    assert!(matches!(captions.active, Some(WordStyle::Fill { .. })));
    let words: Vec<_> = captions.cues[0]
        .words
        .iter()
        .map(|word| (word.text.as_str(), word.from, word.to))
        .collect();
    assert_eq!(words, [("one", 0, 30), ("two", 30, 60), ("three", 60, 90)]);
}

#[test]
fn captions_come_from_files_and_cues() {
    let file = video(json!([track(
        json!([{ "asset": { "type": "caption", "src": "a.srt" }, "start": 0 }])
    )]));
    assert_eq!(plan(&file).assemble.frames, 135);
    let words = json!([
        { "text": "Hello", "start": 0, "end": 0.5 },
        { "text": "there.", "start": 0.5, "end": 1 },
    ]);
    let written = video(json!([track(
        json!([{ "asset": { "type": "caption", "words": words }, "start": 0 }])
    )]));
    let plan = plan(&written);
    let Asset::Captions(captions) = &only_layer(&plan.segments[0]).asset else {
        panic!("{plan:#?}")
    };
    assert_eq!(
        (captions.cues.len(), captions.cues[0].text.as_str(), captions.cues[0].to),
        (1, "Hello there.", 30)
    );
    assert!(captions.cues[0].words.is_empty());
}

#[test]
fn merge_fields_replace_text_and_numbers() {
    let mut document = video(json!([track(json!([
        {
            "asset": { "type": "text", "text": "Hi {{ NAME }}" },
            "start": 0, "length": "{{LENGTH}}",
        },
    ]))]));
    document["merge"] =
        json!([{ "find": "NAME", "replace": "Ann" }, { "find": "LENGTH", "replace": "2.5" }]);
    let plan = plan(&document);
    assert_eq!(plan.assemble.frames, 75);
    let Asset::Text(text) = &only_layer(&plan.segments[0]).asset else { panic!("{plan:#?}") };
    assert_eq!(text.runs[0].text, "Hi Ann");
}

#[test]
fn each_source_is_listed_once_and_speech_is_synthesised() {
    let mut document = video(json!([track(json!([
        { "asset": footage("a"), "length": 1, "filter": { "type": "lut", "src": "x.cube" } },
        { "asset": footage("a"), "length": 1 },
        { "asset": { "type": "speech", "text": "hello" }, "alias": "v" },
        { "asset": { "type": "speech", "text": "hello", "voice": "en-us" } },
        { "asset": { "type": "caption", "src": "alias://v" }, "length": 1 },
    ])),]));
    document["timeline"]["fonts"] = json!([{ "src": "f.ttf" }]);
    document["timeline"]["soundtrack"] = json!({ "src": "m.mp3" });
    let found = sources(&parse(&document).unwrap());
    let listed: Vec<String> = found
        .iter()
        .map(|source| match &source.origin {
            Origin::Fetch { src, taken_for } => format!("{taken_for:?} {src}"),
            Origin::Speak(speech) => format!("Speak {}", speech.text),
        })
        .collect();
    let expected = [
        "Media https://example.test/a.mp4",
        "Lut x.cube",
        "Speak hello",
        "Media m.mp3",
        "Font f.ttf",
    ];
    assert_eq!(listed, expected);
}

#[test]
fn text_shrinks_and_its_background_hugs_the_lines() {
    let asset = json!({
        "type": "text", "text": "a", "overflow": "shrink",
        "background": { "color": "#000", "padding": 12 },
        "style": { "textTransform": "uppercase" },
    });
    let plan = plan(&video(json!([track(json!([clip(asset, 0.0, 1.0)]))])));
    let Asset::Text(text) = &only_layer(&plan.segments[0]).asset else { panic!() };
    assert!(matches!(text.fitting, Fitting::Shrink { .. }));
    assert_eq!(text.background.map(|background| background.hug), Some(Some(Micro::whole(12))));
    assert_eq!(text.runs[0].text, "A");
}

#[test]
fn a_matte_masks_its_own_track_while_both_show() {
    let document = video(json!([
        track(json!([
            clip(json!({ "type": "luma", "src": "matte.mp4" }), 1.0, 2.0),
            clip(footage("long"), 0.0, 4.0),
        ])),
        track(json!([clip(footage("other"), 0.0, 4.0)])),
    ]));
    let plan = plan(&document);
    assert_eq!(lengths(&plan), [30, 60, 30]);
    let mattes: Vec<Vec<usize>> = plan
        .segments
        .iter()
        .map(|s| s.layers.iter().map(|layer| layer.mattes.len()).collect())
        .collect();
    assert_eq!(mattes, [vec![0], vec![0, 1], vec![0]]);
    let matte = &plan.segments[1].layers[1].mattes[0];
    assert_eq!((matte.show, matte.clock), (Span { from: 0, to: 60 }, 0));
}

#[test]
fn the_first_track_is_on_top() {
    let document = video(json!([
        track(json!([clip(text("top"), 0.0, 1.0)])),
        track(json!([clip(json!({ "type": "color", "color": "red" }), 0.0, 1.0)])),
    ]));
    let plan = plan(&document);
    assert!(matches!(plan.segments[0].layers[0].asset, Asset::Colour(_)));
    assert!(matches!(plan.segments[0].layers[1].asset, Asset::Text(_)));
}

#[test]
fn a_clip_longer_than_its_source_gives_a_warning() {
    let plan = plan(&video(json!([track(json!([clip(footage("short"), 0.0, 11.0)]))])));
    assert_eq!(plan.warnings.len(), 1);
    assert!(plan.warnings[0].starts_with("/timeline/tracks/0/clips/0 "), "{:?}", plan.warnings);
}

#[test]
fn unfilled_placeholders_and_a_capture_past_the_end_give_warnings() {
    let mut document = video(json!([track(json!([clip(text("Hello {{ NAME }}"), 0.0, 2.0)]))]));
    document["output"]["poster"] = json!({ "capture": 9 });
    let warnings = plan(&document).warnings;
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(
        warnings[0].starts_with("/timeline/tracks/0/clips/0 shows `{{ NAME }}`"),
        "{warnings:?}"
    );
    assert!(
        warnings[1].starts_with("/output/poster/capture is 9 s, past the end at 2 s"),
        "{warnings:?}"
    );
}

#[test]
fn a_background_fills_the_box_of_an_empty_text_and_hugs_the_lines_of_another() {
    let hug = |written: &str| {
        let asset = json!({ "type": "text", "text": written, "background": { "color": "red" } });
        let plan = plan(&video(json!([track(json!([clip(asset, 0.0, 1.0)]))])));
        let Asset::Text(text) = &only_layer(&plan.segments[0]).asset else { panic!("{plan:#?}") };
        text.background.as_ref().expect("a background").hug.is_some()
    };
    assert!(!hug("") && !hug(" \n") && hug("a"));
}

#[test]
fn a_still_is_one_frame_of_the_same_picture() {
    let document = video(json!([track(json!([clip(footage("long"), 0.0, 10.0)]))]));
    let composition = parse(&document).unwrap().still(seconds(2_517), Format::Jpg);
    let plan = composition::compile(&composition, &crate::fixtures::facts(&composition)).unwrap();
    assert_eq!((lengths(&plan), plan.sound), (vec![1], None));
    // 2.517 s are 75.51 frames.
    assert_eq!(only_layer(&plan.segments[0]).clock, 76);
    assert_eq!(plan.assemble.format, Format::Jpg);
    assert_eq!(plan.segments[0].recipe.codec, VideoCodec::Ffv1);
}

#[test]
fn the_examples_compile() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let document: Value =
            serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let result = crate::fixtures::compiled(&document);
        assert!(result.is_ok(), "{}: {result:#?}", path.display());
        seen += 1;
    }
    assert!(seen > 5, "{seen} examples in {folder}");
}

#[test]
fn a_font_is_found_by_file_stem_family_or_full_name() {
    let family = |name: &str, weight: u16| {
        let asset = json!({ "type": "text", "text": "a", "font": { "family": name } });
        let mut document = video(json!([track(json!([clip(asset, 0.0, 1.0)]))]));
        document["timeline"]["fonts"] =
            json!([{ "src": "https://example.test/OpenSans-Bold.ttf?v=2" }]);
        let composition = parse(&document).unwrap();
        let mut facts = crate::fixtures::facts(&composition);
        for facts in facts.values_mut() {
            facts.faces = vec![FontFace {
                family: "Open Sans".into(),
                full_name: "Open Sans Bold".into(),
                weight: 700,
                weights: None,
                italic: false,
            }];
        }
        let plan = composition::compile(&composition, &facts).unwrap();
        let Asset::Text(text) = &only_layer(&plan.segments[0]).asset else { panic!("{plan:#?}") };
        assert_eq!(plan.segments[0].fonts.len(), 1);
        assert_eq!(text.runs[0].style.weight, weight, "{name}");
        text.runs[0].style.family.clone()
    };
    assert_eq!(family("OpenSans-Bold", 700), "Open Sans");
    assert_eq!(family(" open sans ", 400), "Open Sans");
    assert_eq!(family("Open Sans Bold", 700), "Open Sans");
    assert_eq!(family("Roboto", 400), "Roboto");
}

#[test]
fn a_weight_that_the_font_does_not_have_gives_a_warning() {
    let warnings = |family: &str, weight: u16, weights: Option<(u16, u16)>| {
        let font = json!({ "family": family, "weight": weight });
        let asset = json!({ "type": "text", "text": "a", "font": font });
        let mut document = video(json!([track(json!([clip(asset, 0.0, 1.0)]))]));
        document["timeline"]["fonts"] = json!([{ "src": "https://example.test/Own.ttf" }]);
        let composition = parse(&document).unwrap();
        let mut facts = crate::fixtures::facts(&composition);
        for facts in facts.values_mut() {
            facts.faces = vec![FontFace {
                family: "Own".into(),
                full_name: "Own".into(),
                weight: 400,
                weights,
                italic: false,
            }];
        }
        composition::compile(&composition, &facts).unwrap().warnings
    };
    for (family, weight, weights) in [
        ("Open Sans", 700, None),
        ("Own", 400, None),
        ("Own", 900, Some((200, 900))),
        // The fonts of a machine are known where they are drawn.
        ("Roboto", 900, None),
    ] {
        assert_eq!(warnings(family, weight, weights), [""; 0], "{family} {weight}");
    }
    let heavy = warnings("Open Sans", 900, None);
    let [warning] = heavy.as_slice() else { panic!("{heavy:?}") };
    assert!(warning.starts_with("/timeline/tracks/0/clips/0 has text of weight 900"), "{warning}");
    assert!(warning.contains("`Open Sans` has only 400, 700"), "{warning}");
    let outside = warnings("Own", 900, Some((200, 800)));
    assert!(outside[0].contains("`Own` has only 200 to 800"), "{outside:?}");
}
