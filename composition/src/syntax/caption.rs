//! Captions as they are written.

use super::asset::OutlineForm;
use super::text::{AlignForm, BackgroundForm, FontForm, Padding, ShadowForm, StyleForm};
use crate::document::{Count, Decimal, Line, Prose, Src, choice, object};
use crate::limits::{CHARACTERS, LINES, SCALE, SECONDS, WORDS};
use crate::plan::Rgba;

object! {
    /// Captions from a file, from words, from cues, or from what a clip says.
    pub(crate) struct CaptionAsset {
        /// The address of the SRT, VTT or ASS file, or `alias://` and the alias of a speech clip.
        src: Option<Src> = "src",
        /// Words with their times.
        words: Option<Vec<WordForm>> = "words" within WORDS,
        /// Cues with their times.
        cues: Option<Vec<CueForm>> = "cues" within WORDS,
        /// Seconds of the file or words to leave out at the start.
        trim: Option<Decimal> = "trim" within SECONDS,
        /// The font.
        font: Option<FontForm> = "font",
        /// Spacing and decoration.
        style: Option<StyleForm> = "style",
        /// The place in the box; the middle of the bottom unless said.
        align: Option<AlignForm> = "align",
        /// The background of the lines.
        background: Option<BackgroundForm> = "background",
        /// Room kept free inside the box, in pixels.
        padding: Option<Padding> = "padding",
        /// An outline of the letters; a black one if there is no colour, shadow or background.
        stroke: Option<OutlineForm> = "stroke",
        /// A shadow of the letters.
        shadow: Option<ShadowForm> = "shadow",
        /// How the word being said looks.
        active: Option<ActiveForm> = "active",
        /// How words appear or stand out as they are said; `highlight` for rich captions unless
        /// said.
        word_animation: Option<WordAnimation> = "wordAnimation",
        /// The most characters a line made from words has; what the box has room for unless said.
        max_characters: Option<Count> = "maxCharacters" within CHARACTERS,
        /// The most lines a cue made from words has; 2 unless said.
        max_lines: Option<Count> = "maxLines" within LINES,
    }
}

object! {
    /// A word and when it is said, in seconds from the clip's start.
    pub(crate) struct WordForm {
        /// The word.
        text: Line = "text",
        /// Its start.
        start: Decimal = "start" within SECONDS,
        /// Its end.
        end: Decimal = "end" within SECONDS,
    }
}

object! {
    /// A line or two and when they show, in seconds from the clip's start.
    pub(crate) struct CueForm {
        /// The lines.
        text: Prose = "text",
        /// Their start.
        start: Decimal = "start" within SECONDS,
        /// Their end.
        end: Decimal = "end" within SECONDS,
    }
}

object! {
    /// How the word being said looks.
    pub(crate) struct ActiveForm {
        /// Its colour; gold unless said.
        color: Option<Rgba> = "color",
        /// A patch behind it; none unless said.
        background: Option<Rgba> = "background",
        /// Its outline.
        stroke: Option<OutlineForm> = "stroke",
        /// How large `pop` makes it; 1.2 unless said.
        scale: Option<Decimal> = "scale" within SCALE,
    }
}

object! {
    /// How words appear or stand out as they are said.
    pub(crate) struct WordAnimation {
        /// Which way.
        style: WordStyleName = "style",
    }
}

choice! {
    /// How words appear or stand out as they are said.
    pub(crate) enum WordStyleName {
        /// Not at all.
        None = "none",
        /// The word being said has a colour, perhaps a patch.
        Highlight = "highlight",
        /// Words that have been said have a colour.
        Karaoke = "karaoke",
        /// The word being said swells.
        Pop = "pop",
        /// The word being said hops.
        Bounce = "bounce",
        /// Words rise into place as they are said.
        Slide = "slide",
        /// Words appear as they are said.
        Typewriter = "typewriter",
    }
}
