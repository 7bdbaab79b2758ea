//! The composition as the caller wrote it: its forms, one to one, before anything is decided.

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
