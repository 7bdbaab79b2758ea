//! `check`: what a composition comes to, without making it: `{…composition…}` → duration, segments and the keys they would be found under.
//!
//! It goes through the queue because a source must be fetched and probed before anything can be said of it, and only workers do that;
//! what is fetched for a check is there for the render.

use std::time::Duration;

use common::{
    fault::Fault,
    kind::{Class, KindSpec},
    plan::Draft,
    retry::RetryPolicy,
};
use serde_json::Value;

use super::render;
use crate::{parse, plan::ENGINE_VERSION};

/// The stored name.
pub const NAME: &str = "check";

/// The kind. Its output is a [`crate::Summary`].
pub const SPEC: KindSpec = KindSpec {
    name: NAME,
    version: ENGINE_VERSION,
    class: Class::Light,
    timeout: Duration::from_secs(120),
    max_attempts: 3,
    retry: RetryPolicy::DEFAULT,
    provider: None,
    memo: false,
    plan: Some(plan),
    grow: None,
};

fn plan(input: &Value) -> Result<Vec<Draft>, Vec<Fault>> {
    let composition = parse(input)?;
    Ok(render::behind_sources(NAME, input, &composition))
}
