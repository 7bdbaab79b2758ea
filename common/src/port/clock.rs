//! The time of day, given as an argument to all that decides by it.

use jiff::Timestamp;

/// Tells the time of day. Leases, schedules and expiry go by the store's own clock, not by this one.
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> Timestamp;
}
