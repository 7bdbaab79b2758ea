//! Asks a part that is away only now and then, so that its absence costs one caller a moment and the others nothing.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// How long nobody asks after a fault: short, because a view cache that is back should be used.
const REST: Duration = Duration::from_millis(500);

/// Lets everybody through until a fault; then one caller each [`REST`], until one has found it well.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Closed,
    Open {
        until: Instant,
        why: String,
    },
}

impl Breaker {
    /// Returns whether to ask at `now`; the reason why not.
    pub fn admit(&self, now: Instant) -> Result<(), String> {
        match &mut *self.state.lock() {
            State::Open { until, why } if now < *until => Err(why.clone()),
            State::Open { until, .. } => {
                // The one that goes to see; the next goes only if this one has not come back.
                *until = now + REST;
                Ok(())
            }
            State::Closed => Ok(()),
        }
    }

    /// It answered.
    pub fn well(&self) {
        *self.state.lock() = State::Closed;
    }

    /// It did not.
    pub fn fault(&self, now: Instant, why: String) {
        *self.state.lock() = State::Open { until: now + REST, why };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_fault_one_caller_at_a_time_goes_to_see_until_one_finds_it_well() {
        let (breaker, start) = (Breaker::default(), Instant::now());
        assert_eq!(breaker.admit(start), Ok(()));
        breaker.fault(start, "gone".to_owned());
        assert_eq!(breaker.admit(start), Err("gone".to_owned()));
        let later = start + REST;
        assert_eq!(breaker.admit(later), Ok(()));
        assert_eq!(breaker.admit(later), Err("gone".to_owned()));
        breaker.well();
        assert_eq!(breaker.admit(later), Ok(()));
        assert_eq!(breaker.admit(later), Ok(()));
    }
}
