//! Draws figures, colours and gradients as vectors, at the size at which they are shown.

use super::content::{ContentRequest, DrawingCache, DrawingKey, Patch};
use super::gradient::dithered;
use super::raster::Raster;
use crate::error::Result;
use composition::plan::{Gradient, Rgba, Shape, ShapeKind};
use std::sync::Arc;
use tiny_skia::{
    Color, FillRule, GradientStop, LinearGradient, Paint, Path, PathBuilder, Pixmap, Point,
    RadialGradient, Rect, Shader, SpreadMode, Stroke, Transform,
};

/// A drawing that does not change with time.
pub(crate) struct VectorDrawing {
    kind: DrawingKind,
    cache: DrawingCache<DrawingKey, Patch>,
}

enum DrawingKind {
    Colour(Rgba),
    Gradient(Gradient),
    Shape(Shape),
}

impl VectorDrawing {
    /// Fills the box with one colour.
    pub(crate) fn colour(colour: Rgba) -> Self {
        Self::of(DrawingKind::Colour(colour))
    }

    /// Fills the box with a gradient.
    pub(crate) fn gradient(gradient: Gradient) -> Self {
        Self::of(DrawingKind::Gradient(gradient))
    }

    /// Draws a figure in the box.
    pub(crate) fn shape(shape: Shape) -> Self {
        Self::of(DrawingKind::Shape(shape))
    }

    fn of(kind: DrawingKind) -> Self {
        Self { kind, cache: DrawingCache::new(2) }
    }

    /// Returns the drawing for a request.
    pub(crate) fn patches(&mut self, request: &ContentRequest) -> Result<Vec<Patch>> {
        let kind = &self.kind;
        let patch = self
            .cache
            .get(request.drawing_key(), || Ok::<_, crate::MediaError>(draw(kind, request)))?;
        Ok(vec![patch])
    }
}

fn draw(kind: &DrawingKind, request: &ContentRequest) -> Patch {
    let (width, height) = (request.width.max(1.0) as f32, request.height.max(1.0) as f32);
    // Planes begin on even pixels of the canvas; a box that does not is drawn as figures are.
    if let DrawingKind::Gradient(gradient) = kind
        && request.left % 2 == 0
        && request.top % 2 == 0
        && let Some(picture) =
            dithered(gradient, width.round() as usize, height.round() as usize, request.chroma)
    {
        return Patch::unscaled(Arc::new(picture), 0, 0);
    }
    let Some(mut pixmap) = Pixmap::new(width.round() as u32, height.round() as u32) else {
        return Patch::from_raster(Raster::clear(1, 1), 0, 0, request);
    };
    match kind {
        DrawingKind::Colour(colour) => pixmap.fill(skia_colour(*colour)),
        DrawingKind::Gradient(gradient) => fill_gradient(&mut pixmap, gradient, width, height),
        DrawingKind::Shape(shape) => draw_shape(&mut pixmap, shape, request),
    }
    Patch::from_raster(Raster::from_pixmap(pixmap), 0, 0, request)
}

fn fill_gradient(pixmap: &mut Pixmap, gradient: &Gradient, width: f32, height: f32) {
    let full_rect = Rect::from_xywh(0.0, 0.0, width.ceil(), height.ceil());
    if let (Some(full_rect), Some(shader)) =
        (full_rect, shader_of(gradient, [0.0, 0.0, width, height]))
    {
        let paint = Paint { shader, ..Paint::default() };
        pixmap.fill_rect(full_rect, &paint, Transform::identity(), None);
    }
}

/// Creates a gradient over a box given by left, top, width and height (CSS Images 3, §3.1 and §3.2:
/// a linear one reaches the corners, a radial one the farthest corner).
pub(crate) fn shader_of(
    gradient: &Gradient,
    [left, top, width, height]: [f32; 4],
) -> Option<Shader<'static>> {
    let stops: Vec<GradientStop> = gradient
        .stops
        .iter()
        .map(|stop| GradientStop::new(stop.at.to_f64() as f32, skia_colour(stop.colour)))
        .collect();
    let (x, y) = (left + width / 2.0, top + height / 2.0);
    match gradient.angle {
        Some(angle) => {
            let (sin, cos) = (angle.to_f64().to_radians() as f32).sin_cos();
            let reach = (width * sin.abs() + height * cos.abs()) / 2.0;
            LinearGradient::new(
                Point::from_xy(x - sin * reach, y + cos * reach),
                Point::from_xy(x + sin * reach, y - cos * reach),
                stops,
                SpreadMode::Pad,
                Transform::identity(),
            )
        }
        None => {
            // An ellipse with the box's proportions through its corners, drawn as a stretched
            // circle.
            let stretch = Transform::from_scale(1.0, height / width).post_translate(x, y);
            let centre = Point::from_xy(0.0, 0.0);
            let radius = width / 2.0 * std::f32::consts::SQRT_2;
            RadialGradient::new(centre, 0.0, centre, radius, stops, SpreadMode::Pad, stretch)
        }
    }
}

