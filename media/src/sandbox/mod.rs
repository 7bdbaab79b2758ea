//! The sandbox: one media process for each job that reads bytes from outside.
//!
//! Decoders are large and written in C, and anyone may send a video that attacks them. So the
//! parent never parses media. It starts its own binary again, sends it one job, watches the clock,
//! and trusts only JSON lines and an exit status. The media process confines itself first (see
//! `protocol::Confinement`). Each run ends in exactly one [`ProcessReport`].

mod bounds;
mod confine;
mod inherited;
mod log_tail;
mod process_exit;
mod process_group;
mod run;
mod scratch;
mod spawner;
mod stall;
mod syscalls;

pub use crate::protocol::{Bounds, Confinement, SandboxPolicy};
pub use process_exit::{ProcessExit, ProcessReport};
pub use run::Sandbox;
pub use scratch::{Scratch, private_folder, sweep, user_root};

pub(crate) use confine::confine;
pub(crate) use inherited::close_inherited;
