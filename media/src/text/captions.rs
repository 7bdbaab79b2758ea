//! Draws captions: the current cue, word by word if words are highlighted.

use super::block::{Desk, backdrop, patch_of};
use super::glyphs::{Accent, Ink};
use super::layout::{Layout, Placed};
use crate::picture::content::{Kept, Look, Patch, Request};
use composition::plan::{Captions, Cue, Rgba, Text, WordStyle};
use std::convert::Infallible;
use std::rc::Rc;

/// A caption clip's content.
pub(crate) struct CaptionBlock {
    captions: Captions,
    laid: Kept<(usize, Look), Rc<(Text, Layout)>>,
    drawn: Kept<(usize, Look, Part), Option<Patch>>,
}

/// The words of a cue that one drawing holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Background,
    /// Every word. Words before `said` and the word `active` have their own colours.
    All {
        active: Option<usize>,
        said: usize,
    },
    /// Every word but one that is drawn by itself.
    AllBut(usize),
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

/// Drawings in the cache: a cue's words each by themselves, and some to spare.
const KEPT: usize = 48;

impl CaptionBlock {
    /// Creates the content of a caption clip.
    pub(crate) fn new(captions: Captions) -> Self {
        Self { captions, laid: Kept::new(3), drawn: Kept::new(KEPT) }
    }

    /// Draws the captions of the request's frame. If cues overlap, the earlier is above.
    pub(crate) fn patches(&mut self, request: &Request, desk: &mut Desk) -> Vec<Patch> {
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
            let laid = self.layout(index, request, desk);
            let from = patches.len();
            self.cue(index, &laid, frame, request, desk, &mut patches);
            for patch in &mut patches[from..] {
                patch.y -= lift;
            }
            let [_, top, _, bottom] = laid.1.block();
            lift += f64::from(bottom - top).round() + 2.0 - (f64::from(bottom - top).round() % 2.0);
        }
        patches
    }

    fn layout(&mut self, index: usize, request: &Request, desk: &mut Desk) -> Rc<(Text, Layout)> {
        let captions = &self.captions;
        let made: Result<_, Infallible> = self.laid.get((index, request.look()), || {
            let text = text_of(captions, &captions.cues[index]);
            let layout = desk.lay_out(&text, request.width, request.height, request.scale);
            Ok(Rc::new((text, layout)))
        });
        let Ok(laid) = made;
        laid
    }

    fn cue(
        &mut self,
        index: usize,
        laid: &Rc<(Text, Layout)>,
        frame: i64,
        request: &Request,
        desk: &mut Desk,
        patches: &mut Vec<Patch>,
    ) {
        let cue = &self.captions.cues[index];
        let active = cue.words.iter().position(|word| word.from <= frame && frame < word.to);
        let begun = cue.words.iter().take_while(|word| word.from <= frame).count();
        let timed: Vec<(i64, usize)> = cue.words.iter().map(|word| word.from).zip(0..).collect();
        let style = self.captions.active;
        let mut put = |part: Part| self.part(index, part, laid, request, desk);
        patches.extend(put(Part::Background));
        let size = laid.0.runs.first().map_or(0.0, |run| run.style.size.to_f64()) * laid.1.scale;
        match (style, active) {
            (None, _) => patches.extend(put(Part::All { active: None, said: 0 })),
            (Some(WordStyle::Highlight { .. }), active) => {
                patches.extend(put(Part::All { active, said: 0 }))
            }
            (Some(WordStyle::Fill { .. }), _) => {
                patches.extend(put(Part::All { active: None, said: begun }))
            }
            (Some(WordStyle::Typewriter { .. }), active) => {
                patches.extend(put(Part::First { shown: begun, active }));
            }
            (Some(WordStyle::Slide { distance, frames, .. }), active) => {
                for &(from, word) in timed.iter().filter(|(from, _)| *from <= frame) {
                    let done = share(frame - from + 1, frames);
                    let rest = (1.0 - done).powi(2);
                    let patch =
                        put(Part::Word { word, active: active == Some(word), zoomed: false });
                    patches.extend(patch.map(|patch| Patch {
                        y: patch.y + distance.to_f64() * size * rest,
                        opacity: done,
                        ..patch
                    }));
                }
            }
            (Some(WordStyle::Pop { .. } | WordStyle::Bounce { .. }), None) => {
                patches.extend(put(Part::All { active: None, said: 0 }));
            }
            (Some(style), Some(word)) => {
                patches.extend(put(Part::AllBut(word)));
                let since = timed.get(word).map_or(0, |(from, _)| frame - from);
                let motion = Motion::of(style, since, size);
                let patch = put(Part::Word { word, active: true, zoomed: motion.factor > 1.0 });
                patches.extend(patch.map(|patch| motion.apply(patch)));
            }
        }
    }

    fn part(
        &mut self,
        index: usize,
        part: Part,
        laid: &Rc<(Text, Layout)>,
        request: &Request,
        desk: &mut Desk,
    ) -> Option<Patch> {
        let active = self.captions.active;
        let made: Result<_, Infallible> = self.drawn.get((index, request.look(), part), || {
            let zoom = zoom_of(part, active);
            let ink = draw(part, active, &laid.0, &laid.1, request, desk, zoom);
            let patch = ink.map(|ink| Patch::drawn(ink.raster, ink.x, ink.y, request));
            Ok(patch.map(|patch| shrunk(patch, f64::from(zoom))))
        });
        let Ok(patch) = made;
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
    part: Part,
    style: Option<WordStyle>,
    text: &Text,
    layout: &Layout,
    request: &Request,
    desk: &mut Desk,
    zoom: f32,
) -> Option<Ink> {
    if part == Part::Background {
        return text.background.and_then(|background| backdrop(&background, layout, request));
    }
    let lit = style.map(accent_of).unwrap_or_default();
    let select = |placed: &Placed| select(part, placed.word, lit);
    let letters = desk.pen.draw(text, layout, &mut desk.book, zoom, &select)?;
    let patched = match (style, part) {
        (Some(WordStyle::Highlight { patch, .. }), Part::All { active: Some(word), .. }) => {
            word_patch(layout, word, patch)
        }
        _ => None,
    };
    Some(match patched {
        Some(beneath) => beneath.under(letters),
        None => letters,
    })
}

