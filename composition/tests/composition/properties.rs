//! Properties of every composition.

use crate::fixtures::{clip, compiled, facts, footage, text, track, video};
use composition::{compile, parse};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Any JSON, with member names of compositions more often than not.
fn any_json() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "timeline",
        "tracks",
        "clips",
        "asset",
        "type",
        "video",
        "text",
        "src",
        "start",
        "length",
        "auto",
        "end",
        "output",
        "merge",
        "find",
        "replace",
        "{{a}}",
        "caption",
        "words",
        "fade",
        "in",
        "transition",
        "offset",
        "x",
        "to",
        "#fff",
        "alias://a",
        "1e999",
        "gradient",
        "stops",
        "opacity",
        "fps",
        "size",
        "width",
        "range",
        "",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.clone().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        Just(serde_json::from_str("1e-99999999").unwrap()),
        Just(serde_json::from_str("123456789012345678901234567890.5e99999999999").unwrap()),
    ];
    leaf.prop_recursive(6, 64, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((word.clone(), inner), 0..8).prop_map(|members| members
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect::<serde_json::Map<_, _>>()
                .into()),
        ]
    })
}

/// Replaces the value at `index`, counted depth first, by another.
fn replace_somewhere(document: &mut Value, mut index: usize, with: &Value) {
    fn walk(value: &mut Value, index: &mut usize, with: &Value) -> bool {
        if *index == 0 {
            *value = with.clone();
            return true;
        }
        *index -= 1;
        match value {
            Value::Array(items) => items.iter_mut().any(|item| walk(item, index, with)),
            Value::Object(members) => members.values_mut().any(|member| walk(member, index, with)),
            _ => false,
        }
    }
    walk(document, &mut index, with);
}

fn rich() -> Value {
    let mut document = video(json!([
        track(json!([
            {
                "asset": {
                    "type": "rich-caption", "words": [{ "text": "a", "start": 0, "end": 1 }],
                    "active": { "color": "red" },
                },
                "start": 1, "length": "auto",
            },
            {
                "asset": { "type": "waveform", "src": "alias://v", "style": "line" },
                "length": "end", "start": 0.5,
            },
            {
                "asset": {
                    "type": "gradient", "stops": [{ "color": "red" }, { "color": "blue" }],
                },
                "start": 1, "length": 2, "blend": "screen",
            },
        ])),
        track(json!([
            {
                "asset": {
                    "type": "video", "src": "short.mp4", "trim": 1, "speed": 1.5,
                    "crop": { "top": 0.1 }, "chromaKey": { "color": "#0f0" },
                },
                "start": 0, "length": 4, "fit": "blur", "effect": "zoomIn",
                "scale": [{ "from": 1, "to": 2, "start": 0, "length": 1 }],
                "transition": {
                    "in": { "name": "fade", "length": 1.5 }, "out": "shuffleTopRightSlow",
                },
                "filter": ["boost", { "type": "blur", "amount": 3 }],
                "transform": {
                    "rotate": { "angle": 5 }, "skew": { "x": 1 }, "flip": { "horizontal": true },
                },
                "alias": "v",
            },
            { "asset": { "type": "luma", "src": "a.png" }, "start": 0, "length": 2 },
            {
                "asset": { "type": "shape", "shape": "circle", "circle": { "radius": 10 } },
                "length": 1, "start": 6,
            },
        ])),
    ]));
    document["timeline"]["soundtrack"] = json!({ "src": "m.mp3", "repeat": true, "volume": 0.5 });
    document["output"]["range"] = json!({ "start": 0.5, "length": 6 });
    document["merge"] = json!([{ "find": "a", "replace": "b" }]);
    document
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_json_makes_parse_panic(value in any_json()) {
        if let Err(faults) = parse(&value) {
            prop_assert!(!faults.is_empty());
        }
    }

    #[test]
    fn a_composition_with_any_value_replaced_compiles_or_has_faults(
        index in 0_usize..140,
        with in any_json(),
    ) {
        let mut document = rich();
        replace_somewhere(&mut document, index, &with);
        if let Ok(composition) = parse(&document) {
            match compile(&composition, &facts(&composition)) {
                Ok(plan) => prop_assert_eq!(plan.segments.len() as u32, plan.assemble.segments),
                Err(faults) => prop_assert!(!faults.is_empty()),
            }
        }
    }

    #[test]
    fn segments_tile_the_frames(
        fps in prop::sample::select(vec!["12", "23.976", "25", "29.97", "30", "59.94", "60"]),
        clips in prop::collection::vec((0_u32..40_000, 1_u32..20_000, any::<bool>()), 1..20),
    ) {
        let clips: Vec<Value> = clips.iter().map(|(start, length, pictured)| {
            let asset = if *pictured { footage("long") } else { text("x") };
            clip(asset, f64::from(*start) / 1000.0, f64::from(*length) / 1000.0)
        }).collect();
        let mut document = video(json!([track(json!(clips))]));
        document["output"]["fps"] = json!(fps);
        let Ok(plan) = compiled(&document) else { return Ok(()) };
        let total: u64 = plan.segments.iter().map(|segment| segment.frames).sum();
        prop_assert_eq!(total, plan.assemble.frames);
        for segment in &plan.segments {
            prop_assert!(segment.frames >= 1);
            for layer in &segment.layers {
                prop_assert!(layer.show.from < layer.show.to && layer.show.to <= segment.frames);
            }
        }
    }
}
