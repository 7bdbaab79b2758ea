//! The render engine: probes sources, turns the parts of a render plan into files, and joins them.
//!
//! It knows no job, no queue and no network. Bytes from outside are parsed only in a child process (see `child`)
//! that its parent keeps in a `cage`.

mod decode;
mod error;
mod ffi;
pub mod picture;

pub use error::{MediaError, Result};
