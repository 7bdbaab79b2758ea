//! The system's clock: the one place that reads it.

use common::port::clock::Clock;
use jiff::Timestamp;

/// The time of day as this machine has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}
