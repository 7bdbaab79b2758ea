//! The producer: accepts jobs and dispatches them. A request passes `http`, which parses it, and
//! `submit`, which plans it and stores it in one commit with its neighbours; `dispatcher` queues
//! ready tasks, `read` answers for their state, `sweeper` mends what got stuck.
//!
//! This crate knows ports and pure code only. The binary chooses the adapters.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod backlog;
mod broker_health;
mod changes;
mod controls;
mod dispatcher;
mod http;
mod job_control;
mod metrics;
mod offload;
mod producer;
mod read;
mod settings;
mod submit;
mod sweeper;

pub use http::{
    connections::{ConnectionBounds, serve as serve_connections},
    listen::{ListenRefused, listen},
    openapi,
    shape::cache::CacheReport,
};
pub use metrics::ProducerMetrics;
pub use producer::{Producer, ProducerDependencies};
pub use settings::ProducerSettings;
