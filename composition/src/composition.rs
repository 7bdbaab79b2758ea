//! A composition that is known to make sense: what the caller meant, defaults in place, references checked.

use crate::plan::{Canvas, Ducking, Format, Loudness, Poster, Ratio, Recipe};
use crate::syntax::{Asset, Clip as WrittenClip, Soundtrack};
use common::kinds::speech::SpeechInput;

/// A video, as it was meant. Made by [`crate::parse`]; what is left to know is how long and how large its sources are.
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
    /// The same, as a picture of one moment: what shows at `seconds` of the timeline, without sound. `format` is
    /// [`Format::Jpg`], [`Format::Png`] or [`Format::Webp`]; anything else is made a PNG.
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

    /// The clip with an alias.
    pub(crate) fn clip_named(&self, alias: &str) -> Option<&Clip> {
        self.clips().find(|clip| clip.written.alias.as_ref().is_some_and(|name| name.0 == alias))
    }
}

/// A clip and where it was written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Clip {
    /// Its JSON Pointer in the composition.
    pub pointer: String,
    /// What was written.
    pub written: WrittenClip,
    /// What it says, where it speaks.
    pub speech: Option<SpeechInput>,
}

impl Clip {
    /// The pointer to a part of it.
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.pointer)
    }

    /// Returns whether it is a matte for the others of its track.
    pub fn is_matte(&self) -> bool {
        matches!(self.written.asset, Asset::Luma(_))
    }
}

/// The file to make.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Output {
    /// The kind of file.
    pub format: Format,
    /// How frames are encoded.
    pub recipe: Recipe,
    /// The first second of the timeline that is made.
    pub from: Ratio,
    /// How many seconds, where not all the rest.
    pub length: Option<Ratio>,
    /// A picture at full size: second, then share of the size.
    pub poster: Option<Capture>,
    /// A smaller one.
    pub thumbnail: Option<Capture>,
    /// No sound.
    pub mute: bool,
    /// How often a GIF plays; none for ever.
    pub plays: Option<u32>,
    /// The loudness to reach.
    pub loudness: Option<Loudness>,
    /// A title.
    pub title: Option<String>,
}

/// A moment to take a picture of, in seconds of the output.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Capture {
    /// When.
    pub at: Ratio,
    /// How large.
    pub scale: crate::plan::Micro,
}

impl Capture {
    /// The frame it falls on, the last one where it is past the end.
    pub fn poster(self, canvas: &Canvas, frames: u64) -> Poster {
        Poster {
            frame: canvas.rate.frame_at(self.at).min(frames.saturating_sub(1)),
            scale: self.scale,
        }
    }
}
