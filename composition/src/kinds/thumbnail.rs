//! `thumbnail`: a small picture of a file or of a composition. `{"src" or "composition", "t": seconds, "width": pixels, "format": "jpg"}`.
//!
//! A file becomes a composition of one clip, so that rotation, colour and alpha are met by the one engine and not by a second one.

use common::{
    error::{JobError, code},
    fault::Fault,
    kind::KindSpec,
    kinds::{
        read,
        source::{TakenFor, check_src},
    },
    plan::Draft,
};
use serde::Deserialize;
use serde_json::{Number, Value, json};

use super::{
    deciding, render,
    still::{PictureFormat, moment},
};
use crate::{
    Composition,
    limits::MAX_PIXELS,
    parse,
    plan::{ENGINE_VERSION, Facts, Format, Ratio, RenderPlan, VideoFacts},
};

/// The stored name.
pub const NAME: &str = "thumbnail";

/// The kind. Its own task compiles, as a render's does, and grows into what draws.
pub const SPEC: KindSpec = deciding(NAME, ENGINE_VERSION, Some(plan), Some(render::grow));

/// Pixels across unless said: what lists of videos show.
const USUAL_WIDTH: u32 = 320;
/// The narrowest and the widest there is.
const WIDTHS: std::ops::RangeInclusive<u32> = 16..=4096;
/// Where a file does not say how long a frame is, the end is taken to begin this much before it, in seconds: a frame at 10 a second.
const LAST_FRAME: (i64, i64) = (1, 10);

/// What a client writes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    src: Option<String>,
    #[serde(default)]
    composition: Option<Value>,
    #[serde(default)]
    t: Option<Number>,
    #[serde(default)]
    width: Option<u32>,
    #[serde(default = "jpg")]
    format: PictureFormat,
}

fn jpg() -> PictureFormat {
    PictureFormat::Jpg
}

/// What it is a picture of.
#[derive(Debug)]
pub enum Subject {
    /// A video or a picture, by its address.
    File(String),
    /// A composition, cut down to the frame.
    Composition(Box<Composition>),
}

/// A thumbnail, as it was meant.
#[derive(Debug)]
pub struct Thumbnail {
    /// Of what.
    pub subject: Subject,
    /// Seconds from the start.
    at: Ratio,
    /// Pixels across, at most: nothing is blown up.
    width: u32,
    format: Format,
}

/// Reads an input.
///
/// # Errors
/// Every fault of it, those of a composition below `/composition`.
pub fn read_input(input: &Value) -> Result<Thumbnail, Vec<Fault>> {
    let written: Written = read(input)?;
    let mut faults = Vec::new();
    let at = moment(written.t.as_ref()).unwrap_or_else(|fault| {
        faults.push(fault);
        Ratio::ZERO
    });
    let width = written.width.unwrap_or(USUAL_WIDTH);
    if !WIDTHS.contains(&width) {
        let (least, most) = (WIDTHS.start(), WIDTHS.end());
        faults.push(Fault::new("/width", format!("is {width}: give {least} to {most} pixels")));
    }
    let format = written.format.format();
    let subject = match (written.src, written.composition) {
        (Some(src), None) => {
            faults.extend(check_src(&src).err().map(|detail| Fault::new("/src", detail)));
            Some(Subject::File(src))
        }
        (None, Some(composition)) => match parse(&composition) {
            Ok(composition) => Some(Subject::Composition(Box::new(composition.still(at, format)))),
            Err(found) => {
                faults.extend(found.into_iter().map(|fault| fault.under("/composition")));
                None
            }
        },
        _ => {
            faults.push(Fault::new(
                "",
                "names not one thing to take a picture of: give either `src` or `composition`",
            ));
            None
        }
    };
    match subject {
        Some(subject) if faults.is_empty() => Ok(Thumbnail { subject, at, width, format }),
        _ => Err(faults),
    }
}

fn plan(input: &Value) -> Result<Vec<Draft>, Vec<Fault>> {
    let thumbnail = read_input(input)?;
    Ok(match &thumbnail.subject {
        Subject::File(src) => {
            render::behind(NAME, input, vec![render::fetching(1, src, TakenFor::Media)])
        }
        Subject::Composition(composition) => render::behind_sources(NAME, input, composition),
    })
}

