//! Resolves a document: fills defaults in and checks the rules that span several fields.

mod clips;
pub(crate) mod output;

pub(crate) use clips::src_of;

use crate::composition::Composition;
use crate::document::DocumentReader;
use crate::plan::{Canvas, Ducking, Micro, Rgba};
use crate::syntax::{DuckingForm, Edit, Switch};
use common::fault::Fault;

/// Collects faults, each with its place.
#[derive(Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    /// Adds a fault, unless the list is full.
    pub fn push(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        if self.0.len() < common::limits::MAX_FAULTS {
            self.0.push(Fault::new(pointer, detail));
        }
    }
}

/// Parses and validates a composition.
///
/// ```
/// let document = serde_json::json!({
///     "timeline": { "tracks": [{
///         "clips": [{ "asset": { "type": "text", "text": "Hi {{ NAME }}" }, "length": 3 }],
///     }] },
///     "merge": [{ "find": "NAME", "replace": "Ann" }],
/// });
/// assert!(composition::parse(&document).is_ok());
///
/// let misspelt = serde_json::json!({ "timeline": { "tracks": [{
///     "clips": [{ "asset": { "type": "text", "text": "Hi" }, "lengh": 3 }],
/// }] } });
/// let faults = composition::parse(&misspelt).expect_err("a fault");
/// assert_eq!(faults[0].pointer, "/timeline/tracks/0/clips/0/lengh");
/// assert_eq!(faults[0].detail, "is not known here: did you mean `length`?");
/// ```
///
/// # Errors
/// Every fault, with the JSON Pointer to its place and what to do about it.
pub fn parse(document: &serde_json::Value) -> Result<Composition, Vec<Fault>> {
    let merged = crate::merge::merged(document)?;
    let (written, found) = DocumentReader::read_whole::<Edit>(merged.as_ref().unwrap_or(document));
    let mut faults = Faults(found);
    // The fields that could be read are checked even if others could not, so that one answer lists
    // every fault.
    match written.map(|edit| resolve(edit, &mut faults)) {
        Some(composition) if faults.0.is_empty() => Ok(composition),
        _ => Err(faults.0),
    }
}

fn resolve(edit: Edit, faults: &mut Faults) -> Composition {
    let timeline = edit.timeline;
    let (size, rate, output) = output::resolve(edit.output, timeline.background, faults);
    let background =
        output::background(output.recipe.pixel_format, timeline.background.unwrap_or(Rgba::BLACK));
    let fonts = timeline.fonts.unwrap_or_default().into_iter().map(|font| font.src.0).collect();
    let soundtrack = timeline.soundtrack;
    if soundtrack.as_ref().is_some_and(|track| track.src.alias().is_some()) {
        faults.push("/timeline/soundtrack/src", "is an alias: give the sound's URL");
    }
    Composition {
        canvas: Canvas { width: size.0, height: size.1, rate, background },
        output,
        tracks: clips::resolve(timeline.tracks, faults),
        soundtrack,
        fonts,
        ducking: ducking(timeline.ducking),
    }
}

fn ducking(written: Option<Switch<DuckingForm>>) -> Option<Ducking> {
    let form = match written {
        Some(Switch::Off) => return None,
        Some(Switch::Set(form)) => Some(form),
        Some(Switch::On) | None => None,
    };
    let form = form.as_ref();
    let level = |value: Option<crate::document::Decimal>, default: i64| {
        value.map_or(Micro::whole(default), |v| v.micro())
    };
    Some(Ducking {
        threshold: level(form.and_then(|form| form.threshold), -30),
        depth: level(form.and_then(|form| form.depth), 12),
        attack_ms: form.and_then(|form| form.attack).map_or(20, |count| count.0),
        release_ms: form.and_then(|form| form.release).map_or(400, |count| count.0),
    })
}
