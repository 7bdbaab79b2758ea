//! Draws a text clip: its background and its text as patches of the layer's box, still or appearing
//! unit by unit.

use super::fonts::FontBook;
use super::glyphs::{GlyphPainter, PlacedRaster, StyleOverride};
use super::layout::{Layout, PlacedGlyph, lay_out};
use crate::picture::content::{ContentRequest, DrawingCache, DrawingKey, Patch};
use crate::picture::procedural::{paint_of, rounded};
use crate::picture::raster::Raster;
use composition::plan::{Animation, AnimationKind, AnimationUnit, Background, Text};
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::rc::Rc;
use tiny_skia::{FillRule, Pixmap, Rect, Transform};

/// The fonts, the glyph painter and the warnings of one segment.
pub(crate) struct TextContext {
    pub book: FontBook,
    pub painter: GlyphPainter,
    /// Differences between the request and the drawing, each once.
    pub warnings: BTreeSet<String>,
}

impl TextContext {
    /// Lays text out and warns about what its fonts lack.
    pub(crate) fn lay_out(&mut self, text: &Text, width: f64, height: f64, scale: f64) -> Layout {
        let layout = lay_out(text, width, height, scale, &mut self.book);
        for run in &text.runs {
            let style = &run.style;
            let face = self.book.face(&style.family, style.weight, style.italic);
            if !face.has_weight {
                self.warnings.insert(format!(
                    "the font \"{}\" of this machine has no weight {}: {} is drawn; add a file \
                     with that weight to timeline.fonts",
                    face.family, style.weight, face.weight
                ));
            }
            if !face.found {
                self.warnings.insert(format!(
                    "no font is called \"{}\": Open Sans is used instead; name another font or add \
                     its file to timeline.fonts",
                    style.family
                ));
            }
        }
        if !layout.missing.is_empty() {
            let letters: String = layout.missing.iter().collect();
            self.warnings.insert(format!(
                "no font has these characters: {letters}; add a font that has them to \
                 timeline.fonts"
            ));
        }
        layout
    }
}

/// A text clip's content.
pub(crate) struct TextBlock {
    text: Text,
    /// By size and parity, and by whether units are drawn apart.
    cache: DrawingCache<(DrawingKey, bool), Rc<Vec<TextUnit>>>,
}

/// Glyphs that move as one.
struct TextUnit {
    patch: Patch,
    /// Its place in the order of appearance; `None` if it is there from the start.
    order: Option<usize>,
    units: usize,
    /// The height of its line, a measure for its motion.
    line_height: f64,
}

impl TextBlock {
    /// Creates the content of a text clip.
    pub(crate) fn new(text: Text) -> Self {
        Self { text, cache: DrawingCache::new(2) }
    }

    /// Draws the background and the letters for a request.
    pub(crate) fn patches(
        &mut self,
        request: &ContentRequest,
        context: &mut TextContext,
    ) -> Vec<Patch> {
        // Once all has appeared, the text is drawn as one, because a segment in which nothing
        // appears any more has no units.
        let animation = self.text.animation.filter(|animation| request.clock < animation.frames);
        let text = &self.text;
        let key = (request.drawing_key(), animation.is_some());
        let drawn: Result<_, Infallible> =
            self.cache.get(key, || Ok(Rc::new(draw_units(text, animation, request, context))));
        let Ok(units) = drawn;
        units
            .iter()
            .filter_map(|unit| match (animation, unit.order) {
                (Some(animation), Some(order)) => appear(unit, order, animation, request.clock),
                _ => Some(unit.patch.clone()),
            })
            .collect()
    }
}

fn draw_units(
    text: &Text,
    animation: Option<Animation>,
    request: &ContentRequest,
    context: &mut TextContext,
) -> Vec<TextUnit> {
    let layout = context.lay_out(text, request.width, request.height, request.scale);
    let mut units = Vec::new();
    let line_height = layout.lines.first().map_or(0.0, |line| f64::from(line.bottom - line.top));
    if let Some(drawing) =
        text.background.and_then(|background| backdrop(&background, &layout, request))
    {
        units.push(TextUnit {
            patch: Patch::from_raster(drawing.raster, drawing.x, drawing.y, request),
            order: None,
            units: 1,
            line_height,
        });
    }
    let groups = match animation {
        Some(animation) => groups_of(&layout, animation.by),
        None => vec![None],
    };
    let count = groups.len();
    for (order, group) in groups.into_iter().enumerate() {
        let select = |placed: &PlacedGlyph| {
            let chosen = group.as_ref().is_none_or(|(by, at)| unit_of(placed, *by) == *at);
            chosen.then(StyleOverride::default)
        };
        if let Some(drawing) = context.painter.draw(text, &layout, &mut context.book, 1.0, &select)
        {
            units.push(TextUnit {
                patch: Patch::from_raster(drawing.raster, drawing.x, drawing.y, request),
                order: animation.map(|_| order),
                units: count,
                line_height,
            });
        }
    }
    units
}

