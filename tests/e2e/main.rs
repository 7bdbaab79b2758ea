//! Spool as its users meet it: the real binary, real processes, real HTTP.
//!
//! `dev::` needs nothing but the binary. `fleet::` needs the private services of `scripts/test`; without them it fails and says so.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod client;
mod dev;
mod fleet;
mod process;
