//! Counts of the broker's errors in this process, for metrics and tests.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Running totals since the process started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BrokerCounts {
    /// Messages that could not be read. They went to the dead letters.
    pub undecodable: u64,
    /// Task messages that came back because no queue took them.
    pub returned: u64,
    /// Task messages that the broker refused, or did not confirm in time.
    pub unconfirmed: u64,
    /// Times that the consuming connection was closed and built again.
    pub reconnects: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub undecodable: AtomicU64,
    pub returned: AtomicU64,
    pub unconfirmed: AtomicU64,
    pub reconnects: AtomicU64,
}

impl Counters {
    pub fn read(&self) -> BrokerCounts {
        BrokerCounts {
            undecodable: self.undecodable.load(Relaxed),
            returned: self.returned.load(Relaxed),
            unconfirmed: self.unconfirmed.load(Relaxed),
            reconnects: self.reconnects.load(Relaxed),
        }
    }
}

pub(super) fn add(counter: &AtomicU64, count: usize) {
    counter.fetch_add(count as u64, Relaxed);
}
