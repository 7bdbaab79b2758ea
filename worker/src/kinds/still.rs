//! `still`: compiles a composition for one frame. The task that draws it is added by growth.

use std::sync::Arc;

use common::{
    error::{JobError, code},
    fault::Fault,
};
use composition::kinds::still;

use super::render;
use crate::context::{Context, HandlerError, HandlerOutput, json};

pub(super) async fn run(context: &Arc<Context>) -> Result<HandlerOutput, HandlerError> {
    let compiling =
        |context: &Context| json(&render::compiled(context, still::read_input).map_err(at_time)?);
    Ok(HandlerOutput { output: context.compute(compiling).await?, artifacts: Vec::new() })
}

/// Points faults at `/t`: the caller gave a time, which was set as the output's range.
fn at_time(error: JobError) -> JobError {
    let renamed = |fault: Fault| match fault.pointer.as_str() {
        "/output/range/start" => Fault::new("/t", fault.detail),
        _ => fault,
    };
    // Sources that cannot be used are faults of another kind, and keep their code.
    match error.code == code::INVALID_INPUT {
        true => JobError::refused(error.errors.into_iter().map(renamed).collect()),
        false => error,
    }
}
