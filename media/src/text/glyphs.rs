//! Draws glyphs: outlines are filled and stroked as vectors, colour glyphs are drawn from their
//! bitmaps.

use super::fonts::FontBook;
use super::layout::{Layout, PlacedGlyph};
use crate::picture::gauss::blur_plane;
use crate::picture::procedural::{paint_of, shader_of};
use crate::picture::raster::Raster;
use composition::plan::{Rgba, Shadow, Stroke, Text, TextStyle};
use cosmic_text::{CacheKey, Command, SubpixelBin, SwashCache, SwashContent};
use tiny_skia::{
    FillRule, LineCap, LineJoin, Paint, Path, PathBuilder, Pixmap, PixmapPaint, Rect, Transform,
};

/// Overrides of the run's own style for some glyphs.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct StyleOverride {
    /// Another colour, which also replaces a gradient.
    pub colour: Option<Rgba>,
    pub stroke: Option<Stroke>,
}

/// A drawing and the position of its left top corner in the box.
pub(crate) struct PlacedRaster {
    /// The drawing, cropped to its content.
    pub raster: Raster,
    /// Left edge in pixels of the box.
    pub x: i32,
    /// Top edge in pixels of the box.
    pub y: i32,
}

/// Draws glyphs, and caches their outlines.
pub(crate) struct GlyphPainter {
    cache: SwashCache,
}

/// The glyphs of one run that are drawn together.
struct GlyphGroup<'a> {
    style: &'a TextStyle,
    overrides: StyleOverride,
    /// Glyphs apart from the lines beneath and through them: in one path, contours of opposite
    /// direction would cut each other out where they cross.
    paths: Vec<Path>,
    colour_glyphs: Vec<&'a PlacedGlyph>,
}

impl GlyphPainter {
    pub(crate) fn new() -> Self {
        Self { cache: SwashCache::new() }
    }

    /// Draws the glyphs that `select` picks, at `zoom` times the size of their layout: shadows,
    /// then outlines, then fills. `None` if nothing is drawn.
    pub(crate) fn draw(
        &mut self,
        text: &Text,
        layout: &Layout,
        book: &mut FontBook,
        zoom: f32,
        select: &dyn Fn(&PlacedGlyph) -> Option<StyleOverride>,
    ) -> Option<PlacedRaster> {
        let groups = self.groups(text, layout, book, select);
        let [left, top, right, bottom] = bounds(&groups, layout.scale)?.map(|edge| edge * zoom);
        let (x, y) = (left.floor() as i32, top.floor() as i32);
        let (width, height) = (right.ceil() as i32 - x, bottom.ceil() as i32 - y);
        let mut pixmap =
            Pixmap::new(width.clamp(1, MAX_SIDE) as u32, height.clamp(1, MAX_SIDE) as u32)?;
        let transform = Transform::from_scale(zoom, zoom).post_translate(-x as f32, -y as f32);
        for group in &groups {
            self.shadow(&mut pixmap, group, layout.scale, transform, book);
        }
        for group in &groups {
            stroke(&mut pixmap, group, layout.scale, transform);
        }
        for group in &groups {
            fill(&mut pixmap, group, layout, transform);
            for glyph in &group.colour_glyphs {
                self.stamp(&mut pixmap, glyph, transform, book);
            }
        }
        let raster = Raster::from_pixmap(pixmap);
        Some(PlacedRaster { raster, x, y })
    }

