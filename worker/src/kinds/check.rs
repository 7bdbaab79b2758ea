//! `check`: compiles a composition and describes the result. The store, not the worker, knows which
//! of its segments are in the cache.

use std::sync::Arc;

use super::render;
use crate::context::{Context, HandlerError, HandlerOutput, json};

pub(super) async fn run(context: &Arc<Context>) -> Result<HandlerOutput, HandlerError> {
    let checking = |context: &Context| {
        let plan = render::compiled(context, composition::parse)?;
        json(&composition::summary(&plan))
    };
    Ok(HandlerOutput { output: context.compute(checking).await?, artifacts: Vec::new() })
}
