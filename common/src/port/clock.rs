//! The clock port: the time of day as an argument.

use jiff::Timestamp;

/// A source of the time of day. Leases, schedules and expiry use the store's own clock instead.
pub trait Clock: Send + Sync + 'static {
    /// The current time.
    fn now(&self) -> Timestamp;
}
