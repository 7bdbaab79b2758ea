//! A circuit breaker: while Redis is away, one caller at a time tries it and the others fail at
//! once.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Time without queries after a failure: short, because a view cache that is back should be used.
const OPEN_FOR: Duration = Duration::from_millis(500);

/// Admits all callers until a failure; then one for each [`OPEN_FOR`], until one succeeds.
#[derive(Debug, Default)]
pub(super) struct RedisBreaker {
    state: Mutex<BreakerState>,
}

#[derive(Debug, Default)]
enum BreakerState {
    #[default]
    Closed,
    Open {
        until: Instant,
        reason: String,
    },
}

impl RedisBreaker {
    /// Admits a query at `now`, or returns the reason of the last failure.
    pub fn admit(&self, now: Instant) -> Result<(), String> {
        match &mut *self.state.lock() {
            BreakerState::Open { until, reason } if now < *until => Err(reason.clone()),
            BreakerState::Open { until, .. } => {
                // Admits this query, and the next one only if this one has not ended by then.
                *until = now + OPEN_FOR;
                Ok(())
            }
            BreakerState::Closed => Ok(()),
        }
    }

    /// Records an answer.
    pub fn close(&self) {
        *self.state.lock() = BreakerState::Closed;
    }

    /// Records a failure.
    pub fn open(&self, now: Instant, reason: String) {
        *self.state.lock() = BreakerState::Open { until: now + OPEN_FOR, reason };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_failure_one_caller_at_a_time_is_admitted_until_one_succeeds() {
        let (breaker, start) = (RedisBreaker::default(), Instant::now());
        assert_eq!(breaker.admit(start), Ok(()));
        breaker.open(start, "gone".to_owned());
        assert_eq!(breaker.admit(start), Err("gone".to_owned()));
        let later = start + OPEN_FOR;
        assert_eq!(breaker.admit(later), Ok(()));
        assert_eq!(breaker.admit(later), Err("gone".to_owned()));
        breaker.close();
        assert_eq!(breaker.admit(later), Ok(()));
        assert_eq!(breaker.admit(later), Ok(()));
    }
}
