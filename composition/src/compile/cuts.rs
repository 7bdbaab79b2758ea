//! Cuts the frames into segments.
//!
//! Edges of anything that may fill the frame (videos, images, colours, gradients) are hard cuts,
//! and so are the edges of empty stretches. A segment never spans a hard cut, so a change on one
//! side does not touch the other, unless a transition shows both. Within such a run a cut is set
//! every two seconds from the run's start, then moved to the nearest edge of a text or caption
//! within half a second. So no segment is longer than four seconds, and none is shorter than one
//! unless its run is. A cut does not depend on how the one before it moved, so changing one caption
//! moves at most the cuts beside it.
//!
//! The interval is two seconds because a caption shows for two to four. An edit costs the segments
//! that show the caption, with whatever else they contain; an interval of three seconds made that
//! half as much again. The additional IDR frames cost no bits at the same rate factor:
//! scripts/bench's m3 came out 1.5 % smaller.

use super::scene::ClipLayer;
use crate::plan::{Rate, Span};
use std::collections::BTreeSet;

/// The segments of the output range, in order. Frames count from the range's first.
pub(super) fn cut(rate: Rate, window: Span, clip_layers: &[ClipLayer]) -> Vec<Span> {
    let frames = window.len();
    let mut hard = BTreeSet::from([0, frames]);
    let mut soft = BTreeSet::new();
    for item in clip_layers {
        let edges = item
            .edges()
            .into_iter()
            .filter(|edge| 0 < *edge && *edge < frames as i64)
            .map(|edge| edge as u64);
        if item.cuts_hard { hard.extend(edges) } else { soft.extend(edges) }
    }
    hard.extend(gaps(clip_layers, frames));
    let grid = CutGrid::new(rate);
    let bounds: Vec<u64> = hard.into_iter().collect();
    bounds.windows(2).flat_map(|run| grid.pieces(run[0], run[1], &soft)).collect()
}

/// The frames where an empty stretch begins or ends. Cuts are set from there again, so time
/// inserted before a composition of text alone does not move its cuts.
fn gaps(clip_layers: &[ClipLayer], frames: u64) -> Vec<u64> {
    let within = |frame: i64| u64::try_from(frame).unwrap_or(0).min(frames);
    let mut spans: Vec<(u64, u64)> = clip_layers
        .iter()
        .map(|item| (within(item.start), within(item.start + item.layer.show.to as i64)))
        .collect();
    spans.sort_unstable();
    let mut edges = Vec::new();
    let mut shown_to = 0;
    for (from, to) in spans {
        if shown_to < from {
            edges.extend([shown_to, from]);
        }
        shown_to = shown_to.max(to);
    }
    edges.push(shown_to);
    edges
}

/// The distances between cuts, in frames.
struct CutGrid {
    /// The distance from one cut to the next.
    interval: u64,
    /// The farthest that a cut may move.
    reach: u64,
    /// The shortest segment.
    shortest: u64,
}

impl CutGrid {
    fn new(rate: Rate) -> CutGrid {
        let (num, den) = (u64::from(rate.num), u64::from(rate.den.max(1)));
        // Two neighbouring cuts that move towards each other still leave a second between them.
        CutGrid {
            interval: (2 * num + den / 2) / den,
            reach: num / (2 * den),
            shortest: num.div_ceil(den),
        }
    }

    /// The segments of one run.
    fn pieces(&self, from: u64, to: u64, soft: &BTreeSet<u64>) -> Vec<Span> {
        let mut pieces = Vec::new();
        let mut start = from;
        for cut in self.cuts(from, to) {
            let end = self.snapped(cut, soft);
            pieces.push(Span { from: start, to: end });
            start = end;
        }
        pieces.push(Span { from: start, to });
        pieces
    }

