//! Draws captions: the current cue, word by word if words are highlighted.

use super::block::{TextContext, backdrop, patch_of};
use super::glyphs::{PlacedRaster, StyleOverride};
use super::layout::{Layout, PlacedGlyph};
use crate::picture::content::{ContentRequest, DrawingCache, DrawingKey, Patch};
use composition::plan::{Captions, Cue, Rgba, Text, WordStyle};
use std::convert::Infallible;
use std::rc::Rc;

/// A caption clip's content.
pub(crate) struct CaptionBlock {
    captions: Captions,
    layouts: DrawingCache<(usize, DrawingKey), Rc<(Text, Layout)>>,
    drawings: DrawingCache<(usize, DrawingKey, CaptionPart), Option<Patch>>,
}

/// The words of a cue that one drawing holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CaptionPart {
    Background,
    /// Every word. Words before `spoken` and the word `active` have their own colours.
    All {
        active: Option<usize>,
        spoken: usize,
    },
    /// Every word but one that is drawn by itself.
    AllBut {
        word: usize,
        place: PlaceOfOthers,
    },
    /// The words before `shown`.
    First {
        shown: usize,
        active: Option<usize>,
    },
    /// One word by itself. `zoomed` draws it at the largest size of its pop, so that it is not
    /// enlarged afterwards.
    Word {
        word: usize,
        active: bool,
        zoomed: bool,
    },
}

/// The other words of a cue, by their place beside one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PlaceOfOthers {
    Anywhere,
    OtherLines,
    Left,
    Right,
}

impl PlaceOfOthers {
    /// Returns whether a glyph is there, seen from a word with these spans.
    fn holds(self, spans: &[WordSpan], placed: &PlacedGlyph) -> bool {
        let beside = spans.iter().find(|span| span.line == placed.line);
        match self {
            Self::Anywhere => true,
            Self::OtherLines => beside.is_none(),
            Self::Left => beside.is_some_and(|span| placed.left < span.left),
            Self::Right => beside.is_some_and(|span| placed.left >= span.left),
        }
    }
}

/// Drawings in the cache: a cue's words each by themselves, and some to spare.
const MAX_DRAWINGS: usize = 96;

impl CaptionBlock {
    /// Creates the content of a caption clip.
    pub(crate) fn new(captions: Captions) -> Self {
        Self { captions, layouts: DrawingCache::new(3), drawings: DrawingCache::new(MAX_DRAWINGS) }
    }

    /// Draws the captions of the request's frame. If cues overlap, the earlier is above.
    pub(crate) fn patches(
        &mut self,
        request: &ContentRequest,
        context: &mut TextContext,
    ) -> Vec<Patch> {
        let frame = request.frame as i64;
        let showing: Vec<usize> = (0..self.captions.cues.len())
            .filter(|&index| {
                let cue = &self.captions.cues[index];
                cue.from <= frame && frame < cue.to
            })
            .collect();
        let mut patches = Vec::new();
        let mut lift = 0.0;
        for &index in showing.iter().rev() {
            let laid = self.layout(index, request, context);
            let from = patches.len();
            self.cue(index, &laid, frame, request, context, &mut patches);
            for patch in &mut patches[from..] {
                patch.y -= lift;
            }
            let [_, top, _, bottom] = laid.1.block();
            lift += f64::from(bottom - top).round() + 2.0 - (f64::from(bottom - top).round() % 2.0);
        }
        patches
    }

    fn layout(
        &mut self,
        index: usize,
        request: &ContentRequest,
        context: &mut TextContext,
    ) -> Rc<(Text, Layout)> {
        let captions = &self.captions;
        let cached: Result<_, Infallible> =
            self.layouts.get((index, request.drawing_key()), || {
                let text = text_of(captions, &captions.cues[index]);
                let layout = context.lay_out(&text, request.width, request.height, request.scale);
                Ok(Rc::new((text, layout)))
            });
        let Ok(laid) = cached;
        laid
    }

