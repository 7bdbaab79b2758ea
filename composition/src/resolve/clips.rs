//! Resolves clips: aliases, and rules between the fields of one asset.

use super::Faults;
use crate::composition::Clip;
use crate::document::{Decimal, Src};
use crate::limits::{MAX_CLIPS, MAX_MATTES, MAX_SOURCES};
use crate::plan::Ratio;
use crate::syntax::{
    Asset, CaptionAsset, Clip as Written, Crop, GradientAsset, ShapeAsset, ShapeName, SpeechAsset,
    TextAsset, Track,
};
use common::kinds::speech::{self, SpeechInput};
use serde_json::json;
use std::collections::BTreeMap;

/// The clips of each track, with their JSON Pointers.
pub(super) fn resolve(tracks: Vec<Track>, faults: &mut Faults) -> Vec<Vec<Clip>> {
    let tracks: Vec<Vec<Clip>> = tracks
        .into_iter()
        .enumerate()
        .map(|(track, written)| {
            let pointer = |index: usize| format!("/timeline/tracks/{track}/clips/{index}");
            written
                .clips
                .into_iter()
                .enumerate()
                .map(|(index, clip)| resolve_clip(pointer(index), clip, faults))
                .collect()
        })
        .collect();
    check_counts(&tracks, faults);
    check_aliases(&tracks, faults);
    tracks
}

fn check_counts(tracks: &[Vec<Clip>], faults: &mut Faults) {
    let count: usize = tracks.iter().map(Vec::len).sum();
    if count > MAX_CLIPS {
        faults.push(
            "/timeline/tracks",
            format!("have {count} clips in all: at most {MAX_CLIPS} are taken"),
        );
    }
    for (track, clips) in tracks.iter().enumerate() {
        let mattes = clips.iter().filter(|clip| clip.is_matte()).count();
        if mattes > MAX_MATTES {
            let detail =
                format!("has {mattes} luma clips: at most {MAX_MATTES} are taken on one track");
            faults.push(format!("/timeline/tracks/{track}/clips"), detail);
        }
    }
    let sources: std::collections::BTreeSet<&str> = tracks
        .iter()
        .flatten()
        .filter_map(|clip| src_of(&clip.written.asset))
        .map(|src| src.0.as_str())
        .collect();
    if sources.len() > MAX_SOURCES {
        faults.push(
            "/timeline/tracks",
            format!("name {} sources: at most {MAX_SOURCES} are taken", sources.len()),
        );
    }
}

/// The source of an asset's bytes, if it has one.
pub(crate) fn src_of(asset: &Asset) -> Option<&Src> {
    match asset {
        Asset::Video(video) => Some(&video.src),
        Asset::Image(image) => Some(&image.src),
        Asset::Audio(audio) => Some(&audio.src),
        Asset::Luma(luma) => Some(&luma.src),
        Asset::Waveform(wave) => Some(&wave.src),
        Asset::Caption(caption) | Asset::RichCaption(caption) => caption.src.as_ref(),
        Asset::Text(_)
        | Asset::RichText(_)
        | Asset::Speech(_)
        | Asset::Shape(_)
        | Asset::Color(_)
        | Asset::Gradient(_) => None,
    }
}

fn resolve_clip(pointer: String, written: Written, faults: &mut Faults) -> Clip {
    let at = |path: &str| format!("{pointer}/asset{path}");
    let mut speech = None;
    match &written.asset {
        Asset::Video(video) => {
            refuse_alias(&video.src, &at("/src"), faults);
            check_crop(video.crop.as_ref(), &at("/crop"), faults);
        }
        Asset::Image(image) => {
            refuse_alias(&image.src, &at("/src"), faults);
            check_crop(image.crop.as_ref(), &at("/crop"), faults);
        }
        Asset::Luma(luma) => {
            refuse_alias(&luma.src, &at("/src"), faults);
            check_crop(luma.crop.as_ref(), &at("/crop"), faults);
        }
        Asset::Audio(audio) => refuse_alias(&audio.src, &at("/src"), faults),
        Asset::Text(text) | Asset::RichText(text) => check_text(text, &pointer, faults),
        Asset::Caption(caption) | Asset::RichCaption(caption) => {
            check_captions(caption, &pointer, faults)
        }
        Asset::Speech(asset) => speech = resolve_speech(asset, &pointer, faults),
        Asset::Shape(shape) => check_shape(shape, &pointer, faults),
        Asset::Gradient(gradient) => check_stops(gradient, &at("/stops"), faults),
        Asset::Color(_) | Asset::Waveform(_) => {}
    }
    Clip { pointer, written, speech }
}

fn refuse_alias(src: &Src, pointer: &str, faults: &mut Faults) {
    if src.alias().is_some() {
        faults
            .push(pointer, "is an alias, which only captions and waveforms may follow: give a URL");
    }
}

fn check_crop(crop: Option<&Crop>, pointer: &str, faults: &mut Faults) {
    let Some(crop) = crop else { return };
    let sum = |a: Option<Decimal>, b: Option<Decimal>| {
        let part = |share: Option<Decimal>| share.map_or(Ratio::ZERO, |share| share.0);
        part(a).plus(part(b))
    };
    // Less than a hundredth of the picture would leave nothing to enlarge.
    let most = Ratio::new(99, 100).unwrap_or(Ratio::ONE);
    for (sides, cut) in [
        ("top and bottom", sum(crop.top, crop.bottom)),
        ("left and right", sum(crop.left, crop.right)),
    ] {
        if cut > most {
            faults.push(
                pointer,
                format!("cuts off {} at {sides}: together keep them under 0.99", cut.to_f64()),
            );
        }
    }
}

