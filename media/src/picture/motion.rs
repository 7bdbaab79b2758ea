//! Decides whether a layer moves on a frame, and at which scale its content is then drawn.
//!
//! A box at rest is placed on whole pixels and its content is drawn at exactly its size. A box in
//! motion is sampled at its exact position, from content of one size throughout, so that nothing
//! trembles. The choice may not depend on where the segment was cut. A segment carries whole every
//! tween that runs through one of its frames and the one that ends where it begins. So the choice
//! follows from single tweens at single ticks, never from neighbouring frames, which may be in
//! another segment.

use composition::plan::{Curve, Drift, Easing, Layer, Transition, TransitionKind, Tween};

/// Returns whether the box moves at a tick of the clip's clock: it is between two positions, not at
/// one of them.
pub(crate) fn moves_at(layer: &Layer, clock: u64) -> bool {
    let placement = &layer.placement;
    let curves = [
        &placement.x,
        &placement.y,
        &placement.scale,
        &placement.angle,
        &placement.skew_x,
        &placement.skew_y,
    ];
    let transitions = layer.enter.iter().chain(&layer.leave);
    curves.into_iter().any(|curve| tween_at(curve, clock).is_some())
        || placement.drift.is_some_and(|drift| drifts(&drift))
        || transitions.into_iter().any(|transition| moves_box(transition, clock))
}

/// Returns the scale at which content is drawn for a box in motion: the largest that the current
/// tween and the drift reach.
pub(crate) fn scale_in_motion(layer: &Layer, clock: u64) -> f64 {
    let placement = &layer.placement;
    let tween = match tween_at(&placement.scale, clock) {
        Some(tween) => tween.from.max(tween.to).to_f64(),
        None => placement.scale.value_at(clock),
    };
    let drift = placement.drift.map_or(1.0, |drift| drift.scale[0].max(drift.scale[1]).to_f64());
    (tween * drift).max(0.001)
}

/// Returns the tween in progress at a tick. At the tick where one ends and the next begins it is
/// the next, so a motion that continues does not stop there.
fn tween_at(curve: &Curve, clock: u64) -> Option<&Tween> {
    let Curve::Tweens(tweens) = curve else {
        return None;
    };
    let moving =
        |tween: &&Tween| tween.from != tween.to && tween.easing != Easing::Hold && tween.length > 1;
    let inside = |tween: &&Tween| tween.start < clock && clock < tween.start + tween.length;
    let inside_tween = tweens.iter().filter(moving).find(inside);
    inside_tween.or_else(|| {
        let ends_here =
            tweens.iter().filter(moving).any(|tween| tween.start + tween.length == clock);
        tweens.iter().filter(moving).find(|tween| ends_here && tween.start == clock)
    })
}

fn drifts(drift: &Drift) -> bool {
    [drift.scale, drift.x, drift.y].iter().any(|ends| ends[0] != ends[1])
}

/// Returns whether a transition moves the box at a tick. It does not at the transition's start,
/// when the outgoing clip has not left, nor at its end.
fn moves_box(transition: &Transition, clock: u64) -> bool {
    let moves = match transition.kind {
        TransitionKind::Slide(_)
        | TransitionKind::Carousel(_)
        | TransitionKind::Zoom
        | TransitionKind::Shuffle { .. } => true,
        TransitionKind::Fade | TransitionKind::Wipe(_) | TransitionKind::Reveal(_) => false,
    };
    moves && transition.start < clock && clock < transition.start + transition.frames
}

#[cfg(test)]
mod tests {
    use super::*;
    use composition::plan::Micro;

    fn tween(start: u64, length: u64, from: i64, to: i64) -> Tween {
        Tween {
            start,
            length,
            from: Micro::whole(from),
            to: Micro::whole(to),
            easing: Easing::Linear,
        }
    }

    #[test]
    fn a_curve_moves_between_its_ends_and_across_joined_tweens() {
        let curve =
            Curve::Tweens(vec![tween(10, 10, 0, 5), tween(20, 10, 5, 9), tween(40, 5, 9, 9)]);
        let runs: Vec<u64> = (0..50).filter(|tick| tween_at(&curve, *tick).is_some()).collect();
        assert_eq!(runs, (11..30).collect::<Vec<u64>>());
        assert_eq!(tween_at(&curve, 20).map(|tween| tween.start), Some(20));
    }
}