    fn cue(
        &mut self,
        index: usize,
        laid: &Rc<(Text, Layout)>,
        frame: i64,
        request: &ContentRequest,
        context: &mut TextContext,
        patches: &mut Vec<Patch>,
    ) {
        let cue = &self.captions.cues[index];
        let active = cue.words.iter().position(|word| word.from <= frame && frame < word.to);
        let begun = cue.words.iter().take_while(|word| word.from <= frame).count();
        let timed: Vec<(i64, usize)> = cue.words.iter().map(|word| word.from).zip(0..).collect();
        let style = self.captions.active;
        let mut put = |part: CaptionPart| self.part(index, part, laid, request, context);
        patches.extend(put(CaptionPart::Background));
        let size = laid.0.runs.first().map_or(0.0, |run| run.style.size.to_f64()) * laid.1.scale;
        match (style, active) {
            (None, _) => patches.extend(put(CaptionPart::All { active: None, spoken: 0 })),
            (Some(WordStyle::Highlight { .. }), active) => {
                patches.extend(put(CaptionPart::All { active, spoken: 0 }))
            }
            (Some(WordStyle::Fill { .. }), _) => {
                patches.extend(put(CaptionPart::All { active: None, spoken: begun }))
            }
            (Some(WordStyle::Typewriter { .. }), active) => {
                patches.extend(put(CaptionPart::First { shown: begun, active }));
            }
            (Some(WordStyle::Slide { distance, frames, .. }), active) => {
                for &(from, word) in timed.iter().filter(|(from, _)| *from <= frame) {
                    let done = share(frame - from + 1, frames);
                    let rest = (1.0 - done).powi(2);
                    let patch = put(CaptionPart::Word {
                        word,
                        active: active == Some(word),
                        zoomed: false,
                    });
                    patches.extend(patch.map(|patch| Patch {
                        y: patch.y + distance.to_f64() * size * rest,
                        opacity: done,
                        ..patch
                    }));
                }
            }
            (Some(WordStyle::Pop { .. } | WordStyle::Bounce { .. }), None) => {
                patches.extend(put(CaptionPart::All { active: None, spoken: 0 }));
            }
            (Some(style), Some(word)) => {
                let since = timed.get(word).map_or(0, |(from, _)| frame - from);
                let motion = WordMotion::of(style, since, size);
                let widths = spans_of_word(&laid.1, word);
                let widths = widths.iter().map(|span| f64::from(span.right - span.left));
                let width = widths.fold(0.0, f64::max);
                // A grown word takes no space from its neighbours: they move aside.
                let aside = (motion.factor - 1.0) * width / 2.0;
                let others: &[(PlaceOfOthers, f64)] = if aside > 0.0 {
                    &[
                        (PlaceOfOthers::OtherLines, 0.0),
                        (PlaceOfOthers::Left, -aside),
                        (PlaceOfOthers::Right, aside),
                    ]
                } else {
                    &[(PlaceOfOthers::Anywhere, 0.0)]
                };
                for &(place, shift) in others {
                    let patch = put(CaptionPart::AllBut { word, place });
                    patches.extend(patch.map(|patch| Patch { x: patch.x + shift, ..patch }));
                }
                let patch =
                    put(CaptionPart::Word { word, active: true, zoomed: motion.factor > 1.0 });
                patches.extend(patch.map(|patch| motion.apply(patch)));
            }
        }
    }

    fn part(
        &mut self,
        index: usize,
        part: CaptionPart,
        laid: &Rc<(Text, Layout)>,
        request: &ContentRequest,
        context: &mut TextContext,
    ) -> Option<Patch> {
        let active = self.captions.active;
        let cached: Result<_, Infallible> =
            self.drawings.get((index, request.drawing_key(), part), || {
                let zoom = zoom_of(part, active);
                let drawing = draw(part, active, &laid.0, &laid.1, request, context, zoom);
                let patch = drawing.map(|drawing| {
                    Patch::from_raster(drawing.raster, drawing.x, drawing.y, request)
                });
                Ok(patch.map(|patch| shrunk(patch, f64::from(zoom))))
            });
        let Ok(patch) = cached;
        patch
    }
}

