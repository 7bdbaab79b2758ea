//! Answers as clients see them, as types: camelCase, with the same members in every state, `null`
//! where there is no value yet.

pub mod batch;
pub mod cache;
pub mod check;
pub mod controls;
pub mod dead;
pub mod error;
pub mod job;
pub mod schedule;
pub mod task;
pub mod waiting;
