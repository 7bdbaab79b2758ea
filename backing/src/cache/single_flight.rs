//! Single flight: one computation of a key at a time, whose outcome all readers share.
//!
//! The computing reader holds the flight's lock. If its future is dropped, or panics, the lock is
//! released without an outcome, so the next waiter computes: no reader is stranded. moka's own
//! `try_get_with` does much of this, but can't tell a failure that all waiters may share from a
//! computation that was only stopped.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use common::{error::JobError, id::Digest};
use parking_lot::Mutex;
use tokio::sync::{Mutex as AsyncMutex, MutexGuard};

/// The outcome of a computation, given to all waiters.
pub(super) type FlightOutcome = Result<Bytes, JobError>;

/// A flight is locked while its value is computed.
type Flight = AsyncMutex<Option<FlightOutcome>>;

/// The keys that are being computed.
#[derive(Debug, Default)]
pub(super) struct Flights {
    by_key: Mutex<HashMap<Digest, Arc<Flight>>>,
}

/// One reader's part in a flight.
pub(super) struct FlightMember<'a> {
    flights: &'a Flights,
    key: Digest,
    flight: Arc<Flight>,
}

impl Flights {
    /// Joins the flight of `key`, or starts one.
    pub fn join(&self, key: Digest) -> FlightMember<'_> {
        let flight = Arc::clone(self.by_key.lock().entry(key).or_default());
        FlightMember { flights: self, key, flight }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.by_key.lock().len()
    }
}

impl FlightMember<'_> {
    /// Waits for the outcome, or until it is this reader's turn to compute.
    pub async fn lock(&self) -> FlightLock<'_> {
        FlightLock { member: self, outcome: self.flight.lock().await }
    }

    /// Removes the flight if this is its last member, or at once when it has an outcome.
    fn leave(&self, has_outcome: bool) {
        let mut by_key = self.flights.by_key.lock();
        let is_current =
            by_key.get(&self.key).is_some_and(|flight| Arc::ptr_eq(flight, &self.flight));
        // Two references are the map's and this member's.
        let is_last = Arc::strong_count(&self.flight) <= 2;
        if is_current && (has_outcome || is_last) {
            by_key.remove(&self.key);
        }
    }
}

impl Drop for FlightMember<'_> {
    fn drop(&mut self) {
        self.leave(false);
    }
}

/// The right to compute a key, unless its outcome is there.
pub(super) struct FlightLock<'a> {
    member: &'a FlightMember<'a>,
    outcome: MutexGuard<'a, Option<FlightOutcome>>,
}

impl FlightLock<'_> {
    /// The outcome, if another reader has computed it.
    pub fn outcome(&self) -> Option<FlightOutcome> {
        self.outcome.clone()
    }

    /// Gives the outcome to all waiters. Later readers start a new flight.
    pub fn finish(mut self, outcome: FlightOutcome) {
        *self.outcome = Some(outcome);
        self.member.leave(true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn finished_and_abandoned_flights_are_removed() {
        let flights = Flights::default();
        let key = Digest::of(b"key");
        let (first, second) = (flights.join(key), flights.join(key));
        drop(first.lock().await);
        drop(first);
        assert_eq!(flights.len(), 1, "the second reader still waits");
        second.lock().await.finish(Ok(Bytes::new()));
        assert_eq!(flights.len(), 0);
        let newcomer = flights.join(key);
        assert_eq!(newcomer.lock().await.outcome(), None);
        drop(second);
        assert_eq!(flights.len(), 1, "a member of the old flight does not end the new one");
        drop(newcomer);
        assert_eq!(flights.len(), 0);
    }
}
