//! The one reader of callers' JSON: reports every fault of a document, each with its pointer.
//!
//! serde stops at the first fault, and a caller would mend a document one call at a time. So a
//! document is declared with [`object!`], [`choice!`] and [`union!`](crate::union), which give its
//! type, its reader and its JSON Schema at once. Reading goes on past a bad member: the members
//! after it are read and held to their bounds, too.
//!
//! ```
//! use common::document::{self, NumberBounds, TextBounds, object};
//! use serde_json::json;
//!
//! const TITLE: TextBounds = TextBounds::characters(80);
//! const SECONDS: NumberBounds = NumberBounds::new(5, 600, " seconds");
//!
//! object! {
//!     /// Input of a kind `trailer`.
//!     pub struct TrailerInput {
//!         /// Title on the first frame.
//!         title: String = "title" within TITLE,
//!         /// Length of the trailer.
//!         duration: u32 = "duration" within SECONDS default 30,
//!         /// Name of a voice; silent without one.
//!         voice: Option<String> = "voice",
//!     }
//! }
//!
//! let trailer: TrailerInput = document::read(&json!({"title": "Tides"})).expect("no faults");
//! assert_eq!((trailer.duration, trailer.voice), (30, None));
//!
//! let input = json!({"title": " ", "duration": 3, "voices": "en"});
//! let faults = document::read::<TrailerInput>(&input).expect_err("three faults");
//! let said: Vec<String> =
//!     faults.iter().map(|fault| format!("{} {}", fault.pointer, fault.detail)).collect();
//! assert_eq!(said, [
//!     "/voices is not known here: did you mean `voice`?",
//!     "/title is empty: write something",
//!     "/duration is 3: give a whole number from 5 to 600 seconds",
//! ]);
//! ```
//!
//! Size and depth of a document are bounded before it gets here: a body by
//! [`MAX_BODY_BYTES`](crate::limits::MAX_BODY_BYTES), a job's input by
//! [`MAX_INPUT_BYTES`](crate::limits::MAX_INPUT_BYTES), and nesting and memory by
//! [`json`](crate::json). A reader lists at most [`MAX_FAULTS`](crate::limits::MAX_FAULTS) faults
//! and quotes the first 40 characters of a value.

mod bounds;
mod forms;
mod object;
mod reader;
mod schema;

pub use bounds::{Bounded, ListBounds, NumberBounds, TextBounds, Unsupported};
pub use forms::{Untouched, read_choice};
pub use object::{Member, read_member, write_default, wrong_type};
pub use reader::{DocumentReader, Form, brief, crop, list, nearest};
pub use schema::{Definitions, described, schema};

pub use crate::{choice, object, union};
#[doc(hidden)]
pub use serde_json;

use crate::fault::Fault;
use serde_json::Value;

/// Reads a whole document. The error lists every fault.
pub fn read<F: Form>(document: &Value) -> Result<F, Vec<Fault>> {
    let mut reader = DocumentReader::default();
    let form = F::read(document, &mut reader);
    reader.finish(form)
}

/// Reads one member by itself, for a rule that holds even if the rest of the document is at fault.
/// Returns none where the member is left out or cannot be read.
pub fn member<F: Form>(document: &Value, name: &str) -> Option<F> {
    let value = document.get(name).filter(|value| !value.is_null())?;
    F::read(value, &mut DocumentReader::default())
}

/// Returns whether a document has a member, at fault or not. Null counts as left out.
pub fn has_member(document: &Value, name: &str) -> bool {
    document.get(name).is_some_and(|value| !value.is_null())
}