/// Compiles, given what the needs came to: the one file's facts, or those of the composition's sources in their order.
///
/// # Errors
/// Those of compiling; the caller's where the file has no picture.
pub fn run(thumbnail: &Thumbnail, facts: Vec<Facts>) -> Result<RenderPlan, JobError> {
    let mut plan = match &thumbnail.subject {
        Subject::Composition(composition) => render::run(composition, facts)?,
        Subject::File(src) => {
            let seen = facts.first().and_then(|facts| Some((facts, facts.video.first()?)));
            let (facts, video) = seen.ok_or_else(|| {
                JobError::caller(
                    code::BAD_SOURCE,
                    format!("`{src}` has no picture to make a thumbnail of"),
                )
            })?;
            let document = document(thumbnail, src, facts, video);
            let composition =
                parse(&document).map_err(JobError::refused)?.still(Ratio::ZERO, thumbnail.format);
            let mut plan = render::run(&composition, vec![facts.clone()])?;
            // The canvas was rounded to even sides, which the picture need not have.
            (plan.assemble.width, plan.assemble.height) =
                within(video.shown_size(), thumbnail.width);
            plan
        }
    };
    let assemble = &mut plan.assemble;
    (assemble.width, assemble.height) = within((assemble.width, assemble.height), thumbnail.width);
    Ok(plan)
}

/// A size no wider than asked for, in its own shape.
fn within((width, height): (u32, u32), most: u32) -> (u32, u32) {
    if width <= most {
        return (width, height);
    }
    let high = u64::from(height) * u64::from(most) * 2 / u64::from(width);
    (most, u32::try_from(high.div_ceil(2)).unwrap_or(u32::MAX).max(1))
}

/// The file as a composition of one clip of one frame, as large as it is wanted.
fn document(thumbnail: &Thumbnail, src: &str, facts: &Facts, video: &VideoFacts) -> Value {
    let (width, height) = canvas(within(video.shown_size(), thumbnail.width));
    let asset = match facts.image {
        true => json!({"type": "image", "src": src}),
        false => {
            json!({"type": "video", "src": src, "trim": seconds_of(begin(thumbnail.at, facts, video))})
        }
    };
    json!({
        "timeline": {
            "background": if thumbnail.format == Format::Jpg { "#000000" } else { "#00000000" },
            "tracks": [{"clips": [{"asset": asset, "start": 0, "length": 0.04, "fit": "fill"}]}],
        },
        "output": {"format": "png", "size": {"width": width, "height": height}, "fps": 25},
    })
}

/// Even sides that a canvas can have.
fn canvas((width, height): (u32, u32)) -> (u32, u32) {
    let side = |side: u32| side.clamp(16, 4096).next_multiple_of(2);
    let (width, height) = (side(width), side(height));
    let most = u32::try_from(MAX_PIXELS / u64::from(width)).unwrap_or(4096) & !1;
    (width, height.min(most))
}

/// The time asked for, held to the last frame.
fn begin(at: Ratio, facts: &Facts, video: &VideoFacts) -> Ratio {
    let Some(duration) = facts.duration else { return at };
    let usual = Ratio::new(LAST_FRAME.0, LAST_FRAME.1).unwrap_or(Ratio::ONE);
    let frame = video.rate.and_then(|rate| Ratio::ONE.over(rate)).unwrap_or(usual);
    at.min(duration.minus(frame).max(Ratio::ZERO))
}

/// As a document spells it, rounded down to a microsecond so that it does not pass the frame.
fn seconds_of(seconds: Ratio) -> Value {
    let micros = seconds.times(Ratio::whole(1_000_000)).floor();
    let spelled = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    serde_json::from_str(&spelled).unwrap_or_else(|_| json!(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thumbnail_is_of_one_thing_and_every_fault_is_told() {
        let pointers = |input: Value| -> Vec<String> {
            read_input(&input).expect_err("faults").into_iter().map(|fault| fault.pointer).collect()
        };
        assert_eq!(pointers(json!({"src": "a.mp4", "composition": {}})), [""]);
        assert_eq!(
            pointers(json!({"src": "ftp://a/b", "t": -1, "width": 7})),
            ["/t", "/width", "/src"]
        );
        assert!(
            read_input(&json!({"src": "a.mp4", "t": 1.5, "width": 600, "format": "webp"})).is_ok()
        );
    }

    #[test]
    fn nothing_is_blown_up_and_shapes_are_kept() {
        assert_eq!(within((1920, 1080), 320), (320, 180));
        assert_eq!(within((100, 333), 320), (100, 333));
        assert_eq!(canvas((321, 9)), (322, 16));
    }
}
