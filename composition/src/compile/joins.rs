//! Transitions between two pictures of a track that touch.
//!
//! If each came and went by itself, the frame would show what is below the track, mostly black. So
//! one transition runs, over the first frames of the later clip, and the earlier clip goes on until
//! it is done: below the later clip if that comes in, else above it while the earlier goes out.

use super::cover;
use super::scene::ClipLayer;
use crate::plan::{Asset, Canvas, Layer, Span, Transition, TransitionKind};

/// Adds what transitions need of the clips of one track, which are in order of their starts.
pub(super) fn join(clips: Vec<ClipLayer>, canvas: &Canvas) -> Vec<ClipLayer> {
    let mut joined = Vec::with_capacity(clips.len());
    let mut clips = clips.into_iter();
    let Some(mut earlier) = clips.next() else { return joined };
    let mut above = None;
    for later in clips {
        let rest = rest_of(&mut earlier, &later, canvas);
        joined.push(earlier);
        joined.extend(above.take());
        match rest {
            Some(Rest { clip, above: false }) => joined.push(clip),
            Some(Rest { clip, above: true }) => above = Some(clip),
            None => {}
        }
        earlier = later;
    }
    joined.push(earlier);
    joined.extend(above);
    joined
}

/// The frames of a clip after its end, while the next one on its track appears.
struct Rest {
    clip: ClipLayer,
    /// Set if it is drawn above the next clip.
    above: bool,
}

/// The rest of a clip that the next one needs; none without a transition between the two. The
/// earlier clip's own transition at its end gives way.
fn rest_of(earlier: &mut ClipLayer, later: &ClipLayer, canvas: &Canvas) -> Option<Rest> {
    let end = earlier.layer.show.to;
    let touch = earlier.start + end as i64 == later.start;
    if !touch || !is_whole_picture(&earlier.layer) || !is_whole_picture(&later.layer) {
        return None;
    }
    let (leave, frames, above) = match (later.layer.enter, earlier.layer.leave) {
        (None, None) => return None,
        (Some(enter), _) => {
            // If parts of it are seen beside the later clip, they may not vanish at once.
            let hidden = cover::hides(&later.layer, later.opaque, &earlier.layer, canvas);
            let fade = Transition { kind: TransitionKind::Fade, start: end, ..enter };
            ((!hidden).then_some(fade), enter.frames, false)
        }
        (None, Some(leave)) => {
            let frames = leave.frames.min(later.layer.show.to);
            (Some(Transition { start: end, frames, ..leave }), frames, true)
        }
    };
    earlier.layer.leave = None;
    let layer = Layer {
        show: Span { from: 0, to: frames },
        clock: end,
        enter: None,
        leave,
        ..earlier.layer.clone()
    };
    let clip = ClipLayer {
        pointer: earlier.pointer.clone(),
        start: later.start,
        layer,
        cuts_hard: false,
        opaque: earlier.opaque,
    };
    Some(Rest { clip, above })
}

/// Returns whether a clip is a picture without mattes, which would end with the clip.
fn is_whole_picture(layer: &Layer) -> bool {
    fills_frames(&layer.asset) && layer.mattes.is_empty()
}

/// Returns whether a clip may fill the frame: text and figures come and go over a picture.
pub(super) fn fills_frames(asset: &Asset) -> bool {
    matches!(asset, Asset::Video(_) | Asset::Image(_) | Asset::Colour(_) | Asset::Gradient(_))
}
