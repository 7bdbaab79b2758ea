//! What a composition means and compiles to, seen from outside the crate.
#![allow(clippy::unwrap_used)]

mod faults;
mod given;
mod properties;
mod resolve;
mod segments;
mod sound;
