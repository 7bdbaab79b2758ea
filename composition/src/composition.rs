//! A parsed composition: defaults filled in, references checked.

use crate::plan::{Canvas, Ducking, Format, Loudness, Poster, Ratio, Recipe};
use crate::syntax::{Asset, Clip as WrittenClip, Soundtrack};
use common::kinds::speech::SpeechInput;

/// A valid video composition, made by [`crate::parse`]. Only the lengths and sizes of its sources
/// are still unknown.
#[derive(Clone, Debug, PartialEq)]
pub struct Composition {
    pub(crate) canvas: Canvas,
    pub(crate) output: Output,
    pub(crate) tracks: Vec<Vec<Clip>>,
    pub(crate) soundtrack: Option<Soundtrack>,
    pub(crate) fonts: Vec<String>,
    pub(crate) ducking: Option<Ducking>,
}

impl Composition {
    /// The same composition as one picture: the frame at `seconds` of the timeline, without sound.
    /// `format` is [`Format::Jpg`], [`Format::Png`] or [`Format::Webp`]; any other gives a PNG.
    ///
    /// ```
    /// use composition::plan::{Format, Ratio};
    ///
    /// let document = serde_json::json!({ "timeline": { "tracks": [{
    ///     "clips": [{ "asset": { "type": "color", "color": "navy" }, "length": 10 }],
    /// }] } });
    /// let composition = composition::parse(&document).expect("a valid composition");
    /// let still = composition.still(Ratio::whole(4), Format::Png);
    /// let plan = composition::compile(&still, &Default::default()).expect("a plan");
    /// assert_eq!(plan.assemble.frames, 1);
    /// ```
    #[must_use]
    pub fn still(&self, seconds: Ratio, format: Format) -> Composition {
        let format =
            if matches!(format, Format::Jpg | Format::Webp) { format } else { Format::Png };
        let recipe = crate::resolve::output::picture_recipe(
            format,
            self.output.recipe,
            self.canvas.background,
        );
        let frame = self.canvas.rate.frame_at(seconds);
        let output = Output {
            format,
            recipe,
            from: self.canvas.rate.seconds(frame),
            length: Some(self.canvas.rate.seconds(1)),
            poster: None,
            thumbnail: None,
            mute: true,
            ..self.output.clone()
        };
        Composition { output, ..self.clone() }
    }

    /// Every clip, top track first.
    pub(crate) fn clips(&self) -> impl Iterator<Item = &Clip> {
        self.tracks.iter().flatten()
    }

    pub(crate) fn clip_with_alias(&self, alias: &str) -> Option<&Clip> {
        self.clips().find(|clip| clip.written.alias.as_ref().is_some_and(|name| name.0 == alias))
    }
}

/// A clip and its place in the document.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Clip {
    /// The clip's JSON Pointer in the composition.
    pub pointer: String,
    /// The clip as the caller wrote it.
    pub written: WrittenClip,
    /// The input of the speech task, for a speech asset.
    pub speech: Option<SpeechInput>,
}

impl Clip {
    /// The JSON Pointer to a member of this clip.
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.pointer)
    }

    /// Returns whether the clip is a matte for the others of its track.
    pub fn is_matte(&self) -> bool {
        matches!(self.written.asset, Asset::Luma(_))
    }
}

/// The file to make.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Output {
    pub format: Format,
    pub recipe: Recipe,
    /// The second of the timeline at which the file begins.
    pub from: Ratio,
    /// The file's length in seconds; none takes the rest of the timeline.
    pub length: Option<Ratio>,
    /// A picture of one frame at full size.
    pub poster: Option<Capture>,
    /// A smaller picture of one frame.
    pub thumbnail: Option<Capture>,
    pub mute: bool,
    /// How often a GIF plays; none repeats for ever.
    pub plays: Option<u32>,
    pub loudness: Option<Loudness>,
    pub title: Option<String>,
}

/// A picture to take of one frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Capture {
    /// The moment, in seconds of the output.
    pub at: Ratio,
    /// The picture's size, as a factor of the canvas.
    pub scale: crate::plan::Micro,
}

impl Capture {
    /// The picture in frames of the output; past the end it is the last frame.
    pub fn poster(self, canvas: &Canvas, frames: u64) -> Poster {
        Poster {
            frame: canvas.rate.frame_at(self.at).min(frames.saturating_sub(1)),
            scale: self.scale,
        }
    }
}
