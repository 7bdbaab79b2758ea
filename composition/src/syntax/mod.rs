//! What the caller wrote: the composition's forms, one to one, before anything is decided.
//!
//! The doc comments here are the JSON Schema's descriptions, so they speak to the person who writes
//! a composition.

mod asset;
mod caption;
mod clip;
mod edit;
mod names;
mod sound;
mod text;

pub(crate) use asset::*;
pub(crate) use caption::*;
pub(crate) use clip::*;
pub(crate) use edit::*;
pub(crate) use names::*;
pub(crate) use sound::*;
pub(crate) use text::*;
