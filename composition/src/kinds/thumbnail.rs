//! `thumbnail`: a small picture of a file or of a composition.
//!
//! A file becomes a composition of one clip, so that one engine handles rotation, colour and alpha.

use common::{
    document,
    error::{JobError, code},
    fault::Fault,
    kind::KindSpec,
    kinds::source::{SRC, TakenFor},
    plan::Draft,
};
use serde_json::{Value, json};

use super::{deciding, render, still::PictureFormat};
use crate::{
    Composition,
    document::{Decimal, DocumentReader, Form, NumberBounds, object},
    limits::{MAX_PIXELS, MOMENT},
    parse,
    plan::{ENGINE_VERSION, Facts, Format, Ratio, RenderPlan, VideoFacts},
};

/// Stored name of the kind.
pub const NAME: &str = "thumbnail";

/// The kind. Its own task compiles, as that of a render does, and grows the tasks that draw.
pub const SPEC: KindSpec =
    deciding(NAME, ENGINE_VERSION, Some(plan), Some(schema), Some(render::grow));

/// Pixels across by default: the size in lists of videos.
const DEFAULT_WIDTH: u32 = 320;
const WIDTH: NumberBounds = NumberBounds::new(16, 4_096, " pixels");
/// Length of the last frame, as a fraction of a second, in a file that does not have its frame
/// rate.
const LAST_FRAME: (i64, i64) = (1, 10);

object! {
    /// Input of a `thumbnail` job. It has exactly one of `src` and `composition`.
    struct ThumbnailInput {
        /// Address of a video or a picture.
        src: Option<String> = "src" within SRC,
        /// A composition.
        composition: Option<Composition> = "composition",
        /// Time of the frame, in seconds from the start; 0 by default.
        t: Option<Decimal> = "t" within MOMENT,
        /// Most pixels across, 320 by default; nothing is enlarged.
        width: Option<u32> = "width" within WIDTH,
        /// Format of the picture.
        format: PictureFormat = "format" default PictureFormat::Jpg,
    }
}

/// Subject of a thumbnail.
#[derive(Debug)]
pub enum Subject {
    /// A video or a picture, by its address.
    File(String),
    /// A composition, cut down to the frame.
    Composition(Box<Composition>),
}

/// A thumbnail to make.
#[derive(Debug)]
pub struct Thumbnail {
    pub subject: Subject,
    /// Seconds from the start.
    at: Ratio,
    /// Most pixels across.
    width: u32,
    format: Format,
}

/// Reads an input.
///
/// # Errors
/// Every fault of it, those of a composition below `/composition`.
pub fn read_input(input: &Value) -> Result<Thumbnail, Vec<Fault>> {
    let mut reader = DocumentReader::default();
    reader.one_of(input, &["src", "composition"]);
    let read = ThumbnailInput::read(input, &mut reader);
    let ThumbnailInput { src, composition, t, width, format } = reader.finish(read)?;
    let (at, format) = (t.map_or(Ratio::ZERO, |t| t.0), format.format());
    let subject = match composition {
        Some(composition) => Subject::Composition(Box::new(composition.still(at, format))),
        None => Subject::File(src.unwrap_or_default()),
    };
    Ok(Thumbnail { subject, at, width: width.unwrap_or(DEFAULT_WIDTH), format })
}

fn schema() -> Value {
    document::schema::<ThumbnailInput>(NAME)
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

/// Compiles, given the facts of the one file, or those of the composition's sources in their order.
///
/// # Errors
/// Those of compiling; one of the caller if the file has no picture.
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

/// The size, reduced to at most `most` pixels across in its own shape.
fn within((width, height): (u32, u32), most: u32) -> (u32, u32) {
    if width <= most {
        return (width, height);
    }
    let high = u64::from(height) * u64::from(most) * 2 / u64::from(width);
    (most, u32::try_from(high.div_ceil(2)).unwrap_or(u32::MAX).max(1))
}

/// The file as a composition of one clip of one frame, in the size of the thumbnail.
fn document(thumbnail: &Thumbnail, src: &str, facts: &Facts, video: &VideoFacts) -> Value {
    let (width, height) = canvas(within(video.shown_size(), thumbnail.width));
    let asset = match facts.image {
        true => json!({"type": "image", "src": src}),
        false => {
            let trim = seconds_of(begin(thumbnail.at, facts, video));
            json!({"type": "video", "src": src, "trim": trim})
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

/// The nearest size that a canvas can have: even, and within its bounds.
fn canvas((width, height): (u32, u32)) -> (u32, u32) {
    let side = |side: u32| side.clamp(16, 4096).next_multiple_of(2);
    let (width, height) = (side(width), side(height));
    let most = u32::try_from(MAX_PIXELS / u64::from(width)).unwrap_or(4096) & !1;
    (width, height.min(most))
}

/// The time of the thumbnail, or of the last frame if the file is shorter.
fn begin(at: Ratio, facts: &Facts, video: &VideoFacts) -> Ratio {
    let Some(duration) = facts.duration else { return at };
    let default = Ratio::new(LAST_FRAME.0, LAST_FRAME.1).unwrap_or(Ratio::ONE);
    let frame = video.rate.and_then(|rate| Ratio::ONE.over(rate)).unwrap_or(default);
    at.min(duration.minus(frame).max(Ratio::ZERO))
}

/// Seconds as a composition has them, rounded down to a microsecond so that they do not pass the
/// frame.
fn seconds_of(seconds: Ratio) -> Value {
    let micros = seconds.times(Ratio::whole(1_000_000)).floor();
    let written = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    serde_json::from_str(&written).unwrap_or_else(|_| json!(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thumbnail_has_one_subject_and_every_fault_is_reported() {
        let pointers = |input: Value| -> Vec<String> {
            read_input(&input).expect_err("faults").into_iter().map(|fault| fault.pointer).collect()
        };
        assert_eq!(pointers(json!({})), [""]);
        assert_eq!(
            pointers(json!({"src": "a.mp4", "composition": {}})),
            ["", "/composition/timeline"]
        );
        assert_eq!(
            pointers(json!({"src": "ftp://a/b", "t": -1, "width": 7})),
            ["/src", "/t", "/width"]
        );
        assert!(
            read_input(&json!({"src": "a.mp4", "t": 1.5, "width": 600, "format": "webp"})).is_ok()
        );
    }

    #[test]
    fn nothing_is_enlarged_and_shapes_are_kept() {
        assert_eq!(within((1920, 1080), 320), (320, 180));
        assert_eq!(within((100, 333), 320), (100, 333));
        assert_eq!(canvas((321, 9)), (322, 16));
    }
}
