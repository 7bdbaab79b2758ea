//! One file for each command, or for a few of the same shape.

pub mod batch;
pub mod bench;
pub mod cache;
pub mod check;
pub mod controls;
pub mod dead;
pub mod dev;
pub mod get;
pub mod job_list;
pub mod jobs;
pub mod leftovers;
pub mod local;
pub mod migrate;
pub mod probe;
pub mod progress;
pub mod render;
pub mod schedules;
pub mod schema;
pub mod serve;
pub mod summary;
pub mod watch;
pub mod work;
