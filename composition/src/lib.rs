//! Video compositions: from the JSON that a caller wrote to the plan that the render engine carries
//! out.
//!
//! This crate is pure: it reads no file, asks no clock and links no media library. Facts about the
//! world (how long a clip is, how large a picture) come in as arguments; the work to do goes out as
//! a [`plan::RenderPlan`]. A plan is therefore a function of its input alone, and equal plans share
//! their results.
//!
//! A document is parsed, its sources are fetched and probed, and it is compiled:
//!
//! ```
//! use std::collections::BTreeMap;
//!
//! let document = serde_json::json!({
//!     "timeline": {
//!         "background": "#102030",
//!         "tracks": [{ "clips": [
//!             { "asset": { "type": "text", "text": "Hello" }, "start": 0, "length": 5 },
//!         ] }],
//!     },
//!     "output": { "resolution": "hd", "fps": 30 },
//! });
//! let composition = composition::parse(&document).expect("a valid composition");
//! assert!(composition::sources(&composition).is_empty(), "text needs no source");
//! let plan = composition::compile(&composition, &BTreeMap::new()).expect("a plan");
//! assert_eq!((plan.assemble.width, plan.assemble.height), (1280, 720));
//! assert_eq!(plan.assemble.frames, 150);
//! assert_eq!(plan.segments.len(), 2);
//! ```

mod check;
mod compile;
mod composition;
mod document;
pub mod kinds;
mod limits;
mod mandatory_breaks;
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
pub use sources::{Origin, Source, SourceKey, TakenFor, sources};