    /// The cuts of a run before they move to edges. None is so near the run's end that the last
    /// segment could be too short.
    fn cuts(&self, from: u64, to: u64) -> impl Iterator<Item = u64> {
        let last = to.saturating_sub(self.shortest + self.reach);
        (1..).map(move |index| from + index * self.interval).take_while(move |cut| *cut <= last)
    }

    /// The nearest edge in reach, the earlier of two equally near, or else the cut itself.
    fn snapped(&self, cut: u64, soft: &BTreeSet<u64>) -> u64 {
        let edges = soft.range(cut - self.reach..=cut + self.reach);
        edges.copied().min_by_key(|edge| edge.abs_diff(cut)).unwrap_or(cut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RATES: [Rate; 10] = [
        Rate { num: 12, den: 1 },
        Rate { num: 24_000, den: 1001 },
        Rate { num: 24, den: 1 },
        Rate { num: 25, den: 1 },
        Rate { num: 30_000, den: 1001 },
        Rate { num: 30, den: 1 },
        Rate { num: 48, den: 1 },
        Rate { num: 50, den: 1 },
        Rate { num: 60_000, den: 1001 },
        Rate { num: 60, den: 1 },
    ];

    fn pieces(rate: Rate, length: u64, soft: &[u64]) -> Vec<Span> {
        CutGrid::new(rate).pieces(0, length, &soft.iter().copied().collect())
    }

    proptest! {
        #[test]
        fn pieces_tile_a_run_and_keep_their_lengths(
            rate in prop::sample::select(RATES.to_vec()),
            length in 1_u64..5_000,
            soft in prop::collection::vec(1_u64..5_000, 0..200),
        ) {
            let soft: Vec<u64> = soft.into_iter().filter(|edge| *edge < length).collect();
            let pieces = pieces(rate, length, &soft);
            let mut at = 0;
            for piece in &pieces {
                prop_assert_eq!(piece.from, at);
                prop_assert!(piece.to > piece.from);
                at = piece.to;
            }
            prop_assert_eq!(at, length);
            let seconds = |piece: &Span| rate.seconds(piece.len());
            for piece in &pieces {
                prop_assert!(seconds(piece) <= crate::plan::Ratio::whole(4), "{:?}", piece);
                let long_enough = seconds(piece) >= crate::plan::Ratio::ONE;
                prop_assert!(pieces.len() == 1 || long_enough, "{:?}", piece);
            }
        }
    }

    #[test]
    fn a_cut_moves_to_an_edge_of_text_in_reach() {
        let rate = Rate { num: 30, den: 1 };
        let ends =
            |soft: &[u64]| pieces(rate, 250, soft).iter().map(|piece| piece.to).collect::<Vec<_>>();
        assert_eq!(ends(&[]), [60, 120, 180, 250]);
        assert_eq!(ends(&[50, 67, 80, 170]), [67, 120, 170, 250]);
        assert_eq!(ends(&[45, 104, 135]), [45, 135, 180, 250]);
    }

    #[test]
    fn a_run_is_cut_only_if_both_pieces_stay_long_enough() {
        let rate = Rate { num: 30, den: 1 };
        assert_eq!(pieces(rate, 104, &[60]).len(), 1);
        assert_eq!(
            pieces(rate, 105, &[75]).iter().map(|piece| piece.len()).collect::<Vec<_>>(),
            [75, 30]
        );
    }

    #[test]
    fn cuts_fall_on_the_edges_of_cues_of_four_seconds() {
        let rate = Rate { num: 30, den: 1 };
        let edges = [0, 112, 229, 351, 472];
        let pieces = pieces(rate, 600, &edges);
        let showing = |from: u64, to: u64| -> u64 {
            pieces
                .iter()
                .filter(|piece| piece.from < to && from < piece.to)
                .map(|piece| piece.len())
                .sum()
        };
        assert!(
            edges.windows(2).all(|cue| showing(cue[0], cue[1]) == cue[1] - cue[0]),
            "{pieces:?}"
        );
    }
}
