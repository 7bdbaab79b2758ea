//! Never lost, never twice, on the real parts: PostgreSQL, RabbitMQ, Redis, and `spool` processes, while everything that can break is
//! broken in an order that a seed decides.
//!
//! `storm` is the whole of it: some thousand jobs, a schedule of faults, and a reckoning at the end. `audit` watches the store from
//! inside, by triggers of the test's own. `known_bad` takes mechanisms out and shows that the reckoning sees it. `mixed` has
//! programs of different age work side by side.
//!
//! All of it works on the servers that `scripts/services` names in the environment, and kills them: `scripts/test` gives each of these
//! tests the machine to itself, and `scripts/faults` runs `storm` for as long as one likes.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod audit;
#[path = "../conformance/store/builders.rs"]
#[allow(dead_code, reason = "the suite of the Store uses the rest")]
mod builders;
mod environment;
mod fleet;
mod fleet_process;
mod inject;
mod known_bad;
mod load;
mod mixed;
#[path = "../conformance/proxy.rs"]
#[allow(dead_code, reason = "the suite of the adapters uses the rest")]
mod proxy;
mod schedule;
mod storm;
mod verification;