    fn groups<'a>(
        &mut self,
        text: &'a Text,
        layout: &'a Layout,
        book: &mut FontBook,
        select: &dyn Fn(&PlacedGlyph) -> Option<StyleOverride>,
    ) -> Vec<GlyphGroup<'a>> {
        let mut groups: Vec<(usize, StyleOverride, [PathBuilder; 2], Vec<&'a PlacedGlyph>)> =
            Vec::new();
        for placed in &layout.glyphs {
            let Some(overrides) = select(placed) else { continue };
            let known =
                groups.iter().position(|group| group.0 == placed.run && group.1 == overrides);
            let at = known.unwrap_or_else(|| {
                groups.push((
                    placed.run,
                    overrides,
                    [PathBuilder::new(), PathBuilder::new()],
                    Vec::new(),
                ));
                groups.len() - 1
            });
            book.record_used(placed.glyph.font_id);
            let style = text.runs.get(placed.run).map(|run| &run.style);
            if !self.outline(placed, &mut groups[at].2[0], book) && !placed.blank {
                groups[at].3.push(placed);
            }
            if let Some(style) = style {
                rules(style, placed, &mut groups[at].2[1]);
            }
        }
        groups
            .into_iter()
            .filter_map(|(run, overrides, paths, colour_glyphs)| {
                Some(GlyphGroup {
                    style: &text.runs.get(run)?.style,
                    overrides,
                    paths: paths.into_iter().filter_map(PathBuilder::finish).collect(),
                    colour_glyphs,
                })
            })
            .collect()
    }

    /// Adds a glyph's outline to a path; `false` if it has none, as colour bitmaps.
    fn outline(
        &mut self,
        placed: &PlacedGlyph,
        path: &mut PathBuilder,
        book: &mut FontBook,
    ) -> bool {
        let glyph = &placed.glyph;
        let font = book.system().get_font(glyph.font_id, glyph.font_weight);
        let coloured = font.is_some_and(|font| font.as_swash().color_palettes().next().is_some());
        if coloured {
            return false;
        }
        let Some(commands) = self.cache.get_outline_commands(book.system(), key(placed, 1.0))
        else {
            return false;
        };
        // In a font, y grows upward.
        let (x, y) = (|x: f32| placed.x + x, |y: f32| placed.y - y);
        for command in commands {
            match *command {
                Command::MoveTo(p) => path.move_to(x(p.x), y(p.y)),
                Command::LineTo(p) => path.line_to(x(p.x), y(p.y)),
                Command::QuadTo(a, p) => path.quad_to(x(a.x), y(a.y), x(p.x), y(p.y)),
                Command::CurveTo(a, b, p) => {
                    path.cubic_to(x(a.x), y(a.y), x(b.x), y(b.y), x(p.x), y(p.y));
                }
                Command::Close => path.close(),
            }
        }
        !commands.is_empty()
    }

    /// Draws a colour glyph's bitmap.
    fn stamp(
        &mut self,
        pixmap: &mut Pixmap,
        placed: &PlacedGlyph,
        transform: Transform,
        book: &mut FontBook,
    ) {
        let Some(image) = self.cache.get_image_uncached(book.system(), key(placed, transform.sx))
        else {
            return;
        };
        let (width, height) = (image.placement.width, image.placement.height);
        let Some(mut stamp) = Pixmap::new(width, height) else {
            return;
        };
        for (pixel, rgba) in stamp.pixels_mut().iter_mut().zip(image.data.chunks_exact(4)) {
            let colour = tiny_skia::ColorU8::from_rgba(rgba[0], rgba[1], rgba[2], rgba[3]);
            *pixel = colour.premultiply();
        }
        if image.content != SwashContent::Color {
            return;
        }
        let x = (placed.x * transform.sx + transform.tx).round() as i32 + image.placement.left;
        let y = (placed.y * transform.sy + transform.ty).round() as i32 - image.placement.top;
        let paint = PixmapPaint::default();
        pixmap.draw_pixmap(x, y, stamp.as_ref(), &paint, Transform::identity(), None);
    }

    fn shadow(
        &mut self,
        pixmap: &mut Pixmap,
        group: &GlyphGroup<'_>,
        scale: f64,
        transform: Transform,
        book: &mut FontBook,
    ) {
        let Some(shadow) = group.style.shadow else {
            return;
        };
        let Some(mut cast) = Pixmap::new(pixmap.width(), pixmap.height()) else {
            return;
        };
        let shifted =
            transform.pre_translate(px(shadow.x.to_f64(), scale), px(shadow.y.to_f64(), scale));
        let black = paint_of(Rgba::BLACK);
        for path in &group.paths {
            cast.fill_path(path, &black, FillRule::Winding, shifted, None);
            if let Some(pen) = pen_of(group, scale) {
                cast.stroke_path(path, &black, &pen, shifted, None);
            }
        }
        for glyph in &group.colour_glyphs {
            self.stamp(&mut cast, glyph, shifted, book);
        }
        lay_shadow(pixmap, &cast, shadow, scale * f64::from(transform.sx));
    }
}

/// Colours a shadow's coverage, blurs it and draws it.
fn lay_shadow(pixmap: &mut Pixmap, cast: &Pixmap, shadow: Shadow, scale: f64) {
    let (width, height) = (cast.width() as usize, cast.height() as usize);
    let coverage: Vec<u8> = cast.pixels().iter().map(|pixel| pixel.alpha()).collect();
    let sigma = shadow.sigma.to_f64() * scale;
    let coverage = if sigma > 0.0 { blur_plane(coverage, width, height, sigma) } else { coverage };
    let Some(mut coloured) = Pixmap::new(cast.width(), cast.height()) else {
        return;
    };
    let [r, g, b, a] = shadow.colour.0;
    for (pixel, covered) in coloured.pixels_mut().iter_mut().zip(coverage) {
        let alpha = (u16::from(covered) * u16::from(a) / 255) as u8;
        *pixel = tiny_skia::ColorU8::from_rgba(r, g, b, alpha).premultiply();
    }
    pixmap.draw_pixmap(
        0,
        0,
        coloured.as_ref(),
        &PixmapPaint::default(),
        Transform::identity(),
        None,
    );
}

