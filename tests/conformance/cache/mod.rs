//! The caches over each view cache; what happens to them when Redis goes; the folder on disk.

mod clearing;
pub mod disk;
mod faults;
mod fixture;
mod flights;
mod levels;
