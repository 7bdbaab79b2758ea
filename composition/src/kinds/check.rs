//! `check`: duration, segments and keys of a composition, without rendering it.
//!
//! It goes through the queue because sources must be fetched and probed first, and only workers do
//! that. A render afterwards finds them fetched.

use common::{fault::Fault, kind::KindSpec, plan::Draft};
use serde_json::Value;

use super::{deciding, render};
use crate::{parse, plan::ENGINE_VERSION, schema};

/// Stored name of the kind.
pub const NAME: &str = "check";

/// The kind. Its output is a [`crate::Summary`].
pub const SPEC: KindSpec = deciding(NAME, ENGINE_VERSION, Some(plan), Some(schema), None);

fn plan(input: &Value) -> Result<Vec<Draft>, Vec<Fault>> {
    let composition = parse(input)?;
    Ok(render::behind_sources(NAME, input, &composition))
}
