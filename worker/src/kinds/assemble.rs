//! `assemble`: joins segments and sound to the finished file, and takes pictures from it, in a
//! media process.

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
    let inputs = FetchedInputs::fetch(context, &assemble, &scratch).await?;
    warnings.extend(inputs.warnings);
    let file = |name: &str| scratch.path().join(name);
    let (out, poster, thumbnail) =
        (file(out_name(assemble.format)), file("poster.jpg"), file("thumbnail.jpg"));
    let job = MediaJob::Assemble {
        assemble: Box::new(assemble.clone()),
        segments: inputs.segments,
        sound: inputs.sound,
        out: out.clone(),
        poster: assemble.poster.map(|_| poster.clone()),
        thumbnail: assemble.thumbnail.map(|_| thumbnail.clone()),
    };
    // Packets are copied without decoding, so damage would go unnoticed. The check runs beside the
    // media process, which uses one core only.
    let (made, damaged) = tokio::join!(
        context.run_media(&job, &scratch, "assembling"),
        context.damage_of(inputs.files)
    );
    let made = match (made, damaged) {
        (Err(HandlerError::Stopped), _) => return Err(HandlerError::Stopped),
        (_, Some(damaged)) => return Err(damaged.into()),
        (Ok(Output::Assemble(made)), None) => made,
        (Ok(_), None) => return Err(wrong_answer("assemble").into()),
        (Err(error), None) => return Err(error),
    };
    let media_type = media_type(assemble.format);
    let mut artifacts = vec![context.store_file(&out, media_type).await?];
    let mut still =
        async |wanted: bool, path: &std::path::Path| -> Result<Option<Still>, JobError> {
            if !wanted {
                return Ok(None);
            }
            let artifact = context.store_file(path, "image/jpeg").await?;
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
        loudness: inputs.loudness,
        poster,
        thumbnail,
        warnings,
    };
    Ok(HandlerOutput { output: json(&assembled)?, artifacts })
}

/// Returns the name of the output file: libav chooses the format of a picture by it.
fn out_name(format: Format) -> &'static str {
    match format {
        Format::Jpg => "out.jpg",
        Format::Png => "out.png",
        Format::Webp => "out.webp",
        Format::Mp4 | Format::Webm | Format::Gif | Format::Mp3 | Format::Wav => "out",
    }
}

/// The outputs of the needs, with their files in the scratch folder.
struct FetchedInputs {
    /// All files, with the hashes of their content.
    files: Vec<(Digest, std::path::PathBuf)>,
    segments: Vec<std::path::PathBuf>,
    sound: Option<std::path::PathBuf>,
    loudness: Option<f64>,
    warnings: Vec<String>,
}

impl FetchedInputs {
    async fn fetch(
        context: &Context,
        assemble: &Assemble,
        scratch: &Scratch,
    ) -> Result<Self, JobError> {
        let segments = assemble.segments as usize;
        let expected = segments + usize::from(assemble.sound.is_some());
        if context.claimed.needs.len() != expected {
            let found = context.claimed.needs.len();
            return Err(JobError::bug(
                code::INTERNAL,
                format!("assemble was given {found} parts where the plan has {expected}"),
            ));
        }
        let mut inputs = Self {
            files: Vec::new(),
            segments: Vec::new(),
            sound: None,
            loudness: None,
            warnings: Vec::new(),
        };
        for index in 0..segments {
            let rendered: Rendered = context.need(index)?;
            let path = scratch.inputs().join(format!("segment-{index}"));
            inputs.files.push((rendered.artifact, path.clone()));
            inputs.segments.push(path);
            inputs.warnings.extend(rendered.warnings);
        }
        if assemble.sound.is_some() {
            let mixed: Mixed = context.need(segments)?;
            let path = scratch.inputs().join("sound");
            inputs.files.push((mixed.artifact, path.clone()));
            inputs.sound = Some(path);
            inputs.loudness = mixed.loudness;
        }
        context.fetch_artifacts(&inputs.files).await?;
        inputs.warnings.sort();
        inputs.warnings.dedup();
        Ok(inputs)
    }
}