/// Builds the text of a cue in the captions' style.
fn text_of(captions: &Captions, cue: &Cue) -> Text {
    let mut text = captions.look.clone();
    let words = if captions.capitals { cue.text.to_uppercase() } else { cue.text.clone() };
    text.runs.truncate(1);
    if let Some(run) = text.runs.first_mut() {
        run.text = words;
    }
    text
}

fn draw(
    part: CaptionPart,
    style: Option<WordStyle>,
    text: &Text,
    layout: &Layout,
    request: &ContentRequest,
    context: &mut TextContext,
    zoom: f32,
) -> Option<PlacedRaster> {
    if part == CaptionPart::Background {
        return text.background.and_then(|background| backdrop(&background, layout, request));
    }
    let highlight = style.map(style_override).unwrap_or_default();
    let spans = match part {
        CaptionPart::AllBut { word, .. } => spans_of_word(layout, word),
        _ => Vec::new(),
    };
    let select = |placed: &PlacedGlyph| match part {
        CaptionPart::AllBut { place, .. } if !place.holds(&spans, placed) => None,
        _ => select(part, placed.word, highlight),
    };
    let letters = context.painter.draw(text, layout, &mut context.book, zoom, &select)?;
    let patched = match (style, part) {
        (Some(WordStyle::Highlight { patch, .. }), CaptionPart::All { active: Some(word), .. }) => {
            word_patch(layout, word, patch)
        }
        _ => None,
    };
    Some(match patched {
        Some(background) => background.under(letters),
        None => letters,
    })
}

fn select(part: CaptionPart, word: usize, highlight: StyleOverride) -> Option<StyleOverride> {
    let unchanged = StyleOverride::default();
    let styled = |is_highlighted: bool| if is_highlighted { highlight } else { unchanged };
    match part {
        CaptionPart::Background => None,
        CaptionPart::All { active, spoken } => Some(styled(active == Some(word) || word < spoken)),
        CaptionPart::AllBut { word: left_out, .. } => (word != left_out).then_some(unchanged),
        CaptionPart::First { shown, active } => {
            (word < shown).then(|| styled(active == Some(word)))
        }
        CaptionPart::Word { word: only, active, .. } => (word == only).then(|| styled(active)),
    }
}

fn style_override(style: WordStyle) -> StyleOverride {
    let (colour, stroke) = match style {
        WordStyle::Highlight { colour, stroke, .. } => (colour, stroke),
        WordStyle::Fill { colour }
        | WordStyle::Pop { colour, .. }
        | WordStyle::Bounce { colour, .. }
        | WordStyle::Slide { colour, .. }
        | WordStyle::Typewriter { colour } => (colour, None),
    };
    StyleOverride { colour: Some(colour), stroke }
}

/// The edges of a word's letters on a line.
struct WordSpan {
    line: usize,
    left: f32,
    right: f32,
}

/// Returns the spans of a word: one, unless it is broken over lines.
fn spans_of_word(layout: &Layout, word: usize) -> Vec<WordSpan> {
    let letters = layout.glyphs.iter().filter(|placed| placed.word == word && !placed.blank);
    letters.fold(Vec::new(), |mut spans: Vec<WordSpan>, placed| {
        match spans.last_mut().filter(|span| span.line == placed.line) {
            Some(span) => {
                span.left = span.left.min(placed.left);
                span.right = span.right.max(placed.right);
            }
            None => {
                spans.push(WordSpan { line: placed.line, left: placed.left, right: placed.right })
            }
        }
        spans
    })
}

