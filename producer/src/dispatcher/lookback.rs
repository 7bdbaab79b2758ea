//! How far ahead of free slots to queue: as many tasks as ended in the last tenth of a second. Pure; time comes as an argument.
//!
//! Workers that run tasks of a millisecond would starve if only free slots were filled, because a free slot is seen a round trip
//! late. What ended lately is the best guess at what will end during the next round trip.

use std::{collections::VecDeque, time::Duration};

use common::limits::LOOKBACK;

/// What is remembered of one queue.
#[derive(Debug, Default)]
pub struct Lookback {
    /// When (since any fixed moment), and the running total then: one at or before the lookback's start, the rest within.
    samples: VecDeque<(Duration, u64)>,
}

impl Lookback {
    /// The running total of ended attempts, as a dispatch told it at `now`.
    pub fn saw(&mut self, now: Duration, ended: u64) {
        if self.samples.back().is_some_and(|(_, last)| ended < *last) {
            // A worker left and took its count with it: begin anew.
            self.samples.clear();
        }
        self.samples.push_back((now, ended));
        let from = now.saturating_sub(LOOKBACK);
        while self.samples.get(1).is_some_and(|(at, _)| *at <= from) {
            self.samples.pop_front();
        }
    }

    /// How many ended in the last [`LOOKBACK`] before `now`; in proportion where the samples reach further back.
    pub fn ahead(&self, now: Duration) -> u32 {
        let (Some((first, before)), Some((_, newest))) =
            (self.samples.front(), self.samples.back())
        else {
            return 0;
        };
        let span = now.saturating_sub(*first).max(LOOKBACK);
        let ended = (newest - before) as f64 * LOOKBACK.as_secs_f64() / span.as_secs_f64();
        ended.round() as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ahead(samples: &[(u64, u64)], now: u64) -> u32 {
        let mut lookback = Lookback::default();
        samples.iter().for_each(|(at, ended)| lookback.saw(Duration::from_millis(*at), *ended));
        lookback.ahead(Duration::from_millis(now))
    }

    #[test]
    fn what_ended_in_the_last_tenth_of_a_second_may_be_replaced() {
        assert_eq!(ahead(&[], 0), 0);
        assert_eq!(ahead(&[(0, 900)], 10), 0, "the first total says nothing of its pace");
        assert_eq!(ahead(&[(0, 0), (10, 30), (20, 60)], 20), 60);
        assert_eq!(
            ahead(&[(0, 0), (100, 50), (200, 80)], 200),
            30,
            "what ended earlier is forgotten"
        );
    }

    #[test]
    fn samples_from_longer_ago_count_in_proportion() {
        assert_eq!(ahead(&[(0, 0), (250, 500)], 250), 200);
        assert_eq!(ahead(&[(0, 0), (100, 100)], 10_000), 1, "an old burst fades");
    }

    #[test]
    fn a_total_that_shrinks_with_a_worker_that_left_begins_anew() {
        assert_eq!(ahead(&[(0, 1000), (50, 1100), (60, 20), (70, 25)], 70), 5);
    }
}
