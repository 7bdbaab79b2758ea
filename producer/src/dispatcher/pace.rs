//! How long a dispatcher sleeps between two rounds if nothing wakes it. Pure.

use std::time::Duration;

use common::limits::DISPATCH_EVERY;
use jiff::Timestamp;

use super::RoundReport;

/// First pause while a backlog waits for room: short, since short tasks free their slots within
/// milliseconds.
const BACKLOG_FIRST: Duration = Duration::from_millis(2);
/// Longest pause while a backlog waits: an empty slot costs 1 % of a segment's time by then, and 40
/// small queries a second cost little.
const BACKLOG_LAST: Duration = Duration::from_millis(25);
/// Longest pause after errors; it doubles up to this.
const AWAY_LAST: Duration = Duration::from_secs(5);
/// Longest pause after rounds without a confirm; it doubles up to this. Such a round costs the
/// store more than an empty one, and work waits for this pause after the broker's return.
const UNCONFIRMED_LAST: Duration = Duration::from_secs(1);
/// Shortest sleep before a due task, whose due time is by the clock of the store.
const DUE_LEAST: Duration = Duration::from_millis(5);

/// Spacing of a dispatcher's rounds.
#[derive(Debug, Clone, Copy, Default)]
pub struct DispatchPace {
    last: Duration,
}

impl DispatchPace {
    /// Returns the pause after a round that worked. `now` is only compared with the next due time.
    pub fn after(&mut self, report: &RoundReport, now: Timestamp) -> Duration {
        self.last = match (report.more, report.taken) {
            (true, 0) => (self.last * 2).clamp(BACKLOG_FIRST, BACKLOG_LAST),
            (true, _) => BACKLOG_FIRST,
            (false, _) => DISPATCH_EVERY,
        };
        match report.next_due {
            Some(due) => self.last.min(until(due, now).max(DUE_LEAST)),
            None => self.last,
        }
    }

    /// Returns the pause after a round that failed; `chance` is uniform in `[0, 1)` and spreads
    /// several dispatchers.
    pub fn after_error(&mut self, chance: f64) -> Duration {
        self.back_off(AWAY_LAST, chance)
    }

    /// Returns the pause after a round without a confirm, however much waits.
    pub fn after_unconfirmed(&mut self, chance: f64) -> Duration {
        self.back_off(UNCONFIRMED_LAST, chance)
    }

    fn back_off(&mut self, last: Duration, chance: f64) -> Duration {
        self.last = (self.last * 2).clamp(DISPATCH_EVERY, last);
        self.last.mul_f64(0.5 + chance / 2.0)
    }
}

fn until(due: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(due.duration_since(now)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(taken: usize, more: bool) -> RoundReport {
        RoundReport { taken, confirmed: taken, more, next_due: None }
    }

    #[test]
    fn a_backlog_shortens_the_pause_while_it_shrinks() {
        let mut pace = DispatchPace::default();
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(pace.after(&report(0, false), now), DISPATCH_EVERY);
        assert_eq!(pace.after(&report(9, true), now), BACKLOG_FIRST);
        let stuck: Vec<_> = (0..5).map(|_| pace.after(&report(0, true), now).as_millis()).collect();
        assert_eq!(stuck, [4, 8, 16, 25, 25]);
    }

    #[test]
    fn a_task_that_is_due_soon_is_not_missed() {
        let now = Timestamp::UNIX_EPOCH;
        let due = |ms| RoundReport {
            next_due: Some(now + Duration::from_millis(ms)),
            ..report(0, false)
        };
        assert_eq!(DispatchPace::default().after(&due(80), now), Duration::from_millis(80));
        assert_eq!(DispatchPace::default().after(&due(0), now), DUE_LEAST);
        assert_eq!(DispatchPace::default().after(&due(60_000), now), DISPATCH_EVERY);
    }

    #[test]
    fn rounds_without_a_confirm_are_spaced_out_however_much_waits() {
        let mut pace = DispatchPace::default();
        pace.after(&report(500, true), Timestamp::UNIX_EPOCH);
        let pauses: Vec<_> = (0..5).map(|_| pace.after_unconfirmed(1.0).as_millis()).collect();
        assert_eq!(pauses, [250, 500, 1000, 1000, 1000]);
        assert_eq!(
            pace.after(&report(500, true), Timestamp::UNIX_EPOCH),
            BACKLOG_FIRST,
            "confirmed again: at once"
        );
    }

    #[test]
    fn errors_space_the_rounds_out() {
        let mut pace = DispatchPace::default();
        let pauses: Vec<_> = (0..7).map(|_| pace.after_error(1.0).as_millis()).collect();
        assert_eq!(pauses, [250, 500, 1000, 2000, 4000, 5000, 5000]);
    }
}