fn select(part: Part, word: usize, lit: Accent) -> Option<Accent> {
    let plain = Accent::default();
    let accent = |is_lit: bool| if is_lit { lit } else { plain };
    match part {
        Part::Background => None,
        Part::All { active, said } => Some(accent(active == Some(word) || word < said)),
        Part::AllBut(left_out) => (word != left_out).then_some(plain),
        Part::First { shown, active } => (word < shown).then(|| accent(active == Some(word))),
        Part::Word { word: only, active, .. } => (word == only).then(|| accent(active)),
    }
}

fn accent_of(style: WordStyle) -> Accent {
    let (colour, stroke) = match style {
        WordStyle::Highlight { colour, stroke, .. } => (colour, stroke),
        WordStyle::Fill { colour }
        | WordStyle::Pop { colour, .. }
        | WordStyle::Bounce { colour, .. }
        | WordStyle::Slide { colour, .. }
        | WordStyle::Typewriter { colour } => (colour, None),
    };
    Accent { colour: Some(colour), stroke }
}

/// Draws the background of a highlighted word: its letters' box with a margin and round corners.
fn word_patch(layout: &Layout, word: usize, colour: Rgba) -> Option<Ink> {
    let letters = layout.glyphs.iter().filter(|placed| placed.word == word && !placed.blank);
    let rects: Vec<[f32; 4]> = letters
        .map(|placed| {
            let size = placed.glyph.font_size;
            let room = size * 0.15;
            [placed.left - room, placed.y - size * 0.95, placed.right + room, placed.y + size * 0.3]
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
fn zoom_of(part: Part, style: Option<WordStyle>) -> f32 {
    match (part, style) {
        (Part::Word { zoomed: true, .. }, Some(WordStyle::Pop { scale, .. })) => {
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
struct Motion {
    factor: f64,
    rise: f64,
}

impl Motion {
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

impl Ink {
    /// Draws `top` over this drawing.
    fn under(self, top: Self) -> Self {
        let (x, y) = (self.x.min(top.x), self.y.min(top.y));
        let edge = |at: i32, length: usize| at + length as i32;
        let right = edge(self.x, self.raster.width).max(edge(top.x, top.raster.width));
        let bottom = edge(self.y, self.raster.height).max(edge(top.y, top.raster.height));
        let mut raster =
            crate::picture::raster::Raster::clear((right - x) as usize, (bottom - y) as usize);
        for layer in [self, top] {
            raster.lay(&layer.raster, (layer.x - x) as usize, (layer.y - y) as usize);
        }
        Self { raster, x, y }
    }
}
