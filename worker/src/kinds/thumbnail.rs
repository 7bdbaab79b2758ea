//! `thumbnail`: compiles a small picture of a file or of a composition. The task that draws it is
//! added by growth.

use std::sync::Arc;

use common::{error::JobError, kinds::source::SourceOutput};
use composition::kinds::thumbnail::{self, Subject};
use serde_json::Value;

use super::render;
use crate::context::{Context, HandlerError, HandlerOutput, json};

pub(super) async fn run(context: &Arc<Context>) -> Result<HandlerOutput, HandlerError> {
    Ok(HandlerOutput { output: context.compute(compiled).await?, artifacts: Vec::new() })
}

fn compiled(context: &Context) -> Result<Value, JobError> {
    let thumbnail = thumbnail::read_input(&context.claimed.input).map_err(JobError::refused)?;
    let facts = match &thumbnail.subject {
        Subject::File(_) => vec![render::facts(context.need::<SourceOutput>(0)?.facts)?],
        Subject::Composition(composition) => render::facts_of_needs(context, composition)?,
    };
    let plan = thumbnail::run(&thumbnail, facts.clone())?;
    json(&render::with_machine_fonts(plan, &facts))
}