/// Groups the glyphs of a layout into units, in reading order.
fn groups_of(layout: &Layout, by: AnimationUnit) -> Vec<Option<(AnimationUnit, usize)>> {
    if by == AnimationUnit::Whole {
        return vec![None];
    }
    let visible = layout.glyphs.iter().filter(|placed| !placed.blank);
    let units: BTreeSet<usize> = visible.map(|placed| unit_of(placed, by)).collect();
    units.into_iter().map(|unit| Some((by, unit))).collect()
}

fn unit_of(placed: &PlacedGlyph, by: AnimationUnit) -> usize {
    match by {
        AnimationUnit::Whole => 0,
        AnimationUnit::Line => placed.line,
        AnimationUnit::Word => placed.word,
        AnimationUnit::Character => placed.cluster,
    }
}

/// Returns how far a unit has appeared at a clock, 0 to 1: with `n` units each takes
/// `frames·2/(n+1)` and begins `frames/(n+1)` after the one before.
pub(crate) fn progress(order: usize, units: usize, frames: u64, clock: u64) -> f64 {
    let step = frames.max(1) as f64 / (units as f64 + 1.0);
    ((clock as f64 - order as f64 * step) / (2.0 * step)).clamp(0.0, 1.0)
}

fn appear(unit: &TextUnit, order: usize, animation: Animation, clock: u64) -> Option<Patch> {
    let appeared = progress(order, unit.units, animation.frames, clock);
    let mut patch = unit.patch.clone();
    if appeared >= 1.0 {
        return Some(patch);
    }
    if appeared <= 0.0 {
        return None;
    }
    // Fast at first, then slow towards its position.
    let remaining = (1.0 - appeared).powi(3);
    let travel = |direction: composition::plan::Direction, distance: f64| {
        let (x, y) = direction.vector();
        (-x * distance * remaining, -y * distance * remaining)
    };
    let (x, y) = match animation.kind {
        AnimationKind::FadeIn => (0.0, 0.0),
        AnimationKind::SlideIn(direction) => travel(direction, unit.line_height * 2.0),
        AnimationKind::Typewriter => return (appeared >= 0.5).then_some(patch),
        AnimationKind::Ascend => (0.0, unit.line_height * remaining),
        AnimationKind::Shift(direction) => travel(direction, unit.line_height * 0.5),
        AnimationKind::MovingLetters(direction) => {
            // A decaying swing: one and a half turns of a cosine.
            let swing = (appeared * 1.5 * std::f64::consts::TAU).cos();
            let (x, y) = travel(direction, unit.line_height);
            (x * swing, y * swing)
        }
    };
    patch.x += x;
    patch.y += y;
    patch.opacity = appeared;
    Some(patch)
}

/// Draws the background, over the box or around the lines.
pub(crate) fn backdrop(
    background: &Background,
    layout: &Layout,
    request: &ContentRequest,
) -> Option<PlacedRaster> {
    let rects: Vec<[f32; 4]> = match background.hug {
        None => vec![[0.0, 0.0, request.width as f32, request.height as f32]],
        Some(margin) => {
            let margin = (margin.to_f64() * request.scale) as f32;
            let lines = layout.lines.iter().filter(|line| line.right > line.left);
            lines
                .map(|line| {
                    [
                        line.left - margin,
                        line.top - margin,
                        line.right + margin,
                        line.bottom + margin,
                    ]
                })
                .collect()
        }
    };
    patch_of(&rects, (background.radius.to_f64() * request.scale) as f32, background.colour)
}

/// Draws rectangles (left, top, right, bottom) with round corners as one figure, so that overlaps
/// do not show twice.
pub(crate) fn patch_of(
    rects: &[[f32; 4]],
    radius: f32,
    colour: composition::plan::Rgba,
) -> Option<PlacedRaster> {
    if colour.0[3] == 0 {
        return None;
    }
    let all = rects
        .iter()
        .copied()
        .reduce(|a, b| [a[0].min(b[0]), a[1].min(b[1]), a[2].max(b[2]), a[3].max(b[3])])?;
    let (x, y) = (all[0].floor() as i32, all[1].floor() as i32);
    let (width, height) = (all[2].ceil() as i32 - x, all[3].ceil() as i32 - y);
    let mut pixmap = Pixmap::new(u32::try_from(width).ok()?, u32::try_from(height).ok()?)?;
    let mut path = tiny_skia::PathBuilder::new();
    for [left, top, right, bottom] in rects {
        if let Some(figure) =
            Rect::from_ltrb(*left, *top, *right, *bottom).and_then(|rect| rounded(rect, radius))
        {
            path.push_path(&figure);
        }
    }
    let place = Transform::from_translate(-x as f32, -y as f32);
    pixmap.fill_path(&path.finish()?, &paint_of(colour), FillRule::Winding, place, None);
    let raster = Raster::from_pixmap(pixmap);
    Some(PlacedRaster { raster, x, y })
}
