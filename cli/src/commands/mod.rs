//! A file for each command, or for a few that share their shape.

pub mod bars;
pub mod bench;
pub mod cache;
pub mod check;
pub mod controls;
pub mod dead;
pub mod dev;
pub mod here;
pub mod left;
pub mod migrate;
pub mod probe;
pub mod remote;
pub mod render;
pub mod schedules;
pub mod serve;
pub mod watch;
pub mod work;
