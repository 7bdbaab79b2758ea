//! Reading a caller's document: every fault, each with its place, and the schema from the same declarations.
//!
//! serde stops at the first fault and knows no place once it has stopped, so forms are read by hand; two macros (`object!`,
//! `choice!`) declare a form once and give its type, its reader and its JSON Schema.

mod colour;
mod forms;
mod moving;
mod number;
mod object;
mod reader;

pub(crate) use forms::{Flag, Line, Prose, Src, Verbatim};
pub(crate) use moving::{Moving, Pace, Tweened};
pub(crate) use number::{Bounded, Bounds, Count, Decimal, parse_decimal};
pub(crate) use object::{Member, choice, described, object, union, wrong_type};
pub(crate) use reader::{Definitions, Form, Reader, kind_of, list};
