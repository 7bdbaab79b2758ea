//! From composited pictures to packets in a file.

pub(crate) mod annexb;
pub(crate) mod frames;
pub(crate) mod recipe;
pub(crate) mod still;
pub(crate) mod verify;
pub(crate) mod writer;

pub use recipe::container;
