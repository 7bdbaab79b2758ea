//! The conformance suites: what every adapter of a port must do, run against each adapter. One
//! module for each port.

#![allow(clippy::unwrap_used, missing_docs)]

mod artifacts;
mod broker;
mod cache;
mod faults;
mod proxy;
mod store;
mod view_cache;
