//! Tests of the public API: how compositions are resolved and compiled.
#![allow(clippy::unwrap_used)]

mod faults;
mod fixtures;
mod properties;
mod resolve;
mod segments;
mod sound;
mod transitions;
mod writing;
