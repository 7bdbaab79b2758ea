//! Moving pictures without a network. The pattern and clouds of the procedural picture go around
//! once, so that the end of the clip meets its beginning. The frames are drawn here, and a media
//! process encodes them with the engine that renders compositions. The same prompt gives the same
//! file.

use std::{
    collections::BTreeMap,
    f32::consts::TAU,
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use common::{
    error::{JobError, code},
    id::Digest,
    kinds::image::ImageInput,
};
use composition::{
    SourceKey,
    plan::{Facts, RenderPlan, SourceHash},
};
use media::{
    protocol::{Files, MediaJob, Output},
    sandbox::Scratch,
};
use serde_json::json;

use super::{port::unwritten, procedural::PatternScene};
use crate::{
    context::{Context, HandlerError},
    media_process::wrong_answer,
};

/// Frames a second, the same as in `video`, so that no frame is shown twice.
const FPS: u32 = 25;
/// Three seconds: long enough to be calm, and short enough to be drawn in one second.
const FRAMES: u32 = 75;
/// Pixels of the longer side. The finest detail of a pattern or cloud is 27 pixels wide, so
/// enlarging loses nothing, and a small clip is drawn quickly.
const LONGEST_SIDE: u32 = 320;

/// Draws the frames of a picture as raw video for [`film`], and returns their size.
pub(super) fn draw(input: &ImageInput, path: &Path) -> std::io::Result<(u32, u32)> {
    let (width, height) = size(input.width, input.height);
    let scene = PatternScene::of(input);
    let mut file = BufWriter::new(File::create(path)?);
    writeln!(file, "YUV4MPEG2 W{width} H{height} F{FPS}:1 Ip A1:1 C420mpeg2 XCOLORRANGE=LIMITED")?;
    for frame in 0..FRAMES {
        file.write_all(b"FRAME\n")?;
        let pixels = scene.pixels(width, height, TAU * frame as f32 / FRAMES as f32);
        file.write_all(&planes(&pixels, width as usize, height as usize))?;
    }
    file.flush()?;
    Ok((width, height))
}

/// Returns the requested shape, at most [`LONGEST_SIDE`] long, with even sides.
fn size(width: u32, height: u32) -> (u32, u32) {
    let longest = width.max(height).max(LONGEST_SIDE);
    let side = |side: u32| (side * LONGEST_SIDE / longest / 2 * 2).max(16);
    (side(width), side(height))
}

/// Converts RGB to planes of limited range with halved colour, by the coefficients of BT.709.
fn planes(pixels: &[u8], width: usize, height: usize) -> Vec<u8> {
    let at = |x: usize, y: usize| {
        let start = (y * width + x) * 3;
        [0, 1, 2].map(|channel| f32::from(pixels[start + channel]))
    };
    let luma = |[r, g, b]: [f32; 3]| 0.2126 * r + 0.7152 * g + 0.0722 * b;
    let mut out = Vec::with_capacity(width * height * 3 / 2);
    for y in 0..height {
        out.extend((0..width).map(|x| (16.0 + luma(at(x, y)) * 219.0 / 255.0).round() as u8));
    }
    for (channel, spread) in [(2, 1.8556_f32), (0, 1.5748)] {
        for y in (0..height).step_by(2) {
            let colour = |x: usize| {
                let of = |dx, dy| at(x + dx, y + dy)[channel] - luma(at(x + dx, y + dy));
                let mean = (of(0, 0) + of(1, 0) + of(0, 1) + of(1, 1)) / 4.0;
                (128.0 + mean / spread * 224.0 / 255.0).round() as u8
            };
            out.extend((0..width).step_by(2).map(colour));
        }
    }
    out
}

/// Encodes raw frames to the file `out`. All work is within `scratch`.
pub(super) async fn film(
    context: &Context,
    scratch: &Scratch,
    frames: PathBuf,
    (width, height): (u32, u32),
    out: &Path,
) -> Result<(), HandlerError> {
    let (plan, files) = plan(context, scratch, frames, width, height).await?;
    let mut segments = Vec::with_capacity(plan.segments.len());
    for (index, segment) in plan.segments.into_iter().enumerate() {
        let out = scratch.path().join(format!("segment-{index}"));
        let job = MediaJob::Segment {
            segment: Box::new(segment),
            files: files.clone(),
            out: out.clone(),
        };
        let Output::Picture(_) = context.run_media(&job, scratch, "painting").await? else {
            return Err(wrong_answer("segment").into());
        };
        segments.push(out);
    }
    let encoded = scratch.path().join("film");
    let assemble = Box::new(plan.assemble);
    let job = MediaJob::Assemble {
        assemble,
        segments,
        sound: None,
        out: encoded.clone(),
        poster: None,
        thumbnail: None,
    };
    let Output::Assemble(_) = context.run_media(&job, scratch, "painting").await? else {
        return Err(wrong_answer("assemble").into());
    };
    tokio::fs::rename(&encoded, out).await.map_err(unwritten)?;
    Ok(())
}

/// Compiles the plan for the film: the raw frames are a composition of one clip.
async fn plan(
    context: &Context,
    scratch: &Scratch,
    frames: PathBuf,
    width: u32,
    height: u32,
) -> Result<(RenderPlan, Files), HandlerError> {
    let bytes = tokio::fs::read(&frames).await.map_err(unwritten)?;
    let digest = Digest::of(&bytes);
    let hash = SourceHash(digest.to_string());
    let job = MediaJob::Probe { source: frames.clone(), hash: hash.clone() };
    let Output::Probe(facts) = context.run_media(&job, scratch, "painting").await? else {
        return Err(wrong_answer("probe").into());
    };
    let plan = compiled(&format!("artifact://{digest}"), *facts, width, height)?;
    Ok((plan, Files::from([(hash, frames)])))
}

fn compiled(src: &str, facts: Facts, width: u32, height: u32) -> Result<RenderPlan, JobError> {
    let clip = json!({
        "asset": {"type": "video", "src": src}, "start": 0, "length": "auto", "fit": "fill",
    });
    let composition = json!({
        "timeline": {"tracks": [{"clips": [clip]}]},
        "output": {
            "format": "mp4",
            "size": {"width": width, "height": height},
            "fps": FPS,
            "quality": "high",
        },
    });
    let refused = |faults: Vec<common::fault::Fault>| {
        let first = faults
            .first()
            .map(|fault| format!("{} {}", fault.pointer, fault.detail))
            .unwrap_or_default();
        JobError::bug(code::INTERNAL, format!("the film of a picture is refused: {first}"))
    };
    let parsed = composition::parse(&composition).map_err(refused)?;
    composition::compile(&parsed, &BTreeMap::from([(SourceKey::of_src(src), facts)]))
        .map_err(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_have_the_shape_asked_for_and_the_last_meets_the_first() {
        assert_eq!(size(1080, 1920), (180, 320));
        assert_eq!(size(64, 4_096), (16, 320));
        assert_eq!(size(101, 64), (100, 64));
        let input = ImageInput { width: 64, height: 48, ..ImageInput::of("sea") };
        let scene = PatternScene::of(&input);
        let at = |frame: u32| scene.pixels(64, 48, TAU * frame as f32 / FRAMES as f32);
        let apart = |one: Vec<u8>, two: Vec<u8>| {
            one.iter().zip(&two).map(|(a, b)| u64::from(a.abs_diff(*b))).sum::<u64>() as f64
                / one.len() as f64
        };
        let (step, seam, half) =
            (apart(at(0), at(1)), apart(at(FRAMES - 1), at(0)), apart(at(0), at(FRAMES / 2)));
        assert!(step > 0.1 && seam < 2.0 * step && half > 2.0 * step, "{step} {seam} {half}");
    }

    #[test]
    fn raw_frames_are_as_large_as_they_say_and_grey_is_grey() {
        let grey = planes(&[128; 16 * 16 * 3], 16, 16);
        assert_eq!(grey.len(), 16 * 16 * 3 / 2);
        assert_eq!((grey[0], grey[300]), (126, 128));
        let file = tempfile_path();
        let input = ImageInput { width: 64, height: 48, ..ImageInput::of("sea") };
        assert_eq!(draw(&input, &file).expect("drawn"), (64, 48));
        let one = std::fs::read(&file).expect("a file");
        draw(&input, &file).expect("drawn again");
        assert_eq!(one, std::fs::read(&file).expect("a file"), "a prompt decides its frames");
        assert!(one.len() > FRAMES as usize * 64 * 48 * 3 / 2);
        std::fs::remove_file(&file).expect("removed");
    }

    fn tempfile_path() -> PathBuf {
        std::env::temp_dir().join(format!("spool-moving-{}", uuid::Uuid::new_v4().simple()))
    }
}
