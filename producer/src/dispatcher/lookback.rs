//! The number of tasks to queue ahead of free slots: as many as ended in the last 100 ms. Pure;
//! time is an argument.
//!
//! A freed slot is seen one round trip late, so workers with tasks of a millisecond would starve if
//! only free slots were filled. The number that just ended is the best estimate of how many end
//! during the next round trip.

use std::{collections::VecDeque, time::Duration};

use common::limits::LOOKBACK;

/// Samples of one queue.
#[derive(Debug, Default)]
pub struct Lookback {
    /// Time since a fixed moment with the running total at it. At most one sample is older than the
    /// lookback.
    samples: VecDeque<(Duration, u64)>,
}

impl Lookback {
    /// Adds a sample: `ended` attempts in all at `now`.
    pub fn sample(&mut self, now: Duration, ended: u64) {
        if self.samples.back().is_some_and(|(_, last)| ended < *last) {
            // A worker left and took its count with it, so the samples start again.
            self.samples.clear();
        }
        self.samples.push_back((now, ended));
        let from = now.saturating_sub(LOOKBACK);
        while self.samples.get(1).is_some_and(|(at, _)| *at <= from) {
            self.samples.pop_front();
        }
    }

    /// Returns how many ended in the last [`LOOKBACK`] before `now`, in proportion where the
    /// samples reach further back.
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
        samples.iter().for_each(|(at, ended)| lookback.sample(Duration::from_millis(*at), *ended));
        lookback.ahead(Duration::from_millis(now))
    }

    #[test]
    fn attempts_that_ended_in_the_last_tenth_of_a_second_are_replaced() {
        assert_eq!(ahead(&[], 0), 0);
        assert_eq!(ahead(&[(0, 900)], 10), 0, "one total gives no rate");
        assert_eq!(ahead(&[(0, 0), (10, 30), (20, 60)], 20), 60);
        assert_eq!(ahead(&[(0, 0), (100, 50), (200, 80)], 200), 30, "earlier ends are forgotten");
    }

    #[test]
    fn samples_from_longer_ago_count_in_proportion() {
        assert_eq!(ahead(&[(0, 0), (250, 500)], 250), 200);
        assert_eq!(ahead(&[(0, 0), (100, 100)], 10_000), 1, "an old burst fades");
    }

    #[test]
    fn a_total_that_shrinks_with_a_worker_that_left_starts_again() {
        assert_eq!(ahead(&[(0, 1000), (50, 1100), (60, 20), (70, 25)], 70), 5);
    }
}
