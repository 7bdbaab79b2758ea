//! A token bucket, which bounds the calls to a provider in a minute. Calls beyond the bound wait in
//! order. A call that stops waiting takes no token.

use std::time::{Duration, Instant};

use tokio::sync::Mutex;

/// A token bucket. It fills at a steady rate and holds a tenth of a minute's calls, at least one.
#[derive(Debug)]
pub(super) struct Bucket {
    level: Mutex<Level>,
}

#[derive(Debug)]
struct Level {
    per_second: f64,
    most: f64,
    tokens: f64,
    since: Instant,
}

impl Bucket {
    /// Creates a full bucket for `calls` a minute.
    pub fn per_minute(calls: u32) -> Self {
        Self { level: Mutex::new(Level::full(calls, Instant::now())) }
    }

    /// Waits for a token and takes it. Callers wait for the lock, which is fair. A caller that is
    /// dropped while it waits has taken nothing.
    pub async fn turn(&self) {
        let mut level = self.level.lock().await;
        tokio::time::sleep(level.wait(Instant::now())).await;
        level.take(Instant::now());
    }
}

impl Level {
    fn full(calls: u32, now: Instant) -> Self {
        let most = (f64::from(calls) / 10.0).max(1.0);
        Self { per_second: f64::from(calls) / 60.0, most, tokens: most, since: now }
    }

    fn at(&self, now: Instant) -> f64 {
        (self.tokens + now.saturating_duration_since(self.since).as_secs_f64() * self.per_second)
            .min(self.most)
    }

    /// Returns the time until there is a token.
    fn wait(&self, now: Instant) -> Duration {
        let tokens = self.at(now);
        if tokens >= 1.0 {
            Duration::ZERO
        } else {
            Duration::from_secs_f64((1.0 - tokens) / self.per_second)
        }
    }

    fn take(&mut self, now: Instant) {
        (self.tokens, self.since) = (self.at(now) - 1.0, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_further_calls_wait() {
        let start = Instant::now();
        let mut level = Level::full(60, start);
        for _ in 0..6 {
            assert_eq!(level.wait(start), Duration::ZERO);
            level.take(start);
        }
        assert_eq!(level.wait(start), Duration::from_secs(1));
        assert_eq!(level.wait(start + Duration::from_secs(2)), Duration::ZERO);
    }

    #[tokio::test]
    async fn a_call_that_stops_waiting_has_taken_nothing() {
        let bucket = Bucket::per_minute(1);
        bucket.turn().await;
        for _ in 0..5 {
            let waited = tokio::time::timeout(Duration::from_millis(10), bucket.turn()).await;
            assert!(waited.is_err());
        }
        let wait = bucket.level.lock().await.wait(Instant::now());
        assert!(wait <= Duration::from_secs(60), "{wait:?}");
    }
}
