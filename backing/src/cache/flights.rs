//! One computation of a cold key at a time: whoever comes first computes, the others wait for what comes of it.
//!
//! The one who computes holds the flight's lock. If its future is dropped in the middle, or panics, the lock is free and no outcome is
//! there, so the next in line computes: nobody is stranded. moka's own `try_get_with` does much of this, and can't tell a failure that
//! all may hear of from a computation that was only told to stop.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use common::{error::JobError, id::Digest};
use parking_lot::Mutex;
use tokio::sync::{Mutex as Turns, MutexGuard};

/// What all who waited are given.
pub(super) type Outcome = Result<Bytes, JobError>;

type Flight = Turns<Option<Outcome>>;

/// The keys that are being computed.
#[derive(Debug, Default)]
pub(super) struct Flights {
    under_way: Mutex<HashMap<Digest, Arc<Flight>>>,
}

/// A place among those who want a key.
pub(super) struct Seat<'a> {
    flights: &'a Flights,
    key: Digest,
    flight: Arc<Flight>,
}

impl Flights {
    /// Joins those who want `key`.
    pub fn join(&self, key: Digest) -> Seat<'_> {
        let flight = Arc::clone(self.under_way.lock().entry(key).or_default());
        Seat { flights: self, key, flight }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.under_way.lock().len()
    }
}

impl Seat<'_> {
    /// Waits for the outcome, or until it is one's own turn to compute.
    pub async fn turn(&self) -> Turn<'_> {
        Turn { seat: self, outcome: self.flight.lock().await }
    }

    fn leave(&self, anyway: bool) {
        let mut under_way = self.flights.under_way.lock();
        let is_ours =
            under_way.get(&self.key).is_some_and(|flight| Arc::ptr_eq(flight, &self.flight));
        // The map's own and ours.
        if is_ours && (anyway || Arc::strong_count(&self.flight) <= 2) {
            under_way.remove(&self.key);
        }
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.leave(false);
    }
}

/// Whoever has it computes, unless the outcome is there.
pub(super) struct Turn<'a> {
    seat: &'a Seat<'a>,
    outcome: MutexGuard<'a, Option<Outcome>>,
}

impl Turn<'_> {
    /// What another computed meanwhile.
    pub fn outcome(&self) -> Option<Outcome> {
        self.outcome.clone()
    }

    /// Gives the outcome to all who wait. Who comes from now on starts anew.
    pub fn end(mut self, outcome: Outcome) {
        *self.outcome = Some(outcome);
        self.seat.leave(true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_is_left_of_flights_that_ended_or_were_left() {
        let flights = Flights::default();
        let key = Digest::of(b"key");
        let (first, second) = (flights.join(key), flights.join(key));
        drop(first.turn().await);
        drop(first);
        assert_eq!(flights.len(), 1, "one still wants it");
        second.turn().await.end(Ok(Bytes::new()));
        assert_eq!(flights.len(), 0);
        let newcomer = flights.join(key);
        assert_eq!(newcomer.turn().await.outcome(), None);
        drop(second);
        assert_eq!(flights.len(), 1, "the newcomer's flight is not the old one's to end");
        drop(newcomer);
        assert_eq!(flights.len(), 0);
    }
}
