//! Adapters of the ports in `common`: for each port one for production and one embedded.
//!
//! They decide nothing. Callers use the port's trait; only `cli` chooses the adapter. Words of
//! vendors (exchanges, Redis keys, SQL) stay inside.

pub mod announce;
pub mod artifacts;
pub mod broker;
pub mod cache;
pub mod clock;
pub mod group_commit;
pub mod pools;
pub mod store;
pub mod view_cache;
