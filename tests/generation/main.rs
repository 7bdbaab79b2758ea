//! Generation end to end: the real binary, a provider over real HTTP that misbehaves on demand, and
//! no provider at all.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, dead_code)]

#[path = "../e2e/client.rs"]
mod client;
#[path = "../e2e/process.rs"]
mod process;

mod caching;
mod connection_pools;
mod dev_server;
mod faults;
mod fleet;
mod offline;
mod provider_answers;
mod recordings;
mod server;
mod settings;
