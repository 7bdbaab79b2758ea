//! `thumbnail`: compiles a small picture of a file or of a composition. The task that draws it is
//! added by growth.

use common::{error::JobError, kinds::source::SourceOutput};
use composition::kinds::thumbnail::{self, Subject};

use super::render;
use crate::context::{Context, HandlerError, HandlerOutput, json};

pub(super) async fn run(context: &Context) -> Result<HandlerOutput, HandlerError> {
    let thumbnail = thumbnail::read_input(&context.claimed.input).map_err(JobError::refused)?;
    let facts = match &thumbnail.subject {
        Subject::File(_) => vec![render::facts(context.need::<SourceOutput>(0)?.facts)?],
        Subject::Composition(composition) => render::facts_of_needs(context, composition)?,
    };
    let plan = render::name_fonts(thumbnail::run(&thumbnail, facts.clone())?, facts).await?;
    Ok(HandlerOutput { output: json(&plan)?, artifacts: Vec::new() })
}
