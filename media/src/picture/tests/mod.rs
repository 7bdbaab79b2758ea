//! Tests of the whole picture half: from files made by code to composited frames and encoded
//! segments.
#![allow(clippy::unwrap_used)]

mod clips;
mod colour;
mod compiled;
mod finished;
mod gallery;
mod golden;
mod hostile;
mod reading;
mod scenes;
pub(crate) mod segments;
mod sources;
mod stills;
mod streams;
mod sync;
mod unusual;
