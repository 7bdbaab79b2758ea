//! Suspensions of the process (a closed laptop lid, `SIGSTOP`), during which embedded workers could
//! not send heartbeats either.

use std::time::Duration;

use crate::limits::{LEASE, SWEEP_EVERY};

/// Notices a suspension by a gap between sweeps. After one, no lease is expired for the length of a
/// lease.
#[derive(Debug, Default)]
pub struct SuspensionGuard {
    last: Option<i64>,
    spare_until: Option<i64>,
}

impl SuspensionGuard {
    /// Returns whether leases may be expired at `now`, in milliseconds since the epoch.
    pub fn is_awake(&mut self, now: i64) -> bool {
        let gap = millis(LEASE / 2 + SWEEP_EVERY);
        if self.last.is_some_and(|last| now - last > gap) {
            self.spare_until = Some(now + millis(LEASE));
        }
        self.last = Some(now);
        self.spare_until.is_none_or(|end| now >= end)
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_gap_no_lease_is_expired_for_the_length_of_a_lease() {
        let mut guard = SuspensionGuard::default();
        let awake = [0, 1_000, 60_000, 65_000, 69_999, 70_000].map(|now| guard.is_awake(now));
        assert_eq!(awake, [true, true, false, false, false, true]);
    }
}
