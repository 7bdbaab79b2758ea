//! `image`: a picture of what a text describes, that stands or moves. Whatever a provider sends is looked at in the cage before anyone else sees it.

use common::{
    error::{ErrorClass, JobError},
    kinds::image::{self, Picture},
};

use tokio::io::AsyncReadExt;

use crate::{
    context::{Context, HandlerError, HandlerOutput, json},
    providers::Providers,
    providers::port::BAD_ANSWER,
};

pub(super) async fn run(
    context: &Context,
    providers: &Providers,
) -> Result<HandlerOutput, HandlerError> {
    let ask = image::parse(&context.claimed.input).map_err(JobError::refused)?;
    let scratch = context.scratch()?;
    let file = scratch.path().join("picture");
    context.reporter.report(0.0, "painting");
    let made = providers.paint(context, &ask, &file).await?;
    let media_type = sniffed(&file).await;
    let artifact = context.keep(&file, media_type).await?;
    let facts = context
        .facts(&artifact.hash, &scratch)
        .await
        .map_err(|ended| not_media(ended, &made.provider))?;
    let shown =
        facts.video.first().filter(|_| facts.image != ask.motion).map(|video| video.shown_size());
    let wanted = if ask.motion { "is no film" } else { "is no still picture" };
    let (width, height) = shown.ok_or_else(|| bad(&made.provider, wanted))?;
    let picture = Picture {
        artifact: artifact.hash,
        media_type: media_type.to_owned(),
        bytes: artifact.bytes,
        width,
        height,
        duration_ms: facts
            .duration
            .filter(|_| ask.motion)
            .map(|seconds| (seconds.to_f64() * 1_000.0).round() as u64),
        facts: json(&facts)?,
        provenance: made,
    };
    Ok(HandlerOutput { output: json(&picture)?, artifacts: vec![artifact] })
}

/// What a file's first bytes say it is.
async fn sniffed(file: &std::path::Path) -> &'static str {
    let mut head = Vec::new();
    if let Ok(file) = tokio::fs::File::open(file).await {
        let _ = file.take(12).read_to_end(&mut head).await;
    }
    match head.as_slice() {
        [0x89, b'P', b'N', b'G', ..] => "image/png",
        [0xff, 0xd8, 0xff, ..] => "image/jpeg",
        [b'G', b'I', b'F', b'8', ..] => "image/gif",
        [b'B', b'M', ..] => "image/bmp",
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "image/webp",
        [_, _, _, _, b'f', b't', b'y', b'p', b'a', b'v', b'i', ..] => "image/avif",
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => "video/mp4",
        _ => "application/octet-stream",
    }
}

/// Where what a provider sent is not what was asked for, the fault is the provider's and not the caller's.
pub(super) fn not_media(ended: HandlerError, provider: &str) -> HandlerError {
    match ended {
        HandlerError::Failed(error) if error.class == ErrorClass::Caller => {
            bad(provider, &format!("can't be used: {}", error.detail)).into()
        }
        other => other,
    }
}

/// An answer that no attempt will make better.
pub(super) fn bad(provider: &str, what: &str) -> JobError {
    JobError::permanent(BAD_ANSWER, format!("what provider `{provider}` sent {what}"))
}
