//! Compiles text: runs, styles and boxes.

use super::figures::{faded, gradient, outline};
use super::look::Extent;
use crate::document::{Count, Decimal};
use crate::plan::{
    Align, Animation, AnimationKind, AnimationUnit, Background, Canvas, Direction, Fitting, Micro,
    Rate, Ratio, Rgba, Shadow, Stroke, Text, TextRun, TextStyle, VerticalAlign,
};
use crate::syntax::{
    AlignForm, AnimationForm, AnimationPreset, AnimationStyle, BackgroundForm, DirectionName,
    FontForm, HorizontalAlign, OutlineForm, Overflow, Padding, ShadowForm, StyleForm, TextAsset,
    TextDecoration, TextTransform, VerticalAlignName,
};

/// The default family, which the engine bundles.
pub(super) const DEFAULT_FAMILY: &str = "Open Sans";
/// The weights in which the engine bundles it.
pub(super) const DEFAULT_WEIGHTS: [u16; 2] = [400, 700];
/// The size of text that has none, as a share of the frame's shorter side: 48 pixels of 720.
const DEFAULT_SIZE: (i64, i64) = (1, 15);
/// The outline of text that has no style, as a share of its size: it is read on any picture.
const DEFAULT_OUTLINE: i64 = 12;
/// The margin of text in a frame, as a share of its side: half of what the title-safe area leaves.
const SAFE_MARGIN: i64 = 20;
/// The smallest size that shrinking reaches, in pixels.
const LEAST_SIZE: Micro = Micro::whole(8);

/// The size of text that has none, in whole pixels.
pub(super) fn default_size(canvas: &Canvas) -> Ratio {
    let (share, of) = DEFAULT_SIZE;
    Ratio::whole((i64::from(canvas.width.min(canvas.height)) * share / of).max(8))
}

/// A text and its box, for a clip of `frames` frames.
pub(super) fn text(
    asset: &TextAsset,
    bounds: Extent,
    boxed: bool,
    canvas: &Canvas,
    frames: u64,
) -> (Text, Extent) {
    let side = |own: Option<Count>, default: Ratio| {
        own.map_or(default, |count| Ratio::whole(i64::from(count.0)))
    };
    let extent = Extent {
        width: side(asset.width, bounds.width),
        height: side(asset.height, bounds.height),
    };
    // An empty text has no lines that a background could hug, so the background fills the box.
    let empty =
        asset.text.as_ref().is_none_or(|text| text.0.trim().is_empty()) && asset.runs.is_none();
    let boxed = boxed || empty || asset.width.is_some() || asset.height.is_some();
    let forms = TextForms {
        font: asset.font.as_ref(),
        style: asset.style.as_ref(),
        stroke: asset.stroke.as_ref(),
        shadow: asset.shadow.as_ref(),
        background: asset.background.as_ref(),
        default_size: default_size(canvas),
    };
    let mut runs = Vec::new();
    if let Some(text) = &asset.text {
        runs.push(forms.run(&text.0));
    }
    for run in asset.runs.iter().flatten() {
        let run_forms = TextForms { font: run.font.as_ref(), style: run.style.as_ref(), ..forms };
        runs.push(forms.run_with(&run_forms, &run.text.0));
    }
    let text = Text {
        runs,
        align: align(asset.align.as_ref()),
        vertical: vertical(asset.align.as_ref(), VerticalAlign::Middle),
        line_height: forms.line_height(),
        padding: match asset.padding {
            None if !boxed => safe_margin(extent),
            written => padding(written),
        },
        background: asset.background.as_ref().and_then(|form| background(form, boxed)),
        fitting: fitting(asset.overflow),
        most_lines: None,
        animation: asset.animation.as_ref().map(|form| animation(form, canvas.rate, frames)),
    };
    (text, extent)
}

/// The members of the composition that decide how a run looks.
#[derive(Clone, Copy)]
pub(super) struct TextForms<'a> {
    pub font: Option<&'a FontForm>,
    pub style: Option<&'a StyleForm>,
    pub stroke: Option<&'a OutlineForm>,
    pub shadow: Option<&'a ShadowForm>,
    pub background: Option<&'a BackgroundForm>,
    /// The size without one of its own.
    pub default_size: Ratio,
}

