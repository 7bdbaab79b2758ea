//! Pauses between attempts: exponential with full jitter, up to a ceiling.
//!
//! Full jitter (a uniform draw between zero and the exponential bound) spreads the retries of many
//! tasks that failed together; see Brooker, "Exponential Backoff And Jitter", AWS Architecture
//! Blog, 2015.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The pauses between the attempts of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The upper bound of the first pause.
    pub base: Duration,
    /// The longest pause.
    pub ceiling: Duration,
    /// The part of a pause that is drawn: 100 for full jitter, 0 for none.
    pub jitter_percent: u8,
}

/// The pauses that a job sets for its tasks, in place of those of their kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RetryOverride {
    pub base: Option<Duration>,
    pub ceiling: Option<Duration>,
    pub jitter_percent: Option<u8>,
}

impl RetryPolicy {
    /// One second, doubling, up to five minutes. `echo` has its own (`kinds/echo.rs`); the pauses
    /// within one attempt are the worker's (`providers/guard.rs`).
    pub const DEFAULT: Self = Self::full_jitter(Duration::from_secs(1), Duration::from_secs(300));

    /// A policy whose pauses are drawn whole.
    pub const fn full_jitter(base: Duration, ceiling: Duration) -> Self {
        Self { base, ceiling, jitter_percent: 100 }
    }

    /// The policy of a job of this kind. A base above the kind's ceiling raises that, and a ceiling
    /// below the kind's base lowers that.
    pub fn with(self, job: RetryOverride) -> Self {
        let base = job.base.unwrap_or(self.base);
        let ceiling = job.ceiling.unwrap_or(self.ceiling.max(base));
        let jitter_percent = job.jitter_percent.unwrap_or(self.jitter_percent);
        Self { base: base.min(ceiling), ceiling, jitter_percent }
    }

    /// The pause after failed attempt `attempt` (the first is 1). `chance` is uniform in `[0, 1)`.
    /// A `requested` pause (an outside service's `Retry-After`) is the least, but never above the
    /// ceiling.
    pub fn pause(&self, attempt: u16, chance: f64, requested: Option<Duration>) -> Duration {
        let doublings = u32::from(attempt.saturating_sub(1)).min(20);
        let bound = self.base.saturating_mul(1 << doublings).min(self.ceiling);
        let jitter = f64::from(self.jitter_percent.min(100)) / 100.0;
        let drawn = bound.mul_f64(1.0 - jitter + jitter * chance.clamp(0.0, 1.0));
        drawn.max(requested.unwrap_or_default().min(self.ceiling))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RetryPolicy =
        RetryPolicy::full_jitter(Duration::from_secs(1), Duration::from_secs(60));

    #[test]
    fn the_bound_doubles_up_to_the_ceiling() {
        let at = |attempt| POLICY.pause(attempt, 1.0, None).as_secs();
        assert_eq!([1, 2, 3, 6, 7, 900].map(at), [1, 2, 4, 32, 60, 60]);
    }

    #[test]
    fn chance_scales_the_pause_down_to_zero() {
        assert_eq!(POLICY.pause(3, 0.0, None), Duration::ZERO);
        assert_eq!(POLICY.pause(3, 0.5, None), Duration::from_secs(2));
    }

    #[test]
    fn a_part_of_a_pause_may_be_drawn_or_none() {
        let pause = |jitter_percent, chance| {
            RetryPolicy { jitter_percent, ..POLICY }.pause(3, chance, None).as_millis()
        };
        assert_eq!([pause(0, 0.0), pause(0, 0.9)], [4_000, 4_000]);
        assert_eq!([pause(50, 0.0), pause(50, 0.5), pause(50, 1.0)], [2_000, 3_000, 4_000]);
    }

    #[test]
    fn a_job_replaces_the_pauses_of_its_kind_one_by_one() {
        let seconds = |base: Option<u64>, ceiling: Option<u64>| {
            let (base, ceiling) = (base.map(Duration::from_secs), ceiling.map(Duration::from_secs));
            let policy = POLICY.with(RetryOverride { base, ceiling, jitter_percent: None });
            (policy.base.as_secs(), policy.ceiling.as_secs())
        };
        assert_eq!(seconds(None, None), (1, 60));
        assert_eq!(seconds(Some(5), None), (5, 60));
        assert_eq!(seconds(Some(90), None), (90, 90));
        assert_eq!(seconds(None, Some(0)), (0, 0));
        assert_eq!(seconds(Some(2), Some(900)), (2, 900));
        let exact = RetryOverride { jitter_percent: Some(0), ..RetryOverride::default() };
        assert_eq!(POLICY.with(exact).jitter_percent, 0);
    }

    #[test]
    fn a_requested_pause_is_the_least_but_not_above_the_ceiling() {
        assert_eq!(POLICY.pause(1, 0.1, Some(Duration::from_secs(9))), Duration::from_secs(9));
        assert_eq!(POLICY.pause(1, 0.1, Some(Duration::from_secs(900))), Duration::from_secs(60));
    }
}
