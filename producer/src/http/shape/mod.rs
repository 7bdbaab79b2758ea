//! What clients see, as types: camelCase, and the same members whatever the state, `null` where there is nothing yet.

pub mod batch;
pub mod cache;
pub mod check;
pub mod controls;
pub mod dead;
pub mod error;
pub mod job;
pub mod schedule;
pub mod task;
