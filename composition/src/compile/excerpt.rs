//! The part of a layer that a segment shows, in a form in which equal pictures have equal bytes.
//!
//! Anything the segment does not show is dropped: transitions elsewhere, tweens that have ended,
//! cues of other times. If nothing in the rest moves, the clock becomes 0.

use super::curves::part;
use super::scene::ClipLayer;
use crate::plan::{Asset, Captions, Cue, Curve, Layer, Micro, Placement, Span, Text, Transition};

/// The layer as a segment shows it; none if the segment shows nothing of it.
pub(super) fn excerpt(clip_layer: &ClipLayer, run: Span) -> Option<Layer> {
    let offset = run.from as i64 - clip_layer.start;
    let from = u64::try_from(offset.max(0)).ok()?;
    let to = u64::try_from(run.to as i64 - clip_layer.start).ok()?;
    shown(&clip_layer.layer, Span { from, to }, offset)
}

/// The part of a layer within its frames `within`. `offset` is the layer's frame that the segment
/// begins on.
fn shown(layer: &Layer, within: Span, offset: i64) -> Option<Layer> {
    let show = layer.show.meet(within);
    if show.is_empty() {
        return None;
    }
    let clock = layer.clock + (show.from - layer.show.from);
    let end = clock + show.len();
    let opacity = part(&layer.opacity, clock, end);
    if opacity == Curve::Still(Micro::ZERO) {
        return None;
    }
    let mattes: Vec<Layer> =
        layer.mattes.iter().filter_map(|matte| shown(matte, within, offset)).collect();
    let cut = Layer {
        show: Span { from: segment_frame(show.from, offset)?, to: segment_frame(show.to, offset)? },
        clock,
        asset: asset(&layer.asset, show, clock, offset)?,
        placement: placement(&layer.placement, clock, end),
        opacity,
        enter: layer.enter.filter(|enter| clock < enter.frames),
        leave: layer.leave.filter(|leave| leave.start < end),
        filters: layer.filters.clone(),
        chroma_key: layer.chroma_key,
        mattes,
        blend: layer.blend,
    };
    Some(if moves(&cut) { cut } else { Layer { clock: 0, ..cut } })
}

fn segment_frame(frame: u64, offset: i64) -> Option<u64> {
    u64::try_from(frame as i64 - offset).ok()
}

/// The asset without its hidden parts; none if everything is hidden.
fn asset(asset: &Asset, show: Span, clock: u64, offset: i64) -> Option<Asset> {
    match asset {
        Asset::Captions(captions) => cues(captions, show, offset).map(Asset::Captions),
        Asset::Text(text) => {
            let animation = text.animation.filter(|animation| clock < animation.frames);
            Some(Asset::Text(Text { animation, ..text.clone() }))
        }
        other => Some(other.clone()),
    }
}

/// The cues that show, in frames of the segment. They are cut to the segment, except those whose
/// words are animated.
fn cues(captions: &Captions, show: Span, offset: i64) -> Option<Captions> {
    let (from, to) = (show.from as i64, show.to as i64);
    let seen = captions.cues.iter().filter(|cue| cue.from < to && from < cue.to);
    let cues: Vec<Cue> = seen
        .map(|cue| {
            let whole = captions.active.is_some();
            let (first, last) =
                if whole { (cue.from, cue.to) } else { (cue.from.max(from), cue.to.min(to)) };
            let mut cut = Cue { from: first - offset, to: last - offset, ..cue.clone() };
            for word in &mut cut.words {
                (word.from, word.to) = (word.from - offset, word.to - offset);
            }
            cut
        })
        .collect();
    (!cues.is_empty()).then(|| Captions { cues, ..captions.clone() })
}

fn placement(placement: &Placement, from: u64, to: u64) -> Placement {
    let cut = |curve: &Curve| part(curve, from, to);
    Placement {
        x: cut(&placement.x),
        y: cut(&placement.y),
        scale: cut(&placement.scale),
        angle: cut(&placement.angle),
        skew_x: cut(&placement.skew_x),
        skew_y: cut(&placement.skew_y),
        ..placement.clone()
    }
}

/// Returns whether anything in a layer depends on its clock.
fn moves(layer: &Layer) -> bool {
    let placement = &layer.placement;
    let curves = [
        &placement.x,
        &placement.y,
        &placement.scale,
        &placement.angle,
        &placement.skew_x,
        &placement.skew_y,
        &layer.opacity,
    ];
    let transitions: [&Option<Transition>; 2] = [&layer.enter, &layer.leave];
    curves.iter().any(|curve| matches!(curve, Curve::Tweens(_)))
        || transitions.iter().any(|transition| transition.is_some())
        || placement.drift.is_some()
        || layer.asset.moves()
}