fn stroke(pixmap: &mut Pixmap, group: &GlyphGroup<'_>, scale: f64, transform: Transform) {
    if let (Some(outline), Some(pen)) = (outline_of(group), pen_of(group, scale)) {
        for path in &group.paths {
            pixmap.stroke_path(path, &paint_of(outline.colour), &pen, transform, None);
        }
    }
}

fn fill(pixmap: &mut Pixmap, group: &GlyphGroup<'_>, layout: &Layout, transform: Transform) {
    let gradient = group.style.gradient.as_ref().filter(|_| group.overrides.colour.is_none());
    let shader = gradient.and_then(|gradient| {
        let [left, top, right, bottom] = layout.block();
        shader_of(gradient, [left, top, right - left, bottom - top])
    });
    let paint = match shader {
        Some(shader) => Paint { shader, ..Paint::default() },
        None => paint_of(group.overrides.colour.unwrap_or(group.style.colour)),
    };
    for path in &group.paths {
        pixmap.fill_path(path, &paint, FillRule::Winding, transform, None);
    }
}

fn outline_of(group: &GlyphGroup<'_>) -> Option<Stroke> {
    group
        .overrides
        .stroke
        .or(group.style.stroke)
        .filter(|stroke| stroke.width.0 > 0 && stroke.colour.0[3] > 0)
}

fn pen_of(group: &GlyphGroup<'_>, scale: f64) -> Option<tiny_skia::Stroke> {
    outline_of(group).map(|stroke| tiny_skia::Stroke {
        width: px(stroke.width.to_f64(), scale),
        line_cap: LineCap::Round,
        line_join: LineJoin::Round,
        ..tiny_skia::Stroke::default()
    })
}

/// Draws the lines beneath and through a glyph, as wide as its advance. Their positions are shares
/// of the size, the defaults for fonts that state none.
fn rules(style: &TextStyle, placed: &PlacedGlyph, path: &mut PathBuilder) {
    let size = placed.glyph.font_size;
    let thick = size * 0.06;
    let mut rule = |above: f32| {
        let top = placed.y - above * size - thick / 2.0;
        if let Some(rect) = Rect::from_ltrb(placed.left, top, placed.right, top + thick) {
            path.push_rect(rect);
        }
    };
    if style.underline {
        rule(-0.12);
    }
    if style.strike {
        rule(0.28);
    }
}

/// Returns the rectangle around everything that is drawn.
fn bounds(groups: &[GlyphGroup<'_>], scale: f64) -> Option<[f32; 4]> {
    let mut all: Option<[f32; 4]> = None;
    for group in groups {
        let paths = group.paths.iter().map(|path| {
            let b = path.bounds();
            [b.left(), b.top(), b.right(), b.bottom()]
        });
        let stamps = group.colour_glyphs.iter().map(|placed| {
            let size = placed.glyph.font_size;
            [
                placed.left - size * 0.3,
                placed.y - size * 1.3,
                placed.right + size * 0.3,
                placed.y + size * 0.5,
            ]
        });
        for ink in paths.chain(stamps) {
            let inked = with_effects(ink, group, scale);
            all = Some(all.map_or(inked, |all| join(all, inked)));
        }
    }
    all
}

/// Adds room for the outline, and for the shadow with three standard deviations of its blur.
fn with_effects(ink: [f32; 4], group: &GlyphGroup<'_>, scale: f64) -> [f32; 4] {
    let pen = pen_of(group, scale).map_or(0.0, |pen| pen.width / 2.0);
    let grown = grow(ink, pen + 1.0);
    let Some(shadow) = group.style.shadow else {
        return grown;
    };
    let blur = px(shadow.sigma.to_f64() * 3.0, scale);
    let (x, y) = (px(shadow.x.to_f64(), scale), px(shadow.y.to_f64(), scale));
    let [l, t, r, b] = grow(grown, blur);
    join(grown, [l + x, t + y, r + x, b + y])
}

fn grow([l, t, r, b]: [f32; 4], by: f32) -> [f32; 4] {
    [l - by, t - by, r + by, b + by]
}

fn join(a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
    [a[0].min(b[0]), a[1].min(b[1]), a[2].max(b[2]), a[3].max(b[3])]
}

/// Glyphs beyond this many pixels from the first are not drawn: no canvas is as large.
const MAX_SIDE: i32 = 16_384;

fn px(value: f64, scale: f64) -> f32 {
    (value * scale) as f32
}

/// Returns the cache key of a glyph at `zoom` times the size of its layout.
fn key(placed: &PlacedGlyph, zoom: f32) -> CacheKey {
    let glyph = &placed.glyph;
    CacheKey {
        font_id: glyph.font_id,
        glyph_id: glyph.glyph_id,
        font_size_bits: (glyph.font_size * zoom).to_bits(),
        x_bin: SubpixelBin::Zero,
        y_bin: SubpixelBin::Zero,
        font_weight: glyph.font_weight,
        flags: glyph.cache_key_flags,
    }
}
