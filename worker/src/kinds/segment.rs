//! `segment`: renders a run of frames as closed groups of pictures, in a media process.

use common::error::{JobError, code};
use composition::{kinds::segment::Rendered, plan::Segment};
use media::{
    protocol::{MediaJob, Output},
    text::{FontFolders, fonts_digest},
};

use crate::{
    context::{Context, HandlerError, HandlerOutput, json},
    media_process::wrong_answer,
};

pub(super) async fn run(context: &Context) -> Result<HandlerOutput, HandlerError> {
    let segment: Segment = context.input()?;
    let other_fonts = other_fonts(context, &segment).await?;
    let scratch = context.scratch()?;
    let files = context.fetch_sources(&segment.sources(), &scratch).await?;
    let out = scratch.path().join("segment");
    let job = MediaJob::Segment { segment: Box::new(segment), files, out: out.clone() };
    let Output::Picture(made) = context.run_media(&job, &scratch, "rendering").await? else {
        return Err(wrong_answer("segment").into());
    };
    let artifact = context.store_file(&out, "video/x-spool-segment").await?;
    let rendered = Rendered {
        artifact: artifact.hash,
        frames: made.frames,
        warnings: warnings_of(made.warnings, other_fonts),
    };
    Ok(HandlerOutput { output: json(&rendered)?, artifacts: vec![artifact] })
}

/// Returns whether this machine's fonts differ from those that the plan was made with. Another
/// worker may have the right ones, so every attempt but the last is left to it. The last one draws
/// with these fonts and adds a warning, so that an update strands no job.
async fn other_fonts(context: &Context, segment: &Segment) -> Result<bool, JobError> {
    let Some(planned) = segment.machine_fonts.clone() else { return Ok(false) };
    let reading =
        tokio::task::spawn_blocking(move || fonts_digest(&FontFolders::default()) != planned);
    let other = reading
        .await
        .map_err(|error| JobError::bug(code::INTERNAL, format!("reading the fonts: {error}")))?;
    if other && context.claimed.attempt < context.claimed.max_attempts {
        return Err(JobError::transient(code::UNAVAILABLE, OTHER_FONTS));
    }
    Ok(other)
}

const OTHER_FONTS: &str = "this worker has other fonts than the one that planned the job: install \
                           the same on every worker (scripts/setup run)";

fn warnings_of(mut warnings: Vec<String>, other_fonts: bool) -> Vec<String> {
    warnings.extend(other_fonts.then(|| OTHER_FONTS.to_owned()));
    warnings
}
