//! The whole document: timeline and output.

use super::clip::Clip;
use super::sound::{DuckingForm, LoudnessForm, Soundtrack};
use crate::document::{
    Bounded, Count, Decimal, Definitions, DocumentReader, Flag, Form, Line, Src, choice, object,
};
use crate::limits::{
    CLIPS, DESTINATIONS, FONTS, FPS, LENGTH, MERGES, PLAYS, SECONDS, SHARE, SIDE, TRACKS,
};
use crate::plan::{Rate, Ratio, Rgba};
use serde_json::{Value, json};

object! {
    /// A video: what is on its timeline, and the file to make of it.
    pub(crate) struct Edit {
        /// The tracks: pictures, text and sound, and their times.
        timeline: Timeline = "timeline",
        /// The file to make.
        output: Option<Output> = "output",
        /// Values for `{{ NAME }}` in any string of the composition.
        merge: Option<Vec<MergeField>> = "merge" within MERGES,
    }
}

object! {
    /// The value of `{{ find }}` in any string.
    pub(crate) struct MergeField {
        /// The name, without braces.
        find: Line = "find",
        /// The value. Where a string is nothing but the placeholder, the value takes its place with
        /// its own type.
        replace: Value = "replace",
    }
}

object! {
    /// The tracks: pictures, text and sound, and their times.
    pub(crate) struct Timeline {
        /// Music or another sound under all of it.
        soundtrack: Option<Soundtrack> = "soundtrack",
        /// The colour where nothing is; black unless said.
        background: Option<Rgba> = "background",
        /// Fonts of your own, by URL (TTF, OTF).
        fonts: Option<Vec<FontSource>> = "fonts" within FONTS,
        /// Tracks; the first is on top.
        tracks: Vec<Track> = "tracks" within TRACKS,
        /// How music gives way to voices; `false` for not at all.
        ducking: Option<Switch<DuckingForm>> = "ducking",
    }
}

object! {
    /// A font of your own.
    pub(crate) struct FontSource {
        /// The address of the font file.
        src: Src = "src",
    }
}

object! {
    /// Clips that share a place in the stack. Where two overlap, the later one is on top.
    pub(crate) struct Track {
        /// The clips, in order.
        clips: Vec<Clip> = "clips" within CLIPS,
    }
}

object! {
    /// The file to make.
    pub(crate) struct Output {
        /// The kind of file; `mp4` unless said.
        format: Option<FileFormat> = "format",
        /// The codec of an mp4's pictures; `h264` unless said.
        codec: Option<Codec> = "codec",
        /// A common size: the shorter side is 288, 360, 576, 720, 1080 or 2160 pixels. `hd` unless
        /// said.
        resolution: Option<Resolution> = "resolution",
        /// The shape of the frame; `16:9` unless said.
        aspect_ratio: Option<AspectRatio> = "aspectRatio",
        /// The exact size, instead of resolution and shape.
        size: Option<Size> = "size",
        /// Frames a second, 12 to 60; 23.976, 29.97 and 59.94 mean the exact NTSC rates. 25 unless
        /// said.
        fps: Option<FrameRate> = "fps",
        /// How good the picture is; `medium` unless said.
        quality: Option<QualityName> = "quality",
        /// The part of the timeline to make; all of it unless said.
        range: Option<Range> = "range",
        /// A full-size picture of one moment beside the video.
        poster: Option<Capture> = "poster",
        /// A small picture of one moment beside the video.
        thumbnail: Option<ThumbnailForm> = "thumbnail",
        /// No sound at all.
        mute: Option<Flag> = "mute",
        /// Plays of a GIF or an animated WebP: `true` for ever (the default), or their number.
        repeat: Option<Repeat> = "repeat",
        /// The loudness of the whole; −14 LUFS and −1 dBTP unless said, `false` leaves it as mixed.
        loudness: Option<Switch<LoudnessForm>> = "loudness",
        /// A title, written into the file.
        title: Option<Line> = "title",
        /// Refused: a result is fetched from its `url`.
        destinations: Option<Value> = "destinations" within DESTINATIONS,
    }
}

choice! {
    /// A kind of file.
    pub(crate) enum FileFormat {
        /// Video: H.264 or H.265 with AAC.
        Mp4 = "mp4",
        /// Video: VP9 with Opus; keeps a transparent background.
        Webm = "webm",
        /// An animated picture of 256 colours.
        Gif = "gif",
        /// Sound alone.
        Mp3 = "mp3",
        /// Sound alone, not compressed.
        Wav = "wav",
        /// One frame, the first of the range.
        Jpg = "jpg",
        /// One frame, the first of the range; keeps a transparent background.
        Png = "png",
        /// An animated picture; one frame where the range is no longer than that.
        Webp = "webp",
    }
}

choice! {
    /// A codec of pictures.
    pub(crate) enum Codec {
        /// Plays everywhere.
        H264 = "h264",
        /// Smaller files, plays on newer devices.
        H265 = "h265",
    }
}