/// Draws the background of a highlighted word: its letters' box with a margin and round corners.
fn word_patch(layout: &Layout, word: usize, colour: Rgba) -> Option<PlacedRaster> {
    let letters = layout.glyphs.iter().filter(|placed| placed.word == word && !placed.blank);
    let rects: Vec<[f32; 4]> = letters
        .map(|placed| {
            let size = placed.glyph.font_size;
            let margin = size * 0.15;
            [
                placed.left - margin,
                placed.y - size * 0.95,
                placed.right + margin,
                placed.y + size * 0.3,
            ]
        })
        .collect();
    let radius = layout.glyphs.first().map_or(0.0, |placed| placed.glyph.font_size * 0.15);
    // One figure a line: a word broken over two lines has two.
    let whole = rects.into_iter().fold(Vec::<[f32; 4]>::new(), |mut lines, rect| {
        match lines.last_mut().filter(|line| (line[1] - rect[1]).abs() < 1.0) {
            Some(line) => {
                line[0] = line[0].min(rect[0]);
                line[2] = line[2].max(rect[2]);
            }
            None => lines.push(rect),
        }
        lines
    });
    patch_of(&whole, radius, colour)
}

/// Returns the scale at which a part is drawn, relative to its layout.
fn zoom_of(part: CaptionPart, style: Option<WordStyle>) -> f32 {
    match (part, style) {
        (CaptionPart::Word { zoomed: true, .. }, Some(WordStyle::Pop { scale, .. })) => {
            scale.to_f64().clamp(1.0, 4.0) as f32
        }
        _ => 1.0,
    }
}

/// Shrinks a patch that was drawn `zoom` times too large.
fn shrunk(patch: Patch, zoom: f64) -> Patch {
    Patch {
        x: patch.x / zoom,
        y: patch.y / zoom,
        width: patch.width / zoom,
        height: patch.height / zoom,
        ..patch
    }
}

/// The motion of a word while it is spoken.
struct WordMotion {
    factor: f64,
    rise: f64,
}

impl WordMotion {
    /// Returns the motion `since` frames after the word began: out and back over the style's
    /// frames, half a wave.
    fn of(style: WordStyle, since: i64, size: f64) -> Self {
        let wave =
            |frames: u64| (share(since + 1, frames + 1) * std::f64::consts::PI).sin().max(0.0);
        match style {
            WordStyle::Pop { scale, frames, .. } if since < frames as i64 => {
                Self { factor: 1.0 + (scale.to_f64() - 1.0) * wave(frames), rise: 0.0 }
            }
            WordStyle::Bounce { height, frames, .. } if since < frames as i64 => {
                Self { factor: 1.0, rise: height.to_f64() * size * wave(frames) }
            }
            _ => Self { factor: 1.0, rise: 0.0 },
        }
    }

    fn apply(&self, mut patch: Patch) -> Patch {
        let (width, height) = (patch.width * self.factor, patch.height * self.factor);
        patch.x -= (width - patch.width) / 2.0;
        patch.y -= (height - patch.height) / 2.0 + self.rise;
        (patch.width, patch.height) = (width, height);
        patch
    }
}

/// Returns the share of `frames` that has passed, 0 to 1.
fn share(passed: i64, frames: u64) -> f64 {
    (passed as f64 / frames.max(1) as f64).clamp(0.0, 1.0)
}

impl PlacedRaster {
    /// Draws `top` over this drawing.
    fn under(self, top: Self) -> Self {
        let (x, y) = (self.x.min(top.x), self.y.min(top.y));
        let edge = |at: i32, length: usize| at + length as i32;
        let right = edge(self.x, self.raster.width).max(edge(top.x, top.raster.width));
        let bottom = edge(self.y, self.raster.height).max(edge(top.y, top.raster.height));
        let mut raster =
            crate::picture::raster::Raster::clear((right - x) as usize, (bottom - y) as usize);
        for layer in [self, top] {
            raster.draw_over(&layer.raster, (layer.x - x) as usize, (layer.y - y) as usize);
        }
        Self { raster, x, y }
    }
}
