//! What Spool decides and never does: words, shapes and rules that every part shares.
//!
//! Nothing here touches a network, a disk, a clock or a thread. The adapters behind the ports live in
//! `backing`; the parts that act live in `producer` and `worker`.

pub mod defaults;
pub mod error;
pub mod fault;
pub mod id;
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
