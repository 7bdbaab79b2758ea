//! The kinds whose input is video: what a `render` job is planned into.
//!
//! ```text
//! source, speech … ─▶ render (compiles, then grows) ─▶ segment … ∥ sound ─▶ assemble
//! ```
//!
//! A `still` and a `thumbnail` go the same way for one frame, and a `check` stops before anything grows.
//!
//! A `video` is written, spoken and painted first, and then goes the same way.
//!
//! How each runs is the worker's business; what it takes, what it answers and when answers are shared is said here, a file each.

pub mod assemble;
pub mod check;
pub mod render;
pub mod segment;
pub mod sound;
pub mod still;
pub mod thumbnail;
pub mod video;

use std::time::Duration;

use common::{
    kind::{GrowFn, KindSpec, PlanFn},
    queue::Queue,
    retry::RetryPolicy,
};

/// All of them.
pub const ALL: &[KindSpec] = &[
    render::SPEC,
    segment::SPEC,
    sound::SPEC,
    assemble::SPEC,
    still::SPEC,
    thumbnail::SPEC,
    check::SPEC,
    video::SPEC,
    video::compose::SPEC,
    video::result::SPEC,
];

/// A kind that decides what is to be done and does none of it: quick, and never remembered, as what it adds is, task by task. `plan` is
/// there for kinds that a client may ask for.
const fn deciding(
    name: &'static str,
    version: u32,
    plan: Option<PlanFn>,
    grow: Option<GrowFn>,
) -> KindSpec {
    KindSpec {
        name,
        version,
        queue: Queue::Light,
        timeout: Duration::from_secs(120),
        max_attempts: 3,
        retry: RetryPolicy::DEFAULT,
        provider: None,
        memo: false,
        plan,
        grow,
    }
}
