//! End-to-end tests: the real binary, real processes, real HTTP.
//!
//! `dev::` needs only the binary. `fleet::` needs the private services of `scripts/test`, and fails
//! with a sentence without them.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod client;
mod dev;
mod dev_process;
mod fleet;
mod how_to;
mod process;
