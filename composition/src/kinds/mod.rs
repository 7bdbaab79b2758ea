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

use common::kind::KindSpec;

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
