//! The kinds whose input is a composition, and the kinds of task that make a video.
//!
//! ```text
//! source, speech … ─▶ render (compiles, then grows) ─▶ segment … ∥ sound ─▶ assemble
//! ```
//!
//! A `still` and a `thumbnail` are planned in the same way for one frame. A `check` stops before
//! anything grows. A `video` gets its script, speech and pictures first.
//!
//! A file has the input, the output and the plan of one kind. How a kind runs is in
//! `worker/src/kinds`.

pub mod assemble;
pub mod check;
pub mod estimate;
pub mod render;
pub mod segment;
pub mod sound;
pub mod still;
pub mod thumbnail;
pub mod video;

use std::time::Duration;

use common::{
    kind::{GrowFn, KindSpec, PlanFn, SchemaFn},
    queue::Queue,
    retry::RetryPolicy,
};
use serde_json::Value;

use crate::{
    Composition,
    document::{Definitions, DocumentReader, Form},
    parse, syntax,
};

/// All kinds of this crate.
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

/// A kind that only decides which tasks to add. It is quick and not memoised; the tasks that it
/// adds are. Kinds of job have a `plan` and a `schema`.
const fn deciding(
    name: &'static str,
    version: u32,
    plan: Option<PlanFn>,
    schema: Option<SchemaFn>,
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
        schema,
        grow,
    }
}

/// A composition as a member of an input.
impl Form for Composition {
    fn read(value: &Value, reader: &mut DocumentReader) -> Option<Self> {
        match parse(value) {
            Ok(composition) => Some(composition),
            Err(faults) => {
                faults.into_iter().for_each(|fault| reader.add(fault));
                None
            }
        }
    }

    fn schema(definitions: &mut Definitions) -> Value {
        syntax::Edit::schema(definitions)
    }

    fn expected() -> String {
        "a composition".to_owned()
    }
}
