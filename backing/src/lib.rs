//! The ports' adapters: one production and one embedded for each port of `common`, and nothing that decides.
//!
//! Whoever uses one names the port; only `cli` chooses which. Vendors' words (queues, keys, SQL) stay inside.

pub mod announce;
pub mod artifacts;
pub mod broker;
pub mod cache;
pub mod clock;
pub mod group;
pub mod pools;
pub mod store;
pub mod view_cache;
