//! The render plan: plain data, ready to be hashed.
//!
//! Three rules keep equal plans equal to the byte. Times are whole frames or samples, or exact
//! fractions ([`Ratio`]). Every other fractional number is fixed-point ([`Micro`]): an integer of
//! millionths of the unit that the field names. A segment does not record its place in the
//! composition. The key of a [`Segment`] or a [`Sound`] is a hash of its canonical JSON.

mod assemble;
mod asset;
mod caption;
mod easing;
mod facts;
mod layer;
mod motion;
mod number;
mod pose;
mod recipe;
mod segment;
mod sound;
mod text;

pub use assemble::{Assemble, Format, Poster, Tags};
pub use asset::{
    Asset, Backdrop, Gradient, GradientStop, Picture, Shape, ShapeKind, Source, Video, WaveStyle,
    Waveform,
};
pub use caption::{CaptionWord, Captions, Cue, WordStyle};
pub use facts::{AudioFacts, ColourFacts, Facts, FontFace, SpokenWord, VideoFacts};
pub use layer::{Blend, ChromaKey, Filter, Layer, Placement, Span};
pub use motion::{Curve, Direction, Drift, Easing, Transition, TransitionKind, Tween, WHOLE};
pub use number::{MICRO, Micro, Rate, Ratio, RatioError, Rect, Rgba, SourceHash};
pub use pose::Pose;
pub use recipe::{ColourTags, PixelFormat, Quality, Recipe, SoundCodec, SoundRecipe, VideoCodec};
pub use segment::{Canvas, Segment};
pub use sound::{Ducking, Loudness, Role, Sound, SoundItem};
pub use text::{
    Align, Animation, AnimationKind, AnimationUnit, Background, Fitting, Shadow, Stroke, Text,
    TextRun, TextStyle, VerticalAlign, separates_words, words_of,
};

use serde::{Deserialize, Serialize};

/// The engine's version, a part of every key: results of another engine are never taken for this
/// one's. Raise it whenever the same plan would give other pictures or another sound.
pub const ENGINE_VERSION: u32 = 5;

/// All work for one composition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RenderPlan {
    /// The segments, in order; together they hold every frame. Empty if the format has sound alone.
    pub segments: Vec<Segment>,
    /// The sound of the whole composition, if it has any.
    pub sound: Option<Sound>,
    pub assemble: Assemble,
    /// Settings that were read otherwise than the caller may have meant: sentences for the job's
    /// result.
    pub warnings: Vec<String>,
}
