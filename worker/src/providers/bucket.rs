//! A token bucket: how many calls a minute a provider is asked for at most. What is over waits.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Fills at a steady rate, and holds a tenth of a minute's calls, at least one.
#[derive(Debug)]
pub(super) struct Bucket {
    per_second: f64,
    most: f64,
    state: Mutex<(f64, Instant)>,
}

impl Bucket {
    /// For so many calls a minute.
    pub fn per_minute(calls: u32, now: Instant) -> Self {
        let most = (f64::from(calls) / 10.0).max(1.0);
        Self { per_second: f64::from(calls) / 60.0, most, state: Mutex::new((most, now)) }
    }

    /// Takes one, and says how long to wait before using it: tokens may be taken ahead of time, so that who waits waits in turn.
    pub fn take(&self, now: Instant) -> Duration {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (left, since) = *state;
        let filled = (left + now.saturating_duration_since(since).as_secs_f64() * self.per_second).min(self.most);
        *state = (filled - 1.0, now);
        if filled >= 1.0 { Duration::ZERO } else { Duration::from_secs_f64((1.0 - filled) / self.per_second) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_waits_in_turn() {
        let start = Instant::now();
        let bucket = Bucket::per_minute(60, start);
        let burst = (0..6).filter(|_| bucket.take(start).is_zero()).count();
        assert_eq!(burst, 6);
        assert_eq!([bucket.take(start), bucket.take(start)].map(|wait| wait.as_secs_f64().round()), [1.0, 2.0]);
        assert_eq!(bucket.take(start + Duration::from_secs(3)), Duration::ZERO);
    }
}
