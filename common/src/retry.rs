//! Pauses between attempts: exponential with full jitter, up to a ceiling.
//!
//! Full jitter (a uniform draw between zero and the exponential bound) spreads the retries of many
//! tasks that failed together; see Brooker, "Exponential Backoff And Jitter", AWS Architecture
//! Blog, 2015.

use std::time::Duration;

/// The pauses between the attempts of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The upper bound of the first pause.
    pub base: Duration,
    /// The longest pause.
    pub ceiling: Duration,
}

impl RetryPolicy {
    /// One second, doubling, up to five minutes. `echo` has its own (`kinds/echo.rs`); the pauses
    /// within one attempt are the worker's (`providers/guard.rs`).
    pub const DEFAULT: Self =
        Self { base: Duration::from_secs(1), ceiling: Duration::from_secs(300) };

    /// The pause after failed attempt `attempt` (the first is 1). `chance` is uniform in `[0, 1)`.
    /// A `requested` pause (an outside service's `Retry-After`) is the least, but never above the
    /// ceiling.
    pub fn pause(&self, attempt: u16, chance: f64, requested: Option<Duration>) -> Duration {
        let doublings = u32::from(attempt.saturating_sub(1)).min(20);
        let bound = self.base.saturating_mul(1 << doublings).min(self.ceiling);
        let drawn = bound.mul_f64(chance.clamp(0.0, 1.0));
        drawn.max(requested.unwrap_or_default().min(self.ceiling))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RetryPolicy =
        RetryPolicy { base: Duration::from_secs(1), ceiling: Duration::from_secs(60) };

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
    fn a_requested_pause_is_the_least_but_not_above_the_ceiling() {
        assert_eq!(POLICY.pause(1, 0.1, Some(Duration::from_secs(9))), Duration::from_secs(9));
        assert_eq!(POLICY.pause(1, 0.1, Some(Duration::from_secs(900))), Duration::from_secs(60));
    }
}
