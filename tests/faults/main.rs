//! Fault tests on real servers: PostgreSQL, RabbitMQ, Redis and `spool` processes are broken in an
//! order that a seed decides, and no job may be lost or settled twice.
//!
//! `storm` is the whole of it: some thousand jobs, a schedule of faults, and a verification at the
//! end. `audit` watches the store by triggers of the test's own. `known_bad` removes mechanisms and
//! shows that the verification finds it. `mixed` runs programs of different age side by side.
//!
//! The tests kill the servers that `scripts/services` names in the environment. `scripts/test`
//! gives each test the machine to itself, and `scripts/faults` runs `storm` for any length of time.

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
