//! The caches over each view cache; what happens to them when Redis goes; the folder on disk.

mod clearing;
pub mod disk;
mod faults;
mod flights;
mod levels;
mod subject;
