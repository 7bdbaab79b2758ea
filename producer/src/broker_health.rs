//! The state of the broker as this process sees it: waiting jobs name it where no task message gets
//! through.

use std::sync::Arc;

use common::port::{PortResult, clock::Clock};
use jiff::Timestamp;
use parking_lot::Mutex;

/// The failures of the broker, from checks and from the messages that this process published.
pub struct BrokerHealth {
    clock: Arc<dyn Clock>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    failed_check: Option<BrokerAway>,
    unconfirmed: Option<BrokerAway>,
}

/// Since when no task message gets through, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerAway {
    pub since: Timestamp,
    pub detail: String,
}

impl BrokerHealth {
    /// Builds one that knows of no failure.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, seen: Mutex::default() }
    }

    /// Notes the result of a check.
    pub fn checked(&self, result: &PortResult<()>) {
        let detail = result.as_ref().err().map(ToString::to_string);
        self.note(&mut self.seen.lock().failed_check, detail);
    }

    /// Notes whether published messages were confirmed. Returns whether that is a change.
    pub fn published(&self, confirmed: bool) -> bool {
        let detail = (!confirmed).then(|| "it did not confirm the last task messages".to_owned());
        self.note(&mut self.seen.lock().unconfirmed, detail)
    }

    /// Returns the failure that began first; `None` if messages get through.
    pub fn away(&self) -> Option<BrokerAway> {
        let seen = self.seen.lock();
        let failures = [&seen.failed_check, &seen.unconfirmed];
        failures.into_iter().flatten().min_by_key(|away| away.since).cloned()
    }

    /// A failure that goes on keeps the time at which it began.
    fn note(&self, slot: &mut Option<BrokerAway>, detail: Option<String>) -> bool {
        let changes = slot.is_some() != detail.is_some();
        *slot = detail.map(|detail| BrokerAway {
            since: slot.as_ref().map_or_else(|| self.clock.now(), |away| away.since),
            detail,
        });
        changes
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use common::port::PortError;

    use super::*;

    /// A clock that goes on by a second each time it is read.
    #[derive(Default)]
    struct CountingClock(AtomicI64);

    impl Clock for CountingClock {
        fn now(&self) -> Timestamp {
            let second = self.0.fetch_add(1, Ordering::Relaxed);
            Timestamp::from_second(second).expect("a time")
        }
    }

    #[test]
    fn the_broker_is_away_from_the_first_failure_until_the_last_one_is_over() {
        let health = BrokerHealth::new(Arc::new(CountingClock::default()));
        let since = || health.away().map(|away| away.since.as_second());
        let refused = || Err(PortError::unavailable("RabbitMQ", "connection refused"));
        assert_eq!(since(), None);
        assert!(health.published(false));
        health.checked(&refused());
        assert!(!health.published(false), "it is known already");
        assert_eq!(since(), Some(0));
        assert!(health.published(true));
        assert_eq!(since(), Some(1), "the check still fails");
        assert!(health.away().is_some_and(|away| away.detail.contains("connection refused")));
        health.checked(&Ok(()));
        assert_eq!(since(), None);
    }
}
