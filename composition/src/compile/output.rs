//! Compiles the last step: assembling the file.

use super::context::CompileContext;
use super::times::Timing;
use crate::plan::{Assemble, Format, RenderPlan, Segment, Sound, Tags};

/// Returns whether a format has pictures.
pub(super) fn has_pictures(format: Format) -> bool {
    !matches!(format, Format::Mp3 | Format::Wav)
}

/// Returns whether a format is a single picture.
pub(super) fn is_one_picture(format: Format) -> bool {
    matches!(format, Format::Jpg | Format::Png)
}

/// The plan of all parts. The context adds its warnings at the end.
pub(super) fn plan(
    context: &mut CompileContext,
    timing: &Timing,
    segments: Vec<Segment>,
    sound: Option<Sound>,
) -> RenderPlan {
    let composition = context.composition;
    let (canvas, output) = (&composition.canvas, &composition.output);
    if !has_pictures(output.format) && sound.is_none() {
        context.fault(
            "/output/format",
            "is sound alone, but nothing is heard: add an audio, speech or video clip",
        );
    }
    let frames = if segments.is_empty() { 0 } else { timing.window.len() };
    let mut capture = |capture: Option<crate::composition::Capture>, name: &str| {
        let capture = capture.filter(|_| frames > 0)?;
        let end = canvas.rate.seconds(frames);
        if capture.at > end {
            let detail = format!(
                "is {} s, past the end at {} s: the last frame is taken",
                capture.at.to_f64(),
                end.to_f64()
            );
            context.warn(&format!("/output/{name}/capture"), detail);
        }
        Some(capture.poster(canvas, frames))
    };
    let (poster, thumbnail) =
        (capture(output.poster, "poster"), capture(output.thumbnail, "thumbnail"));
    let assemble = Assemble {
        format: output.format,
        width: canvas.width,
        height: canvas.height,
        rate: canvas.rate,
        frames,
        segments: segments.len() as u32,
        segment_frames: segments.iter().map(|segment| segment.frames).collect(),
        video: segments.first().map(|segment| segment.recipe.codec),
        sound: sound.as_ref().map(|sound| sound.recipe.codec),
        poster,
        thumbnail,
        plays: output.plays,
        tags: Tags { title: output.title.clone() },
    };
    RenderPlan { segments, sound, assemble, warnings: Vec::new() }
}
