//! `probe`: facts about a media file: its streams, duration, rate, colour.

use std::time::Duration;

use serde_json::Value;

use super::source::{self, SourceInput};
use crate::{
    document, fault::Fault, kind::KindSpec, plan::Draft, queue::Queue, retry::RetryPolicy,
};

/// Stored name of the kind.
pub const NAME: &str = "probe";

/// The kind. Its input and output are those of [`source`].
pub const SPEC: KindSpec = KindSpec {
    name: NAME,
    version: 1,
    queue: Queue::Light,
    timeout: Duration::from_secs(600),
    max_attempts: 3,
    retry: RetryPolicy::DEFAULT,
    provider: None,
    memo: false,
    plan: Some(plan),
    schema: Some(|| document::schema::<SourceInput>(NAME)),
    grow: None,
};

fn plan(input: &Value) -> Result<Vec<Draft>, Vec<Fault>> {
    source::parse(input)?;
    Ok(vec![Draft::only(NAME, input.clone())])
}
