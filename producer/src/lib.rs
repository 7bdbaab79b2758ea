//! Accepts and announces. The way of a request: `http` reads it, `submit` says what it means and hands it to the store in one
//! commit with its neighbours, `dispatcher` dispatches for what is ready, `read` tells how it goes; `sweeper` looks after what got stuck.
//!
//! Only ports and pure code are known here. Whoever stands behind the ports is chosen in the binary's `main`.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod backlog;
mod change;
mod changes;
mod controls;
mod dispatcher;
mod http;
mod metrics;
mod producer;
mod read;
mod submit;
mod sweeper;

pub use http::{
    listen::{ListenRefused, listen},
    openapi,
    shape::cache::CacheReport,
};
pub use metrics::Metrics;
pub use producer::{Parts, Producer, Settings};
