//! `image`: makes a still or moving picture of a text. The file of a provider is probed in the
//! sandbox before any other use.

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
    let input = image::parse(&context.claimed.input).map_err(JobError::refused)?;
    let scratch = context.scratch()?;
    let file = scratch.inputs().join("picture");
    context.reporter.report(0.0, "painting");
    let provenance = providers.paint(context, &input, &file).await?;
    let media_type = media_type_of(&file).await;
    let artifact = context.store_file(&file, media_type).await?;
    let facts = context
        .facts(&artifact.hash, &scratch)
        .await
        .map_err(|error| not_media(error, &provenance.provider))?;
    let shown =
        facts.video.first().filter(|_| facts.image != input.motion).map(|video| video.shown_size());
    let mismatch = if input.motion { "is no film" } else { "is no still picture" };
    let (width, height) = shown.ok_or_else(|| bad_file(&provenance.provider, mismatch))?;
    let picture = Picture {
        artifact: artifact.hash,
        media_type: media_type.to_owned(),
        bytes: artifact.bytes,
        width,
        height,
        duration_ms: facts
            .duration
            .filter(|_| input.motion)
            .map(|seconds| (seconds.to_f64() * 1_000.0).round() as u64),
        facts: json(&facts)?,
        provenance,
    };
    Ok(HandlerOutput { output: json(&picture)?, artifacts: vec![artifact] })
}

/// Returns the media type of a file by its first bytes.
async fn media_type_of(file: &std::path::Path) -> &'static str {
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

/// Converts the caller's error of a probe to the provider's: the file came from the provider.
pub(super) fn not_media(error: HandlerError, provider: &str) -> HandlerError {
    match error {
        HandlerError::Failed(failure) if failure.class == ErrorClass::Caller => {
            bad_file(provider, &format!("can't be used: {}", failure.detail)).into()
        }
        other => other,
    }
}

/// Returns the error for a provider's file that cannot be used. Another attempt would not help.
pub(super) fn bad_file(provider: &str, what: &str) -> JobError {
    JobError::permanent(BAD_ANSWER, format!("what provider `{provider}` sent {what}"))
}
