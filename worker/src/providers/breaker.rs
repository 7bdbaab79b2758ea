//! The circuit breaker: stops calls to a provider that keeps failing, so that tasks use the next
//! provider or wait at once, and not after a timeout each.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use prometheus::IntGauge;

/// A circuit breaker. It is closed until `failures` calls in a row fail, then open for `pause`,
/// then half open: one call may try.
#[derive(Debug)]
pub(super) struct Breaker {
    failures: u32,
    pause: Duration,
    state: Mutex<State>,
    shown: IntGauge,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Closed { failures: u32 },
    Open { since: Instant },
    HalfOpen { since: Instant },
}

impl Breaker {
    /// Creates a closed breaker that opens after `failures` in a row, for `pause`. `shown` is the
    /// metric of its state.
    pub fn new(failures: u32, pause: Duration, shown: IntGauge) -> Self {
        shown.set(0);
        Self { failures, pause, state: Mutex::new(State::Closed { failures: 0 }), shown }
    }

    /// Returns whether a call may be made now. If not, the error is the time until one may.
    pub fn admit(&self, now: Instant) -> Result<(), Duration> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // A half-open call that never returned is given up after another pause.
        let (State::Open { since } | State::HalfOpen { since }) = *state else { return Ok(()) };
        match self.pause.checked_sub(now.saturating_duration_since(since)) {
            Some(left) if !left.is_zero() => Err(left),
            _ => {
                self.set(&mut state, State::HalfOpen { since: now });
                Ok(())
            }
        }
    }

    /// Records the end of a call, and whether the provider answered it.
    pub fn record(&self, well: bool, now: Instant) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let next = match (*state, well) {
            (_, true) => State::Closed { failures: 0 },
            (State::Closed { failures }, false) if failures + 1 < self.failures => {
                State::Closed { failures: failures + 1 }
            }
            (State::Closed { .. } | State::HalfOpen { .. }, false) => State::Open { since: now },
            (open @ State::Open { .. }, false) => open,
        };
        self.set(&mut state, next);
    }

    fn set(&self, state: &mut State, next: State) {
        *state = next;
        self.shown.set(match next {
            State::Closed { .. } => 0,
            State::HalfOpen { .. } => 1,
            State::Open { .. } => 2,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_after_failures_in_a_row_and_lets_one_call_try() {
        let shown = IntGauge::new("x", "y").expect("a gauge");
        let breaker = Breaker::new(2, Duration::from_secs(10), shown.clone());
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        breaker.record(false, start);
        breaker.record(true, start);
        breaker.record(false, start);
        assert_eq!((breaker.admit(start), shown.get()), (Ok(()), 0));
        breaker.record(false, start);
        assert_eq!((breaker.admit(at(4)), shown.get()), (Err(Duration::from_secs(6)), 2));
        assert_eq!((breaker.admit(at(10)), shown.get()), (Ok(()), 1));
        assert!(breaker.admit(at(11)).is_err(), "only one tries");
        breaker.record(false, at(12));
        assert_eq!(shown.get(), 2);
        assert_eq!(breaker.admit(at(22)), Ok(()));
        breaker.record(true, at(23));
        assert_eq!((breaker.admit(at(23)), shown.get()), (Ok(()), 0));
    }
}
