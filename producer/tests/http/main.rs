//! The HTTP surface on the embedded adapters, called in process.
#![allow(clippy::unwrap_used, missing_docs)]

mod artifacts;
mod batches;
mod caches;
mod controls;
mod dead;
mod doubles;
mod jobs;
mod lists;
mod operation;
mod refusals;
mod schedules;
mod server;
mod serving;
mod surface;
mod waiting;
