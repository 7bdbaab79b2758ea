//! The caches over each view cache, while Redis is away, and the cache on disk.

mod clearing;
pub mod disk;
mod faults;
mod fixture;
mod levels;
mod single_flight;