choice! {
    /// A common size, by its shorter side.
    pub(crate) enum Resolution {
        /// 288 pixels.
        Preview = "preview",
        /// 360 pixels.
        Mobile = "mobile",
        /// 576 pixels.
        Sd = "sd",
        /// 720 pixels.
        Hd = "hd",
        /// 1080 pixels.
        FullHd = "1080",
        /// 2160 pixels.
        FourK = "4k",
    }
}

choice! {
    /// The shape of the frame, width to height.
    pub(crate) enum AspectRatio {
        /// Wide.
        Wide = "16:9",
        /// Upright, as phones are held.
        Tall = "9:16",
        /// Square.
        Square = "1:1",
        /// A little taller than wide.
        FourFive = "4:5",
        /// The shape of old television.
        FourThree = "4:3",
    }
}

choice! {
    /// How good the picture is.
    pub(crate) enum QualityName {
        /// Smallest file (x264 crf 33).
        VeryLow = "verylow",
        /// Small file (crf 28).
        Low = "low",
        /// The usual (crf 23).
        Medium = "medium",
        /// Better than most eyes need (crf 19).
        High = "high",
        /// No loss to be seen (crf 16).
        VeryHigh = "veryhigh",
    }
}

object! {
    /// A size in pixels; both even.
    pub(crate) struct Size {
        /// Across.
        width: Count = "width" within SIDE,
        /// Down.
        height: Count = "height" within SIDE,
    }
}

object! {
    /// A part of the timeline, in seconds.
    pub(crate) struct Range {
        /// Its start; 0 unless said.
        start: Option<Decimal> = "start" within SECONDS,
        /// How long it is; to the end unless said.
        length: Option<Decimal> = "length" within LENGTH,
    }
}

object! {
    /// A moment to take a picture of.
    pub(crate) struct Capture {
        /// Seconds from the start of the video.
        capture: Decimal = "capture" within SECONDS,
    }
}

object! {
    /// A moment to take a small picture of.
    pub(crate) struct ThumbnailForm {
        /// Seconds from the start of the video.
        capture: Decimal = "capture" within SECONDS,
        /// Its size as a share of the video's; 0.3 unless said.
        scale: Option<Decimal> = "scale" within SHARE,
    }
}

/// Frames a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameRate(pub Rate);

/// Rates as people spell them, in thousandths, and what they mean.
const NTSC: [(i64, u32); 7] = [
    (23_976, 24),
    (23_980, 24),
    (29_970, 30),
    (47_952, 48),
    (47_950, 48),
    (59_940, 60),
    (14_985, 15),
];

/// `30000/1001` and its like.
fn ntsc_fraction(text: &str) -> Option<Rate> {
    let num = text.strip_suffix("/1001")?.parse::<u32>().ok()?;
    let allowed = num.is_multiple_of(1000) && (12_000..=60_000).contains(&num);
    allowed.then_some(Rate { num, den: 1001 })
}

impl Form for FrameRate {
    fn read(value: &Value, reader: &mut DocumentReader) -> Option<Self> {
        if let Some(rate) = value.as_str().and_then(ntsc_fraction) {
            return Some(FrameRate(rate));
        }
        let number = Decimal::read(value, reader)?;
        number.check(&FPS, reader);
        let thousandths = number.0.times(Ratio::whole(1000)).round_half_up();
        if let Some((_, whole)) =
            NTSC.iter().find(|(spelled, _)| (spelled - thousandths).abs() <= 1)
        {
            return Some(FrameRate(Rate { num: whole * 1000, den: 1001 }));
        }
        match (number.0.den(), u32::try_from(number.0.num())) {
            (1, Ok(num)) => Some(FrameRate(Rate { num, den: 1 })),
            _ => reader.fault(format!(
                "is {}: give a whole number, 23.976, 29.97, 59.94, or `30000/1001`",
                number.0.to_f64()
            )),
        }
    }

    fn schema(_: &mut Definitions) -> Value {
        json!({ "oneOf": [
            { "type": "number", "minimum": 12, "maximum": 60 },
            { "type": "string", "pattern": "^[0-9]{2}000/1001$" },
        ] })
    }
}

/// A number of repetitions, or no end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Repeat(pub Option<u32>);

impl Form for Repeat {
    fn read(value: &Value, reader: &mut DocumentReader) -> Option<Self> {
        if !value.is_number() {
            return Flag::read(value, reader).map(|flag| Repeat((!flag.0).then_some(1)));
        }
        let count = Count::read(value, reader)?;
        count.check(&PLAYS, reader);
        Some(Repeat(Some(count.0)))
    }

    fn schema(_: &mut Definitions) -> Value {
        json!({ "type": ["boolean", "integer"] })
    }
}

/// Settings, or `false` for off, or `true` for the usual.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Switch<F> {
    /// Off.
    Off,
    /// As usual.
    On,
    /// With settings.
    Set(F),
}

impl<F: Form> Form for Switch<F> {
    fn read(value: &Value, reader: &mut DocumentReader) -> Option<Self> {
        match value {
            Value::Bool(false) => Some(Switch::Off),
            Value::Bool(true) => Some(Switch::On),
            other => F::read(other, reader).map(Switch::Set),
        }
    }

    fn schema(definitions: &mut Definitions) -> Value {
        json!({ "oneOf": [{ "type": "boolean" }, F::schema(definitions)] })
    }
}
