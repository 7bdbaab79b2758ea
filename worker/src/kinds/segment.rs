//! `segment`: a run of frames, rendered by a child as closed GOPs.

use composition::{kinds::segment::Rendered, plan::Segment};
use media::child::{ChildJob, Output};

use super::{Context, Done, Ended, child::wrong_answer, json};

pub(super) async fn run(context: &Context) -> Result<Done, Ended> {
    let segment: Segment = context.input()?;
    let scratch = context.scratch()?;
    let files = context.bring(&segment.sources(), &scratch).await?;
    let out = scratch.path().join("segment");
    let job = ChildJob::Segment { segment: Box::new(segment), files, out: out.clone() };
    let Output::Picture(made) = context.child(&job, &scratch, "rendering").await? else {
        return Err(wrong_answer("segment").into());
    };
    let artifact = context.keep(&out, "video/x-spool-segment").await?;
    let rendered = Rendered { artifact: artifact.hash, frames: made.frames, warnings: made.warnings };
    Ok(Done { output: json(&rendered)?, artifacts: vec![artifact] })
}
