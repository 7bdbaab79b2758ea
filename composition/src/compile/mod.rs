//! From a composition and the facts of its sources to a render plan.
//!
//! Stages, each a file: `times` puts every clip on the frame grid; `scene` resolves each into a layer over its whole length;
//! `cuts` divides the frames into segments; `excerpt` gives each segment the part of each layer that it shows; `sound` and
//! `output` do what is left.

mod captions;
mod context;
mod cover;
mod curves;
mod cuts;
mod excerpt;
mod figures;
mod fonts;
mod look;
mod output;
mod pictures;
mod scene;
mod sound;
mod times;
mod writing;

use crate::composition::Composition;
use crate::limits::{MAX_SEGMENTS, MAX_SHOWINGS};
use crate::plan::{Facts, RenderPlan, Rgba, Segment, Span};
use crate::sources::Slot;
use common::fault::Fault;
use context::CompileContext;
use scene::Drawn;
use std::collections::BTreeMap;

/// Compiles a composition: pure, and a function of the composition and the facts alone. `facts` holds those of every slot that
/// [`crate::sources`] listed; slots that are not asked for do no harm.
///
/// # Errors
/// Every fault that only the sources could show: a source without the stream that is asked of it, a trim past its end, subtitles
/// that can't be read, a length that nothing gives.
pub fn compile(
    composition: &Composition,
    facts: &BTreeMap<Slot, Facts>,
) -> Result<RenderPlan, Vec<Fault>> {
    let mut context = CompileContext::new(composition, facts);
    let plan = times::resolve(&mut context).map(|timing| {
        let pictures = if output::has_pictures(composition.output.format) {
            let mut drawn = scene::draw(&mut context, &timing);
            fonts::settle(&mut context, &mut drawn);
            segments(&mut context, &timing, &drawn)
        } else {
            Vec::new()
        };
        let sound = sound::mix(&mut context, &timing);
        output::plan(&mut context, &timing, pictures, sound)
    });
    context.settle(plan)
}

fn segments(context: &mut CompileContext, timing: &times::Timing, drawn: &[Drawn]) -> Vec<Segment> {
    let cuts = cuts::cut(context.composition.canvas.rate, timing.window, drawn);
    if cuts.len() > MAX_SEGMENTS {
        let detail = format!(
            "falls into {} segments: at most {MAX_SEGMENTS} are made; use fewer or longer clips",
            cuts.len()
        );
        context.fault("/timeline", detail);
        return Vec::new();
    }
    let showings = showings(drawn, &cuts);
    if showings > MAX_SHOWINGS {
        let detail = format!(
            "show {showings} times in {} segments: at most {MAX_SHOWINGS} are drawn; use fewer or shorter clips",
            cuts.len()
        );
        context.fault("/timeline/tracks", detail);
        return Vec::new();
    }
    let fonts = context.fonts();
    cuts.into_iter().map(|run| segment(context.composition, run, drawn, &fonts)).collect()
}

/// How many layers, mattes included, all segments have together: counted before any is made.
fn showings(drawn: &[Drawn], cuts: &[Span]) -> u64 {
    let count = |item: &Drawn| {
        let (from, to) = (item.start, item.start + item.layer.show.to as i64);
        let first = cuts.partition_point(|cut| cut.to as i64 <= from);
        let after = cuts.partition_point(|cut| (cut.from as i64) < to);
        after.saturating_sub(first) as u64 * (1 + item.layer.mattes.len() as u64)
    };
    drawn.iter().map(count).sum()
}

fn segment(
    composition: &Composition,
    run: Span,
    drawn: &[Drawn],
    fonts: &[crate::plan::SourceHash],
) -> Segment {
    let mut canvas = composition.canvas;
    let mut layers = Vec::new();
    // From the top down, to the first that hides all below: those, and the background, are not there.
    for item in drawn.iter().rev() {
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