impl TextForms<'_> {
    /// A run in this style.
    pub fn run(&self, text: &str) -> TextRun {
        TextRun { text: self.cased(text), style: self.look() }
    }

    /// A run in this style, with the settings that another one gives in their place.
    fn run_with(&self, other: &TextForms, text: &str) -> TextRun {
        let default = self.look();
        let font = other.font;
        let own = other.look();
        let said = |field: fn(&FontForm) -> bool| font.is_some_and(field);
        let styled = other.style;
        let cased = styled.is_some_and(|style| style.text_transform.is_some());
        let style = TextStyle {
            family: if said(|font| font.family.is_some()) { own.family } else { default.family },
            size: if said(|font| font.size.is_some()) { own.size } else { default.size },
            weight: if said(|font| font.weight.is_some()) { own.weight } else { default.weight },
            italic: if said(|font| font.italic.is_some()) { own.italic } else { default.italic },
            colour: if said(|font| font.color.is_some() || font.opacity.is_some()) {
                own.colour
            } else {
                default.colour
            },
            gradient: own.gradient.or(if said(|font| font.color.is_some()) {
                None
            } else {
                default.gradient
            }),
            letter_spacing: styled
                .and_then(|style| style.letter_spacing)
                .map_or(default.letter_spacing, Decimal::micro),
            word_spacing: styled
                .and_then(|style| style.word_spacing)
                .map_or(default.word_spacing, Decimal::micro),
            underline: if styled.is_some_and(|s| s.text_decoration.is_some()) {
                own.underline
            } else {
                default.underline
            },
            strike: if styled.is_some_and(|s| s.text_decoration.is_some()) {
                own.strike
            } else {
                default.strike
            },
            // A run of a colour of its own may have that of the default outline.
            stroke: default.stroke.filter(|_| own.stroke.is_some()),
            shadow: default.shadow,
        };
        TextRun { text: if cased { other.cased(text) } else { self.cased(text) }, style }
    }

    pub fn look(&self) -> TextStyle {
        let font = self.font;
        let style = self.style;
        let colour = font.and_then(|font| font.color).unwrap_or(Rgba::WHITE);
        let decoration = style.and_then(|style| style.text_decoration);
        TextStyle {
            family: font
                .and_then(|font| font.family.as_ref())
                .map_or(DEFAULT_FAMILY, |family| &family.0)
                .to_owned(),
            size: font
                .and_then(|font| font.size)
                .map_or(self.default_size.to_micro(), Decimal::micro),
            weight: font.and_then(|font| font.weight).map_or(400, |weight| weight.0 as u16),
            italic: font.and_then(|font| font.italic).is_some_and(|flag| flag.0),
            colour: faded(colour, font.and_then(|font| font.opacity)),
            gradient: style.and_then(|style| style.gradient.as_ref()).map(gradient),
            letter_spacing: style
                .and_then(|style| style.letter_spacing)
                .map_or(Micro::ZERO, Decimal::micro),
            word_spacing: style
                .and_then(|style| style.word_spacing)
                .map_or(Micro::ZERO, Decimal::micro),
            underline: decoration == Some(TextDecoration::Underline),
            strike: decoration == Some(TextDecoration::LineThrough),
            stroke: match self.stroke {
                Some(form) => stroke(form),
                None => self.default_outline(),
            },
            shadow: self.shadow.map(shadow),
        }
    }

    /// The outline of text whose colours nobody chose.
    fn default_outline(&self) -> Option<Stroke> {
        let coloured = self.font.is_some_and(|font| font.color.is_some())
            || self.style.is_some_and(|style| style.gradient.is_some());
        if coloured || self.shadow.is_some() || self.background.is_some() {
            return None;
        }
        let size = self.font.and_then(|font| font.size).map_or(self.default_size, |size| size.0);
        let width = size.over(Ratio::whole(DEFAULT_OUTLINE))?;
        let colour = faded(Rgba::BLACK, self.font.and_then(|font| font.opacity));
        Some(Stroke { width: width.to_micro(), colour })
    }

    /// A line's height, in font sizes.
    pub fn line_height(&self) -> Micro {
        let said = self
            .style
            .and_then(|style| style.line_height)
            .or(self.font.and_then(|font| font.line_height));
        said.map_or(Micro(1_200_000), Decimal::micro)
    }

    /// Returns whether the style asks for capitals. Captions carry that as one flag, not in every
    /// cue.
    pub fn capitals(&self) -> bool {
        self.style.and_then(|style| style.text_transform) == Some(TextTransform::Uppercase)
    }

    /// A text in the style's case, except that capitals are left to the engine.
    pub fn cased_except_capitals(&self, text: &str) -> String {
        if self.capitals() { text.to_owned() } else { self.cased(text) }
    }

    /// A text in the style's case.
    pub fn cased(&self, text: &str) -> String {
        match self.style.and_then(|style| style.text_transform) {
            None | Some(TextTransform::None) => text.to_owned(),
            Some(TextTransform::Uppercase) => text.to_uppercase(),
            Some(TextTransform::Lowercase) => text.to_lowercase(),
            Some(TextTransform::Capitalize) => capitalised(text),
        }
    }
}

fn capitalised(text: &str) -> String {
    let mut first = true;
    let mut result = String::with_capacity(text.len());
    for letter in text.chars() {
        if first && letter.is_alphanumeric() {
            result.extend(letter.to_uppercase());
        } else {
            result.push(letter);
        }
        first = letter.is_whitespace() || (first && !letter.is_alphanumeric());
    }
    result
}

