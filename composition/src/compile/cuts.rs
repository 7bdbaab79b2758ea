//! Where the frames are cut into segments.
//!
//! Edges of what may fill the frame (videos, images, colours, gradients) are hard, and so are those of empty stretches: a segment never reaches across one, so what stands on one side does not touch the
//! other. Within such a run lines are drawn every two seconds from the run's start, and each moves to the nearest edge of writing
//! within half a second. So no piece is longer than four seconds or shorter than one (but for short runs), a line never depends on
//! how the one before it fell, and a change of one caption moves at most the lines beside it.
//!
//! Two seconds, because a caption shows for two to four: what one edit costs is what shows it, and whatever the pieces reach
//! beyond it. Drawn every three seconds, lines made that half as much again. An IDR frame more in six seconds takes no more
//! bits at the same rate factor: scripts/bench's m3 came out 1.5 % smaller.

use super::scene::Drawn;
use crate::plan::{Rate, Span};
use std::collections::BTreeSet;

/// The segments of a window, in order, in frames of the window (whose first is 0).
pub(super) fn cut(rate: Rate, window: Span, drawn: &[Drawn]) -> Vec<Span> {
    let frames = window.len();
    let mut hard = BTreeSet::from([0, frames]);
    let mut soft = BTreeSet::new();
    for item in drawn {
        let edges = item
            .edges()
            .into_iter()
            .filter(|edge| 0 < *edge && *edge < frames as i64)
            .map(|edge| edge as u64);
        if item.cuts_hard { hard.extend(edges) } else { soft.extend(edges) }
    }
    hard.extend(gaps(drawn, frames));
    let grid = Grid::new(rate);
    let bounds: Vec<u64> = hard.into_iter().collect();
    bounds.windows(2).flat_map(|run| grid.pieces(run[0], run[1], &soft)).collect()
}

/// The frames where a stretch that shows nothing begins or ends: beyond it the grid starts anew too, so that time put in before a
/// composition of writing alone does not move its lines.
fn gaps(drawn: &[Drawn], frames: u64) -> Vec<u64> {
    let within = |frame: i64| u64::try_from(frame).unwrap_or(0).min(frames);
    let mut spans: Vec<(u64, u64)> = drawn
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

/// The measures of cutting, in frames.
struct Grid {
    /// From line to line.
    pace: u64,
    /// How far a line may move.
    play: u64,
    /// The shortest piece.
    least: u64,
}

impl Grid {
    fn new(rate: Rate) -> Grid {
        let (num, den) = (u64::from(rate.num), u64::from(rate.den.max(1)));
        // Two lines that move towards each other leave a second between them.
        Grid { pace: (2 * num + den / 2) / den, play: num / (2 * den), least: num.div_ceil(den) }
    }

    /// The pieces of one run.
    fn pieces(&self, from: u64, to: u64, soft: &BTreeSet<u64>) -> Vec<Span> {
        let mut pieces = Vec::new();
        let mut start = from;
        for line in self.lines(from, to) {
            let cut = self.moved(line, soft);
            pieces.push(Span { from: start, to: cut });
            start = cut;
        }
        pieces.push(Span { from: start, to });
        pieces
    }

    /// The lines of a run, before they move to edges: none so near to its end that the last piece could be too short.
    fn lines(&self, from: u64, to: u64) -> impl Iterator<Item = u64> {
        let last = to.saturating_sub(self.least + self.play);
        (1..).map(move |index| from + index * self.pace).take_while(move |line| *line <= last)
    }

    /// The nearest edge in reach, the earlier of two as near; else the line itself.
    fn moved(&self, line: u64, soft: &BTreeSet<u64>) -> u64 {
        let reach = soft.range(line - self.play..=line + self.play);
        reach.copied().min_by_key(|edge| edge.abs_diff(line)).unwrap_or(line)
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
        Grid::new(rate).pieces(0, length, &soft.iter().copied().collect())
    }

    proptest! {
        #[test]
        fn pieces_tile_a_run_and_keep_their_measures(
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
                prop_assert!(pieces.len() == 1 || seconds(piece) >= crate::plan::Ratio::ONE, "{:?}", piece);
            }
        }
    }

    #[test]
    fn a_line_moves_to_an_edge_of_writing_in_reach() {
        let rate = Rate { num: 30, den: 1 };
        let ends =
            |soft: &[u64]| pieces(rate, 250, soft).iter().map(|piece| piece.to).collect::<Vec<_>>();
        assert_eq!(ends(&[]), [60, 120, 180, 250]);
        assert_eq!(ends(&[50, 67, 80, 170]), [67, 120, 170, 250]);
        assert_eq!(ends(&[45, 104, 135]), [45, 135, 180, 250]);
    }

    #[test]
    fn a_run_is_cut_where_both_pieces_stay_long_enough_wherever_the_line_goes() {
        let rate = Rate { num: 30, den: 1 };
        assert_eq!(pieces(rate, 104, &[60]).len(), 1);
        assert_eq!(
            pieces(rate, 105, &[75]).iter().map(|piece| piece.len()).collect::<Vec<_>>(),
            [75, 30]
        );
    }

    #[test]
    fn a_cue_of_four_seconds_between_edges_in_reach_is_shown_by_no_more_than_itself() {
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
