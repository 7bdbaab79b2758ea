//! Finds layers that hide all below them. A segment holds only what it shows, so hidden layers are
//! dropped.

use crate::plan::{Asset, Blend, Canvas, Curve, Drift, Layer, Micro, Placement, Rgba, Span, WHOLE};

/// Returns whether a layer fills the canvas on every frame of a segment. `opaque` says that the
/// layer's source has no alpha, which the layer itself does not record.
pub(super) fn covers(layer: &Layer, opaque: bool, canvas: &Canvas, frames: u64) -> bool {
    layer.show == Span { from: 0, to: frames }
        && fills_its_box(&layer.asset, opaque)
        && layer.opacity == Curve::Still(Micro::ONE)
        && layer.enter.is_none()
        && layer.leave.is_none()
        && layer.chroma_key.is_none()
        && layer.mattes.is_empty()
        && layer.blend == Blend::Normal
        && fills_canvas(&layer.placement, canvas)
        // A blur would mix the edges with the outside.
        && layer.filters.iter().all(|filter| !matches!(filter, crate::plan::Filter::Blur { .. }))
}

/// Returns whether a clip hides another of its track once its transition is done: it is opaque, and
/// fills the canvas or the box of the other. No effect moves a box off its edges.
pub(super) fn hides(layer: &Layer, opaque: bool, other: &Layer, canvas: &Canvas) -> bool {
    let at_rest = Placement { drift: None, ..layer.placement.clone() };
    let same_box = at_rest == Placement { drift: None, ..other.placement.clone() };
    fills_its_box(&layer.asset, opaque)
        && layer.opacity == Curve::Still(Micro::ONE)
        && layer.chroma_key.is_none()
        && layer.blend == Blend::Normal
        && (same_box || fills_canvas(&at_rest, canvas))
}

fn fills_its_box(asset: &Asset, opaque: bool) -> bool {
    match asset {
        Asset::Video(video) => {
            opaque && (video.picture.into == WHOLE || video.picture.backdrop.is_some())
        }
        Asset::Image(picture) => opaque && (picture.into == WHOLE || picture.backdrop.is_some()),
        Asset::Colour(Rgba([.., alpha])) => *alpha == 255,
        Asset::Gradient(gradient) => gradient.stops.iter().all(|stop| stop.colour.0[3] == 255),
        Asset::Text(_) | Asset::Captions(_) | Asset::Shape(_) | Asset::Waveform(_) => false,
    }
}

/// Returns whether the box reaches every edge: large enough, not moved, not turned. The anchor does
/// not matter: a box of this size meets or passes the canvas on both sides.
fn fills_canvas(placement: &Placement, canvas: &Canvas) -> bool {
    let still = |curve: &Curve, value: Micro| *curve == Curve::Still(value);
    let Curve::Still(scale) = placement.scale else { return false };
    let reaches = |side: Micro, canvas: u32| Micro::whole(i64::from(canvas)) <= side.times(scale);
    let drifts_inwards = |drift: &Drift| {
        let moves = drift.x != [Micro::ZERO; 2] || drift.y != [Micro::ZERO; 2];
        moves || drift.scale.iter().any(|scale| *scale < Micro::ONE)
    };
    reaches(placement.width, canvas.width)
        && reaches(placement.height, canvas.height)
        && [&placement.x, &placement.y, &placement.angle, &placement.skew_x, &placement.skew_y]
            .iter()
            .all(|curve| still(curve, Micro::ZERO))
        && !placement.drift.as_ref().is_some_and(drifts_inwards)
}
