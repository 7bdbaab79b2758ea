//! Attacks on a running server, from outside: inputs that cost more to read than to send, keys that
//! a parser keeps for itself, connections that say nothing, folders that another user prepared.
//!
//! Other attacks are tried where they can be looked at more closely: damaged media in
//! `media/src/picture/tests/hostile.rs`, the sandbox in `media/src/sandbox`, addresses of sources
//! in `worker/src/fetch`, refused requests in `producer/tests/http/refusals.rs`, text that reaches
//! a terminal in `tests/e2e/dev/commands.rs`.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, dead_code)]

#[path = "../e2e/client.rs"]
mod client;
#[path = "../e2e/dev_process.rs"]
mod dev_process;
#[path = "../e2e/process.rs"]
mod process;

mod bodies;
mod connections;
mod cost;
mod private_keys;
mod scratch;
mod sources;
