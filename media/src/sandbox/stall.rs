//! Decides when a media process that reports no progress has stalled.
//!
//! Time on the clock says little on a busy machine: a process that waits for a processor makes no
//! progress either. So it is ended when it has had the processor for as long as its job may go
//! without progress, or when it had none at all.

use super::process_exit::ProcessExit;
use std::time::Duration;
use tokio::time::Instant;

/// The least time between two looks at a process that waits for a processor.
const LEAST_WAIT: Duration = Duration::from_millis(100);

/// The kernel counts in hundredths of a second towards programs, on every machine.
const TICKS_PER_SECOND: u64 = 100;

/// The progress of one process, and the processor time that it has had.
pub(super) struct StallWatch {
    process: Option<u32>,
    bound: Duration,
    furthest: Option<u64>,
    /// The processor time at the last progress, and at the last look.
    at_progress: Duration,
    at_look: Duration,
    next_look: Instant,
}

impl StallWatch {
    /// Watches a process that may go without progress for `bound`.
    pub(super) fn new(process: Option<u32>, bound: Duration) -> Self {
        Self {
            process,
            bound,
            furthest: None,
            at_progress: Duration::ZERO,
            at_look: Duration::ZERO,
            next_look: Instant::now() + bound,
        }
    }

    /// When to call [`StallWatch::look`].
    pub(super) fn next_look(&self) -> Instant {
        self.next_look
    }

    /// Takes a report of progress. Only one that is further than all before it counts.
    pub(super) fn progress(&mut self, done: u64) {
        if self.furthest.is_none_or(|furthest| done > furthest) {
            self.furthest = Some(done);
            self.at_progress = self.processor_time().unwrap_or_default();
            self.at_look = self.at_progress;
            self.next_look = Instant::now() + self.bound;
        }
    }

    /// Returns how to end the process; none if it only waits for a processor.
    pub(super) fn look(&mut self) -> Option<ProcessExit> {
        let Some(now) = self.processor_time() else {
            return Some(ProcessExit::Stalled(self.bound));
        };
        let used = now.saturating_sub(self.at_progress);
        if used >= self.bound {
            return Some(ProcessExit::TooCostly(self.bound));
        }
        if now <= self.at_look {
            return Some(ProcessExit::Stalled(self.bound));
        }
        self.at_look = now;
        self.next_look = Instant::now() + (self.bound - used).max(LEAST_WAIT);
        None
    }

    /// Returns the processor time that the process has had so far; none if the system does not say.
    fn processor_time(&self) -> Option<Duration> {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.process?)).ok()?;
        let ticks = processor_ticks(&text)?;
        Some(Duration::from_millis(ticks.saturating_mul(1_000 / TICKS_PER_SECOND)))
    }
}

/// Reads user and system time, in clock ticks, from the line of proc(5). The process's name, in
/// parentheses, may hold spaces.
fn processor_ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    ticks()?.checked_add(ticks()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_read_behind_a_name_with_spaces() {
        let stat = "42 (spool segment) R 1 42 42 0 -1 4194560 100 0 0 0 250 30 0 0 20 0 2 0 9";
        assert_eq!(processor_ticks(stat), Some(280));
        assert_eq!(processor_ticks("42 (spool"), None);
    }

    #[tokio::test]
    async fn a_process_without_processor_time_has_stalled_and_a_busy_one_costs_too_much() {
        let own = Some(std::process::id());
        let begun = StallWatch::new(own, Duration::ZERO).look();
        assert_eq!(begun, Some(ProcessExit::TooCostly(Duration::ZERO)));
        // This process has not used an hour of processor time, and uses some meanwhile.
        let mut patient = StallWatch::new(own, Duration::from_secs(3_600));
        let used = || StallWatch::new(own, Duration::ZERO).processor_time();
        while used() == Some(Duration::ZERO) {
            std::hint::spin_loop();
        }
        assert_eq!(patient.look(), None);
        // Nobody has this number, so nothing is known of its time.
        let unknown = StallWatch::new(Some(u32::MAX), Duration::from_secs(1)).look();
        assert_eq!(unknown, Some(ProcessExit::Stalled(Duration::from_secs(1))));
    }
}
