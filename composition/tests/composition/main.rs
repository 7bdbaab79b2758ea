//! What a composition means and compiles to, seen from outside the crate.
#![allow(clippy::unwrap_used)]

mod faults;
mod given;
mod meaning;
mod properties;
mod segments;
mod sound;
