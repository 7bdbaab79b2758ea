//! What a video is: from the JSON a caller wrote to the plan that the engine carries out.
//!
//! This crate decides and never does: it reads no file, asks no clock, and links no media library. What it needs to
//! know of the world (how long a clip is, how large a picture) comes in as facts; what it wants done goes out as a
//! [`plan::RenderPlan`]. So a plan is a function of its input alone, and equal plans can share their results.

mod check;
mod compile;
mod composition;
mod document;
pub mod kinds;
mod limits;
mod merge;
pub mod plan;
mod resolve;
mod schema;
mod sources;
pub mod subtitles;
mod syntax;

pub use check::{SegmentSummary, Summary, check, summary};
pub use compile::compile;
pub use composition::Composition;
pub use resolve::parse;
pub use schema::schema;
pub use sources::{Origin, Slot, Source, TakenFor, sources};
