//! `assemble`: segments and sound into the finished file, and pictures from it, by a child.

use common::{
    error::{JobError, code},
    id::Digest,
};
use composition::{
    kinds::{
        assemble::{Assembled, Assembly, Still, media_type},
        segment::Rendered,
        sound::Mixed,
    },
    plan::{Assemble, Format},
};
use media::{
    protocol::{MediaJob, Output},
    sandbox::Scratch,
};

use crate::{
    context::{Context, HandlerError, HandlerOutput, json},
    media_process::wrong_answer,
};

pub(super) async fn run(context: &Context) -> Result<HandlerOutput, HandlerError> {
    let Assembly { assemble, mut warnings } = context.input()?;
    let scratch = context.scratch()?;
    let parts = Parts::bring(context, &assemble, &scratch).await?;
    warnings.extend(parts.warnings);
    let place = |name: &str| scratch.path().join(name);
    let (out, poster, thumbnail) =
        (place(out_name(assemble.format)), place("poster.jpg"), place("thumbnail.jpg"));
    let job = MediaJob::Assemble {
        assemble: Box::new(assemble.clone()),
        segments: parts.segments,
        sound: parts.sound,
        out: out.clone(),
        poster: assemble.poster.map(|_| poster.clone()),
        thumbnail: assemble.thumbnail.map(|_| thumbnail.clone()),
    };
    // Packets are copied unseen, so whether the parts are what they were is looked at beside the child, which keeps but one core busy.
    let (made, damaged) = tokio::join!(
        context.run_media(&job, &scratch, "assembling"),
        context.damaged(parts.brought)
    );
    let made = match (made, damaged) {
        (Err(HandlerError::Stopped), _) => return Err(HandlerError::Stopped),
        (_, Some(damaged)) => return Err(damaged.into()),
        (Ok(Output::Assemble(made)), None) => made,
        (Ok(_), None) => return Err(wrong_answer("assemble").into()),
        (Err(error), None) => return Err(error),
    };
    let media_type = media_type(assemble.format);
    let mut artifacts = vec![context.keep(&out, media_type).await?];
    let mut still =
        async |wanted: bool, path: &std::path::Path| -> Result<Option<Still>, JobError> {
            if !wanted {
                return Ok(None);
            }
            let artifact = context.keep(path, "image/jpeg").await?;
            let still = Still { artifact: artifact.hash };
            artifacts.push(artifact);
            Ok(Some(still))
        };
    let poster = still(assemble.poster.is_some(), &poster).await?;
    let thumbnail = still(assemble.thumbnail.is_some(), &thumbnail).await?;
    let assembled = Assembled {
        artifact: artifacts[0].hash,
        media_type: media_type.to_owned(),
        duration: made.duration_ms as f64 / 1000.0,
        width: assemble.width,
        height: assemble.height,
        fps: assemble.rate.to_f64(),
        frames: made.frames,
        size: made.bytes,
        loudness: parts.loudness,
        poster,
        thumbnail,
        warnings,
    };
    Ok(HandlerOutput { output: json(&assembled)?, artifacts })
}

/// A picture's format is known to its writer by its name.
fn out_name(format: Format) -> &'static str {
    match format {
        Format::Jpg => "out.jpg",
        Format::Png => "out.png",
        Format::Webp => "out.webp",
        Format::Mp4 | Format::Webm | Format::Gif | Format::Mp3 | Format::Wav => "out",
    }
}

/// What the needs made, brought here.
struct Parts {
    /// All files, by what they should hold.
    brought: Vec<(Digest, std::path::PathBuf)>,
    segments: Vec<std::path::PathBuf>,
    sound: Option<std::path::PathBuf>,
    loudness: Option<f64>,
    warnings: Vec<String>,
}

impl Parts {
    async fn bring(
        context: &Context,
        assemble: &Assemble,
        scratch: &Scratch,
    ) -> Result<Self, JobError> {
        let segments = assemble.segments as usize;
        let wanted = segments + usize::from(assemble.sound.is_some());
        if context.claimed.needs.len() != wanted {
            let found = context.claimed.needs.len();
            return Err(JobError::bug(
                code::INTERNAL,
                format!("assemble was given {found} parts where the plan has {wanted}"),
            ));
        }
        let mut parts = Self {
            brought: Vec::new(),
            segments: Vec::new(),
            sound: None,
            loudness: None,
            warnings: Vec::new(),
        };
        for index in 0..segments {
            let rendered: Rendered = context.need(index)?;
            let path = scratch.path().join(format!("segment-{index}"));
            parts.brought.push((rendered.artifact, path.clone()));
            parts.segments.push(path);
            parts.warnings.extend(rendered.warnings);
        }
        if assemble.sound.is_some() {
            let mixed: Mixed = context.need(segments)?;
            let path = scratch.path().join("sound");
            parts.brought.push((mixed.artifact, path.clone()));
            parts.sound = Some(path);
            parts.loudness = mixed.loudness;
        }
        context.bring_all(&parts.brought).await?;
        parts.warnings.sort();
        parts.warnings.dedup();
        Ok(parts)
    }
}