/// An outline; none if it has no width.
pub(super) fn stroke(form: &OutlineForm) -> Option<Stroke> {
    let (colour, width) = outline(form);
    (width > Micro::ZERO).then_some(Stroke { width, colour })
}

fn shadow(form: &ShadowForm) -> Shadow {
    let pixels = |number: Option<Decimal>| number.map_or(Micro::whole(2), Decimal::micro);
    let opacity = form.opacity.map_or(Micro(500_000), Decimal::micro);
    Shadow {
        x: pixels(form.offset_x),
        y: pixels(form.offset_y),
        sigma: pixels(form.blur),
        colour: form.color.unwrap_or(Rgba::BLACK).faded(opacity),
    }
}

/// A text's background; none without a colour. It hugs the lines if the form says so, or if there
/// is no box to fill.
pub(super) fn background(form: &BackgroundForm, boxed: bool) -> Option<Background> {
    let colour = faded(form.color?, form.opacity);
    let hugs = form.wrap.map_or(!boxed, |flag| flag.0);
    let room = form.padding.map_or(Micro::ZERO, Decimal::micro);
    let radius = form.border_radius.map_or(Micro::ZERO, Decimal::micro);
    Some(Background { colour, radius, hug: hugs.then_some(room) })
}

/// The horizontal alignment, centred by default.
pub(super) fn align(form: Option<&AlignForm>) -> Align {
    match form.and_then(|form| form.horizontal) {
        None | Some(HorizontalAlign::Center) => Align::Centre,
        Some(HorizontalAlign::Left) => Align::Left,
        Some(HorizontalAlign::Right) => Align::Right,
        Some(HorizontalAlign::Start) => Align::Start,
        Some(HorizontalAlign::End) => Align::End,
        Some(HorizontalAlign::Justify) => Align::Justify,
    }
}

pub(super) fn vertical(form: Option<&AlignForm>, default: VerticalAlign) -> VerticalAlign {
    match form.and_then(|form| form.vertical) {
        None => default,
        Some(VerticalAlignName::Top) => VerticalAlign::Top,
        Some(VerticalAlignName::Center | VerticalAlignName::Middle) => VerticalAlign::Middle,
        Some(VerticalAlignName::Bottom) => VerticalAlign::Bottom,
    }
}

/// The padding of text in the whole frame: without one, long lines would touch its edges.
fn safe_margin(extent: Extent) -> [Micro; 4] {
    let share = |side: Ratio| {
        Micro::whole(side.over(Ratio::whole(SAFE_MARGIN)).map_or(0, Ratio::round_half_up))
    };
    let (across, down) = (share(extent.width), share(extent.height));
    [down, across, down, across]
}

/// The padding of the four sides.
pub(super) fn padding(written: Option<Padding>) -> [Micro; 4] {
    written.map_or([Micro::ZERO; 4], |room| {
        [room.top, room.right, room.bottom, room.left].map(Decimal::micro)
    })
}

fn fitting(overflow: Option<Overflow>) -> Fitting {
    match overflow {
        None | Some(Overflow::Wrap) => Fitting::Wrap,
        Some(Overflow::Shrink) => Fitting::Shrink { least: LEAST_SIZE },
        Some(Overflow::None) => Fitting::None,
    }
}

fn animation(form: &AnimationForm, rate: Rate, frames: u64) -> Animation {
    let direction = match form.direction {
        Some(DirectionName::Left) => Direction::Left,
        Some(DirectionName::Right) => Direction::Right,
        Some(DirectionName::Up) | None => Direction::Up,
        Some(DirectionName::Down) => Direction::Down,
    };
    let (kind, default) = match form.preset {
        AnimationPreset::FadeIn => (AnimationKind::FadeIn, AnimationUnit::Whole),
        AnimationPreset::SlideIn => (AnimationKind::SlideIn(direction), AnimationUnit::Whole),
        AnimationPreset::Typewriter => (AnimationKind::Typewriter, AnimationUnit::Character),
        AnimationPreset::Ascend => (AnimationKind::Ascend, AnimationUnit::Word),
        AnimationPreset::Shift => (AnimationKind::Shift(direction), AnimationUnit::Whole),
        AnimationPreset::MovingLetters => {
            (AnimationKind::MovingLetters(direction), AnimationUnit::Character)
        }
    };
    let by = match form.style {
        None => default,
        Some(AnimationStyle::Whole) => AnimationUnit::Whole,
        Some(AnimationStyle::Line) => AnimationUnit::Line,
        Some(AnimationStyle::Word) => AnimationUnit::Word,
        Some(AnimationStyle::Character) => AnimationUnit::Character,
    };
    let seconds = form.duration.map_or(Ratio::ONE, |duration| duration.0);
    Animation { kind, by, frames: rate.frame_at(seconds).clamp(1, frames.max(1)) }
}
