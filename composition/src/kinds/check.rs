//! `check`: what a composition comes to, without making it: `{…composition…}` → duration, segments and the keys they would be found under.
//!
//! It goes through the queue because a source must be fetched and probed before anything can be said of it, and only workers do that;
//! what is fetched for a check is there for the render.

use common::{fault::Fault, kind::KindSpec, plan::Draft};
use serde_json::Value;

use super::{deciding, render};
use crate::{parse, plan::ENGINE_VERSION};

/// The stored name.
pub const NAME: &str = "check";

/// The kind. Its output is a [`crate::Summary`].
pub const SPEC: KindSpec = deciding(NAME, ENGINE_VERSION, Some(plan), None);

fn plan(input: &Value) -> Result<Vec<Draft>, Vec<Fault>> {
    let composition = parse(input)?;
    Ok(render::behind_sources(NAME, input, &composition))
}
