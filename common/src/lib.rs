//! Spool's vocabulary, shapes and rules, shared by all members.
//!
//! It decides and does nothing itself: no network, disk, clock or thread. The adapters of the ports
//! are in `backing`; the parts that act are in `producer` and `worker`.

pub mod bounds;
mod cron;
pub mod defaults;
pub mod document;
pub mod error;
pub mod fault;
pub mod id;
pub mod json;
pub mod key;
pub mod kind;
pub mod kinds;
pub mod language;
pub mod limits;
pub mod outcome;
pub mod plan;
pub mod port;
pub mod provenance;
pub mod queue;
pub mod retry;
pub mod rules;
pub mod schedule;
pub mod store;
pub mod submission;
pub mod trace;
pub mod view;
