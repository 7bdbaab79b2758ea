//! The cage: one child process for each piece of work that looks at bytes from outside.
//!
//! Decoders are large and written in C, and a video is a program for them that anybody may send. So the parent never
//! parses media: it starts its own binary anew, tells it one job, watches the clock, and believes nothing but a line of
//! JSON and an exit status. The child locks itself in first (see [`Seal`]). Whatever happens to it, exactly
//! one [`Ended`] comes of it.

mod bounds;
mod ending;
mod run;
mod scratch;
mod seal;
mod spawner;
mod syscalls;
mod tail;

pub use bounds::Bounds;
pub use ending::{Ended, Ending};
pub use run::Cage;
pub use scratch::{Scratch, sweep};
pub use seal::Seal;

pub(crate) use seal::seal;
