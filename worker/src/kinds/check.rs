//! `check`: compiles a composition and says what it comes to. Whether its parts are in the cache is the store's to say, not a worker's.

use common::error::JobError;

use super::render;
use crate::context::{Context, HandlerError, HandlerOutput, json};

pub(super) async fn run(context: &Context) -> Result<HandlerOutput, HandlerError> {
    let composition = composition::parse(&context.claimed.input).map_err(JobError::refused)?;
    let plan = render::compiled(context, &composition).await?;
    Ok(HandlerOutput { output: json(&composition::summary(&plan))?, artifacts: Vec::new() })
}
