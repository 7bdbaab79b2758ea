//! The store's clock: the clock of this machine, put right when it was set back.
//!
//! A clock that is set back would hold what is due already until the time comes again: ready tasks,
//! pauses, leases, deadlines. So the next write first brings such times forward. A clock that is
//! set forward holds nothing; [`common::rules::suspension`] spares the leases.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use common::{
    limits::{CLOCK_STEP, LEASE},
    port::{PortResult, clock::Clock},
};

use super::{column::millis, transaction::Transaction};

/// A clock, and the latest time that it showed.
pub struct StoreClock {
    clock: Arc<dyn Clock>,
    latest: AtomicI64,
}

impl StoreClock {
    /// Starts with the latest time that the file knows, in milliseconds since the epoch.
    pub fn new(clock: Arc<dyn Clock>, latest: i64) -> Self {
        Self { clock, latest: AtomicI64::new(latest) }
    }

    /// Milliseconds since the epoch.
    pub fn now(&self) -> i64 {
        let now = self.clock.now().as_millisecond();
        self.latest.fetch_max(now, Ordering::Relaxed);
        now
    }

    /// The latest time that the clock showed, if it has been set back since.
    pub fn set_back_from(&self) -> Option<i64> {
        let now = self.now();
        let latest = self.latest.load(Ordering::Relaxed);
        (latest > now + millis(CLOCK_STEP)).then_some(latest)
    }

    /// Forgets the times from before the clock was set back.
    pub fn accept(&self, now: i64) {
        self.latest.store(now, Ordering::Relaxed);
    }
}

/// Brings forward what the clock held when it was set back from `before`: what was due then stays
/// due, pauses and leases keep their length. The time that a caller chose as `runAt` stays.
pub async fn put_right(tx: &mut Transaction, before: i64) -> PortResult<()> {
    let now = tx.now;
    execute!(tx.sql(),
        "UPDATE tasks SET run_at = CASE WHEN run_at <= ?2 THEN ?1 ELSE run_at - (?2 - ?1) END
         WHERE run_at > ?1 AND (run_at <= ?2 OR fence > 0)
             AND state NOT IN ('succeeded', 'failed', 'cancelled')";
        now, before)?;
    execute!(tx.sql(),
        "UPDATE tasks SET lease_until = ?1 WHERE state = 'running' AND lease_until > ?1";
        now + millis(LEASE))?;
    execute!(tx.sql(),
        "UPDATE deadlines SET due_at = ?1 + allowed_ms
         WHERE due_at > ?1 + allowed_ms
             AND (SELECT run_at FROM tasks WHERE tasks.id = deadlines.task) <= ?1";
        now)?;
    execute!(tx.sql(), "UPDATE unique_jobs SET accepted_at = ?1 WHERE accepted_at > ?1"; now)?;
    execute!(tx.sql(), "UPDATE workers SET heartbeat_at = ?1 WHERE heartbeat_at > ?1"; now)?;
    Ok(())
}
