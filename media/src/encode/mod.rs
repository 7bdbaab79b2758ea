//! Encodes composited pictures into files.

pub(crate) mod annexb;
pub(crate) mod frames;
pub(crate) mod recipe;
pub(crate) mod still;
pub(crate) mod verify;
pub(crate) mod writer;

pub use recipe::container;
