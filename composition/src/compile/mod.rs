//! Compiles a composition and the facts of its sources to a render plan.
//!
//! The stages, one file each: `times` places every clip on the frame grid; `scene` makes each a
//! layer over its whole length; `joins` leads from one clip to the next by a transition; `cuts`
//! divides the frames into segments; `excerpt` takes the part of each layer that a segment shows;
//! `sound` and `output` build the rest of the plan.

mod captions;
mod context;
mod cover;
mod curves;
mod cuts;
mod excerpt;
mod figures;
mod fonts;
mod joins;
mod look;
mod output;
mod pictures;
mod scene;
mod sound;
mod times;
mod writing;

use crate::composition::Composition;
use crate::limits::{MAX_LAYERS, MAX_SEGMENTS};
use crate::plan::{Facts, RenderPlan, Rgba, Segment, Span};
use crate::sources::SourceKey;
use common::fault::Fault;
use context::CompileContext;
use scene::ClipLayer;
use std::collections::BTreeMap;

/// Compiles a composition. The plan depends on the composition and the facts alone.
///
/// `facts` holds those of every source that [`crate::sources`] listed; others are ignored.
///
/// ```
/// use std::collections::BTreeMap;
/// use composition::plan::Facts;
///
/// let document = serde_json::json!({ "timeline": { "tracks": [{
///     "clips": [{ "asset": { "type": "audio", "src": "https://example.com/a.mp3" } }],
/// }] }, "output": { "format": "mp3" } });
/// let composition = composition::parse(&document).expect("a valid composition");
///
/// // The facts are what a probe of the fetched file returns.
/// let probed: Facts = serde_json::from_value(serde_json::json!({
///     "hash": "5f2e", "container": "mp3", "duration": [12, 1], "image": false, "video": [],
///     "audio": [{
///         "index": 0, "codec": "mp3", "rate": 44100, "channels": 2,
///         "start": [0, 1], "duration": [12, 1],
///     }],
/// })).expect("facts");
/// let facts: BTreeMap<_, _> = composition::sources(&composition)
///     .into_iter()
///     .map(|source| (source.key, probed.clone()))
///     .collect();
/// let plan = composition::compile(&composition, &facts).expect("a plan");
/// assert_eq!(plan.sound.expect("sound").samples, 12 * 48_000);
///
/// let faults = composition::compile(&composition, &BTreeMap::new()).expect_err("no facts");
/// assert_eq!(faults[0].pointer, "/timeline/tracks/0/clips/0/asset/src");
/// ```
///
/// # Errors
/// Every fault that only the sources can show: a source without the stream that a clip needs, a
/// trim past its end, unreadable subtitles, a length that nothing gives.
pub fn compile(
    composition: &Composition,
    facts: &BTreeMap<SourceKey, Facts>,
) -> Result<RenderPlan, Vec<Fault>> {
    let mut context = CompileContext::new(composition, facts);
    let plan = times::resolve(&mut context).map(|timing| {
        let pictures = if output::has_pictures(composition.output.format) {
            let mut clip_layers = scene::layers(&mut context, &timing);
            fonts::resolve_families(&mut context, &mut clip_layers);
            segments(&mut context, &timing, &clip_layers)
        } else {
            Vec::new()
        };
        let sound = sound::mix(&mut context, &timing);
        output::plan(&mut context, &timing, pictures, sound)
    });
    context.finish(plan)
}

fn segments(
    context: &mut CompileContext,
    timing: &times::Timing,
    clip_layers: &[ClipLayer],
) -> Vec<Segment> {
    let cuts = cuts::cut(context.composition.canvas.rate, timing.window, clip_layers);
    if cuts.len() > MAX_SEGMENTS {
        let detail = format!(
            "falls into {} segments: at most {MAX_SEGMENTS} are made; use fewer or longer clips",
            cuts.len()
        );
        context.fault("/timeline", detail);
        return Vec::new();
    }
    let layer_count = count_layers(clip_layers, &cuts);
    if layer_count > MAX_LAYERS {
        let detail = format!(
            "show {layer_count} times in {} segments: at most {MAX_LAYERS} are drawn; use fewer or \
             shorter clips",
            cuts.len()
        );
        context.fault("/timeline/tracks", detail);
        return Vec::new();
    }
    let fonts = context.fonts();
    cuts.into_iter().map(|run| segment(context.composition, run, clip_layers, &fonts)).collect()
}

/// The number of layers, mattes included, that all segments have together. It is counted before any
/// layer is cut.
fn count_layers(clip_layers: &[ClipLayer], cuts: &[Span]) -> u64 {
    let count = |item: &ClipLayer| {
        let (from, to) = (item.start, item.start + item.layer.show.to as i64);
        let first = cuts.partition_point(|cut| cut.to as i64 <= from);
        let after = cuts.partition_point(|cut| (cut.from as i64) < to);
        after.saturating_sub(first) as u64 * (1 + item.layer.mattes.len() as u64)
    };
    clip_layers.iter().map(count).sum()
}

fn segment(
    composition: &Composition,
    run: Span,
    clip_layers: &[ClipLayer],
    fonts: &[crate::plan::SourceHash],
) -> Segment {
    let mut canvas = composition.canvas;
    let mut layers = Vec::new();
    // From the top down to the first layer that hides all below it: neither those nor the
    // background belong to the segment.
    for item in clip_layers.iter().rev() {
        let Some(layer) = excerpt::excerpt(item, run) else { continue };
        let covers = cover::covers(&layer, item.opaque, &canvas, run.len());
        layers.push(layer);
        if covers {
            canvas.background = Rgba::BLACK;
            break;
        }
    }
    layers.reverse();
    let writes = layers.iter().any(|layer| layer.asset.writes());
    Segment {
        canvas,
        frames: run.len(),
        layers,
        fonts: if writes { fonts.to_vec() } else { Vec::new() },
        machine_fonts: None,
        recipe: composition.output.recipe,
    }
}
