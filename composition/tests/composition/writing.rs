//! Text and captions whose style nobody gave: readable on any frame.

use crate::fixtures::{clip, plan, track, video};
use composition::plan::{Asset, Micro, Rgba, Text};
use serde_json::{Value, json};

/// The text of the first layer of a composition of one clip, in a frame of a size.
fn compiled(asset: Value, (width, height): (u32, u32)) -> Text {
    let mut document = video(json!([track(json!([clip(asset, 0.0, 2.0)]))]));
    document["output"] = json!({ "fps": 30, "size": { "width": width, "height": height } });
    match &plan(&document).segments[0].layers[0].asset {
        Asset::Text(text) => text.clone(),
        Asset::Captions(captions) => captions.look.clone(),
        other => panic!("{other:?}"),
    }
}

fn said() -> Value {
    json!({ "type": "text", "text": "Hello" })
}

#[test]
fn the_default_size_follows_the_frame_and_has_an_outline() {
    for (frame, size) in [((1280, 720), 48), ((1080, 1920), 72), ((320, 180), 12)] {
        let caption =
            json!({ "type": "caption", "cues": [{ "text": "Hello", "start": 0, "end": 2 }] });
        for asset in [said(), caption] {
            let style = compiled(asset, frame).runs[0].style.clone();
            assert_eq!(style.size, Micro::whole(size));
            let stroke = style.stroke.expect("an outline");
            assert_eq!((stroke.width, stroke.colour), (Micro(size * 1_000_000 / 12), Rgba::BLACK));
        }
    }
}

#[test]
fn a_chosen_colour_shadow_background_or_outline_leaves_the_default_one_out() {
    for (member, value) in [
        ("font", json!({ "color": "#000000" })),
        ("style", json!({ "gradient": { "stops": [{ "color": "#f00" }, { "color": "#0f0" }] } })),
        ("shadow", json!({})),
        ("background", json!({ "color": "#000000" })),
        ("stroke", json!({ "width": 0 })),
    ] {
        let mut asset = said();
        asset[member] = value;
        let stroke = compiled(asset, (1280, 720)).runs[0].style.stroke;
        assert!(stroke.is_none_or(|stroke| stroke.width == Micro::ZERO), "{member}");
    }
    let runs = json!({ "type": "rich-text", "runs": [
        { "text": "plain " }, { "text": "black", "font": { "color": "#000000" } },
    ] });
    let text = compiled(runs, (1280, 720));
    let outlined: Vec<bool> = text.runs.iter().map(|run| run.style.stroke.is_some()).collect();
    assert_eq!(outlined, [true, false]);
}

#[test]
fn text_in_the_whole_frame_keeps_a_margin_and_text_in_a_box_has_none() {
    let (across, down) = (Micro::whole(64), Micro::whole(36));
    assert_eq!(compiled(said(), (1280, 720)).padding, [down, across, down, across]);
    for (member, value) in [("width", 400), ("padding", 0)] {
        let mut asset = said();
        asset[member] = json!(value);
        assert_eq!(compiled(asset, (1280, 720)).padding, [Micro::ZERO; 4], "{member}");
    }
}

#[test]
fn most_lines_bound_captions_of_words_whatever_the_characters_of_a_line() {
    let words: Vec<Value> = "we put a kettle on the stove and waited for it"
        .split(' ')
        .enumerate()
        .map(|(at, word)| json!({ "text": word, "start": at, "end": at + 1 }))
        .collect();
    for characters in [8, 20, 200] {
        let asset = json!({ "type": "caption", "words": words, "maxLines": 1,
            "maxCharacters": characters });
        let mut document = video(json!([track(json!([clip(asset, 0.0, 11.0)]))]));
        document["output"] = json!({ "fps": 30, "size": { "width": 720, "height": 1280 } });
        let plan = plan(&document);
        for layer in plan.segments.iter().flat_map(|segment| &segment.layers) {
            let Asset::Captions(captions) = &layer.asset else { panic!("captions") };
            assert_eq!(captions.look.most_lines, Some(1));
            for cue in &captions.cues {
                assert!(!cue.text.contains('\n'), "{}", cue.text);
                assert!(cue.text.chars().count() <= characters, "{}", cue.text);
            }
        }
    }
}

#[test]
fn lines_of_japanese_captions_break_between_words() {
    let words: Vec<Value> = ["今日は", "NASA", "が", "月へ", "行く", "日", "です。"]
        .iter()
        .enumerate()
        .map(|(at, word)| json!({ "text": word, "start": at, "end": at + 1 }))
        .collect();
    let asset = json!({ "type": "caption", "words": words });
    let mut document = video(json!([track(json!([clip(asset, 0.0, 7.0)]))]));
    document["output"] = json!({ "fps": 30, "size": { "width": 1080, "height": 1920 } });
    let plan = plan(&document);
    let Asset::Captions(captions) = &plan.segments[0].layers[0].asset else { panic!("captions") };
    let shown = captions.cues[0].text.replace('\u{200b}', "");
    assert_eq!(shown, "今日はNASAが\n月へ行く日です。");
}