fn check_text(text: &TextAsset, pointer: &str, faults: &mut Faults) {
    let written =
        text.text.as_ref().is_some_and(|text| !text.0.trim().is_empty()) || text.runs.is_some();
    let filled = text.background.as_ref().is_some_and(|background| background.color.is_some());
    if !written && !filled {
        faults.push(
            format!("{pointer}/asset/text"),
            "is empty and has no background, so nothing would show: write something",
        );
    }
    let gradients =
        text.style.iter().chain(text.runs.iter().flatten().filter_map(|run| run.style.as_ref()));
    for gradient in gradients.filter_map(|style| style.gradient.as_ref()) {
        check_stops(gradient, &format!("{pointer}/asset/style/gradient/stops"), faults);
    }
}

fn check_stops(gradient: &GradientAsset, pointer: &str, faults: &mut Faults) {
    let offsets: Vec<Ratio> =
        gradient.stops.iter().filter_map(|stop| stop.offset.map(|offset| offset.0)).collect();
    if !offsets.is_empty() && offsets.len() < gradient.stops.len() {
        faults.push(pointer, "give some a place and some not: give all an `offset`, or none");
    }
    if !offsets.is_sorted() {
        faults.push(pointer, "are out of order: sort them by `offset`");
    }
}

fn check_shape(shape: &ShapeAsset, pointer: &str, faults: &mut Faults) {
    if shape.shape == ShapeName::Line && shape.line.is_none() {
        faults.push(format!("{pointer}/asset/line"), "is missing: give the line's `length`");
    }
}

fn check_captions(caption: &CaptionAsset, pointer: &str, faults: &mut Faults) {
    let given = [caption.src.is_some(), caption.words.is_some(), caption.cues.is_some()];
    if given.iter().filter(|given| **given).count() != 1 {
        faults.push(
            format!("{pointer}/asset"),
            "needs one source of captions: give `src`, `words` or `cues`, and only one of them",
        );
    }
    let words = caption.words.iter().flatten().map(|word| (word.start, word.end));
    check_times(words, &format!("{pointer}/asset/words"), faults);
    let cues = caption.cues.iter().flatten().map(|cue| (cue.start, cue.end));
    check_times(cues, &format!("{pointer}/asset/cues"), faults);
}

fn check_times(
    times: impl Iterator<Item = (Decimal, Decimal)>,
    pointer: &str,
    faults: &mut Faults,
) {
    let mut before = Ratio::ZERO;
    for (index, (start, end)) in times.enumerate() {
        if end < start {
            faults.push(format!("{pointer}/{index}/end"), "is before the start: give a later time");
        }
        if start.0 < before {
            faults.push(
                format!("{pointer}/{index}/start"),
                "is before that of the one above: sort them by time",
            );
        }
        before = start.0;
    }
}

/// The speech kind's input for a speech asset. The kind's own parser checks it.
fn resolve_speech(asset: &SpeechAsset, pointer: &str, faults: &mut Faults) -> Option<SpeechInput> {
    let mut input = json!({ "text": asset.text.0 });
    let settings = [
        ("voice", asset.voice.as_ref().map(|voice| json!(voice.0))),
        ("rate", asset.rate.map(|rate| json!(rate.0))),
        ("pitch", asset.pitch.map(|pitch| json!(pitch.0))),
    ];
    for (name, value) in settings {
        if let Some(value) = value {
            input[name] = value;
        }
    }
    match speech::parse(&input) {
        Ok(speech) => Some(speech),
        Err(found) => {
            for fault in found {
                faults.push(format!("{pointer}/asset{}", fault.pointer), fault.detail);
            }
            None
        }
    }
}

fn check_aliases(tracks: &[Vec<Clip>], faults: &mut Faults) {
    let mut by_alias: BTreeMap<&str, &Clip> = BTreeMap::new();
    for clip in tracks.iter().flatten() {
        if let Some(alias) = &clip.written.alias
            && let Some(first) = by_alias.insert(&alias.0, clip)
        {
            faults.push(
                clip.at("/alias"),
                format!("`{}` is the alias of {} too: give each its own", alias.0, first.pointer),
            );
        }
    }
    for clip in tracks.iter().flatten() {
        let Some(alias) = src_of(&clip.written.asset)
            .and_then(Src::alias)
            .filter(|_| follows(&clip.written.asset))
        else {
            continue;
        };
        let target = by_alias.get(alias).map(|target| &target.written.asset);
        if let Some(detail) = wrong_target(&clip.written.asset, alias, target) {
            faults.push(clip.at("/asset/src"), detail);
        }
    }
}

/// Returns whether an asset may follow another clip.
fn follows(asset: &Asset) -> bool {
    matches!(asset, Asset::Caption(_) | Asset::RichCaption(_) | Asset::Waveform(_))
}

/// The fault of an alias that can't be followed, if any.
fn wrong_target(asset: &Asset, alias: &str, target: Option<&Asset>) -> Option<String> {
    match (asset, target) {
        (_, None) => Some(format!(
            "`{alias}` is no clip's alias: give the clip that is meant `\"alias\": \"{alias}\"`"
        )),
        (Asset::Caption(_) | Asset::RichCaption(_), Some(Asset::Speech(_))) => None,
        (Asset::Caption(_) | Asset::RichCaption(_), Some(Asset::Video(_) | Asset::Audio(_))) => {
            Some(format!(
                "`{alias}` is a recording, and no words are known of it: name a speech clip, or \
                 give its `words` or an SRT file"
            ))
        }
        (Asset::Waveform(_), Some(Asset::Video(_) | Asset::Audio(_) | Asset::Speech(_))) => None,
        (_, Some(_)) => {
            Some(format!("`{alias}` is a clip without sound: name a video, audio or speech clip"))
        }
    }
}
