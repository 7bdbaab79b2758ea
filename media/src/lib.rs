//! The render engine: probes sources, turns the parts of a render plan into files, and joins them.
//!
//! It knows no job, no queue and no network. Bytes from outside are parsed only in a child process (see [`child`])
//! that its parent keeps in a [`cage`].

pub mod assemble;
pub mod cage;
pub mod child;
mod decode;
pub mod encode;
mod error;
mod ffi;
#[doc(hidden)]
pub mod fuzzing;
pub mod picture;
pub mod probe;
pub mod sound;
pub mod speech;
pub mod text;

pub use error::{MediaError, Result};
