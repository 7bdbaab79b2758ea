//! The render engine: probes sources, renders the parts of a render plan into files, and joins
//! them.
//!
//! It knows no queue and no network. Bytes from outside are parsed only in a [`media_process`],
//! which runs in a [`sandbox`].

pub mod assemble;
mod decode;
pub mod encode;
mod error;
mod ffi;
mod file_size;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod media_process;
pub mod picture;
pub mod probe;
pub mod protocol;
pub mod sandbox;
pub mod sound;
pub mod speech;
pub mod text;

pub use error::{MediaError, Result};
