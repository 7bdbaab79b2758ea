//! The Store's adapters. Both do the same, each in its own SQL; `tests/conformance/store` says what.

pub mod migrate;
pub mod postgres;
pub mod reason;
pub mod sqlite;