fn draw_shape(pixmap: &mut Pixmap, shape: &Shape, request: &ContentRequest) {
    let stroke = if shape.stroke.0[3] == 0 {
        0.0
    } else {
        (shape.stroke_width.to_f64() * request.scale) as f32
    };
    let (width, height) = (request.width as f32, request.height as f32);
    // The outline lies inside the figure's edge, so its middle is half its width inside.
    let inset = stroke / 2.0;
    if let Some(path) = outline(shape.kind, width, height, inset, request.scale as f32) {
        let fill = paint_of(shape.fill);
        pixmap.fill_path(&path, &fill, FillRule::Winding, Transform::identity(), None);
        if stroke > 0.0 {
            let pen = Stroke { width: stroke, ..Stroke::default() };
            let paint = paint_of(shape.stroke);
            pixmap.stroke_path(&path, &paint, &pen, Transform::identity(), None);
        }
    }
}

fn outline(kind: ShapeKind, width: f32, height: f32, inset: f32, scale: f32) -> Option<Path> {
    let rect = Rect::from_ltrb(inset, inset, width - inset, height - inset)?;
    match kind {
        ShapeKind::Rectangle { radius } => {
            rounded(rect, (radius.to_f64() as f32 * scale - inset).max(0.0))
        }
        ShapeKind::Ellipse => PathBuilder::from_oval(rect),
        ShapeKind::Line => rounded(rect, rect.height() / 2.0),
    }
}

/// Returns a rectangle with round corners. The radius is at most half the shorter side.
pub(crate) fn rounded(rect: Rect, radius: f32) -> Option<Path> {
    let radius = radius.min(rect.width() / 2.0).min(rect.height() / 2.0);
    if radius <= 0.0 {
        return Some(PathBuilder::from_rect(rect));
    }
    // A quarter circle as a cubic: the control points are this share of the radius from the ends.
    let reach = radius * (1.0 - 0.552_284_8);
    let (l, t, r, b) = (rect.left(), rect.top(), rect.right(), rect.bottom());
    let mut path = PathBuilder::new();
    path.move_to(l + radius, t);
    path.line_to(r - radius, t);
    path.cubic_to(r - reach, t, r, t + reach, r, t + radius);
    path.line_to(r, b - radius);
    path.cubic_to(r, b - reach, r - reach, b, r - radius, b);
    path.line_to(l + radius, b);
    path.cubic_to(l + reach, b, l, b - reach, l, b - radius);
    path.line_to(l, t + radius);
    path.cubic_to(l, t + reach, l + reach, t, l + radius, t);
    path.close();
    path.finish()
}

/// Returns a paint of one colour with soft edges.
pub(crate) fn paint_of(colour: Rgba) -> Paint<'static> {
    Paint { shader: Shader::SolidColor(skia_colour(colour)), ..Paint::default() }
}

pub(crate) fn skia_colour(colour: Rgba) -> Color {
    let [r, g, b, a] = colour.0;
    Color::from_rgba8(r, g, b, a)
}

impl Raster {
    /// Converts a drawing of tiny-skia, which is premultiplied RGBA too.
    pub(crate) fn from_pixmap(pixmap: Pixmap) -> Self {
        Self {
            width: pixmap.width() as usize,
            height: pixmap.height() as usize,
            data: pixmap.take(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::planes::Chroma;
    use super::*;
    use composition::plan::{GradientStop as Stop, Micro};

    fn request(width: f64, height: f64) -> ContentRequest {
        ContentRequest {
            width,
            height,
            scale: 1.0,
            left: 0,
            top: 0,
            chroma: Chroma::Halved,
            clock: 0,
            frame: 0,
        }
    }

    fn luma(drawing: &mut VectorDrawing, width: usize, height: usize) -> Vec<u8> {
        let patches = drawing.patches(&request(width as f64, height as f64)).expect("it draws");
        patches[0].picture.y.clone()
    }

    #[test]
    fn a_level_gradient_runs_from_left_to_right() {
        let stop = |at, colour| Stop { at, colour };
        let mut drawing = VectorDrawing::gradient(Gradient {
            angle: Some(Micro::whole(90)),
            stops: vec![stop(Micro::ZERO, Rgba::BLACK), stop(Micro::ONE, Rgba::WHITE)],
        });
        let y = luma(&mut drawing, 100, 2);
        assert!(y[0] < 20 && y[99] > 230 && y[50].abs_diff(126) < 4);
        assert!(y[..100].is_sorted());
    }

    #[test]
    fn an_ellipse_leaves_the_corners_clear_and_fills_the_middle() {
        let mut drawing = VectorDrawing::shape(Shape {
            kind: ShapeKind::Ellipse,
            fill: Rgba::WHITE,
            stroke: Rgba::CLEAR,
            stroke_width: Micro::ZERO,
        });
        let y = luma(&mut drawing, 40, 20);
        assert_eq!((y[0], y[10 * 40 + 20]), (0, 235));
    }
}
