//! `check`: compiles a composition and describes the result. The store, not the worker, knows which
//! of its segments are in the cache.

use common::error::JobError;

use super::render;
use crate::context::{Context, HandlerError, HandlerOutput, json};

pub(super) async fn run(context: &Context) -> Result<HandlerOutput, HandlerError> {
    let composition = composition::parse(&context.claimed.input).map_err(JobError::refused)?;
    let plan = render::compiled(context, &composition).await?;
    Ok(HandlerOutput { output: json(&composition::summary(&plan))?, artifacts: Vec::new() })
}
