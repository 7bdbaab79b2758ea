//! The editor's forms, built on [`common::document`]: colours, numbers that move, sources.

mod colour;
mod forms;
mod moving;
mod number;

pub(crate) use common::document::{
    Bounded, Definitions, DocumentReader, Form, NumberBounds, brief, choice, described, object,
    union,
};
pub(crate) use forms::{Flag, Line, Prose, Src};
pub(crate) use moving::{Moving, Pace, Tweened};
pub(crate) use number::{Count, Decimal};
