//! The adapters of the Store. Both behave the same, each in its own SQL; `tests/conformance/store`
//! holds them to it.

#[cfg(test)]
mod bounds;
pub mod migrate;
pub mod postgres;
pub mod reason;
pub mod sqlite;
