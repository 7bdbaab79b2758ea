//! Places patches of a layer's box on the canvas.

use super::affine::Affine;
use super::blend::{Window, mask};
use super::content::{ContentRequest, Patch};
use super::planes::{Alpha, Picture};
use super::sample::sample;
use composition::plan::Pose;
use std::sync::Arc;

/// A picture on whole, even pixels of the canvas.
#[derive(Debug, Clone)]
pub(crate) struct Tile {
    pub picture: Arc<Picture>,
    /// Left edge on the canvas, even.
    pub x: i32,
    /// Top edge on the canvas, even.
    pub y: i32,
    /// 0 to 1.
    pub opacity: f64,
}

/// The pose of a layer's box, and whether it is at rest.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BoxPose {
    pub pose: Pose,
    /// Set if it does not move, so that it may be placed on whole pixels.
    pub resting: bool,
}

impl BoxPose {
    /// Returns whether content can be copied pixel by pixel: at rest, not turned, not mirrored.
    pub(crate) fn is_plain(&self) -> bool {
        let pose = &self.pose;
        self.resting
            && pose.angle == 0.0
            && pose.skew_x == 0.0
            && pose.skew_y == 0.0
            && !pose.flip_x
            && !pose.flip_y
    }
}

/// Places a patch on the canvas. `None` if it is not visible.
pub(crate) fn place(
    patch: &Patch,
    box_pose: &BoxPose,
    request: &ContentRequest,
    canvas: Window,
) -> Option<Tile> {
    if patch.opacity <= 0.0 {
        return None;
    }
    let (x, y) = (patch.x + f64::from(request.left), patch.y + f64::from(request.top));
    if box_pose.is_plain() && patch.is_unscaled() && is_even(x) && is_even(y) {
        return Some(Tile {
            picture: Arc::clone(&patch.picture),
            x: x as i32,
            y: y as i32,
            opacity: patch.opacity,
        });
    }
    let motion = motion(patch, box_pose, request);
    let window = even_bounds(&patch.picture, motion).intersect(canvas);
    if window.is_empty() {
        return None;
    }
    let picture = sample(&patch.picture, motion, window)?;
    Some(Tile { picture: Arc::new(picture), x: window.left, y: window.top, opacity: patch.opacity })
}

fn is_even(value: f64) -> bool {
    (value / 2.0).fract() == 0.0
}

/// Returns the motion from the patch's own pixels to the canvas.
fn motion(patch: &Patch, box_pose: &BoxPose, request: &ContentRequest) -> Affine {
    let picture = &patch.picture;
    let in_box =
        Affine::scale(patch.width / picture.width as f64, patch.height / picture.height as f64)
            .then(Affine::shift(patch.x, patch.y));
    if box_pose.is_plain() {
        return in_box.then(Affine::shift(f64::from(request.left), f64::from(request.top)));
    }
    let [a, b, c, d, e, f] = box_pose.pose.matrix();
    let shares = Affine::scale(1.0 / request.width, 1.0 / request.height);
    in_box.then(shares).then(Affine { a, b, c, d, e, f })
}

/// Returns the even rectangle around a moved picture.
fn even_bounds(picture: &Picture, motion: Affine) -> Window {
    let [left, top, right, bottom] = motion.bounds(picture.width as f64, picture.height as f64);
    // Far outside any canvas a pixel's number no longer matters.
    let whole = |edge: f64| edge.clamp(-1e6, 1e6) as i32;
    Window {
        left: whole((left - 0.5).floor()),
        top: whole((top - 0.5).floor()),
        right: whole((right + 0.5).ceil()),
        bottom: whole((bottom + 0.5).ceil()),
    }
    .to_even()
}

/// Crops a tile to the part of the layer's box that a transition shows, with soft edges. `None` if
/// nothing is left.
pub(crate) fn clip(tile: Tile, pose: &Pose) -> Option<Tile> {
    if pose.clip == [0.0, 0.0, 1.0, 1.0] {
        return Some(tile);
    }
    // The clip's left is the canvas's left even if the box is mirrored.
    let [a, b, c, d, e, f] = Pose { flip_x: false, flip_y: false, ..*pose }.matrix();
    let to_canvas = Affine { a, b, c, d, e, f };
    let back = to_canvas.inverse()?;
    let [left, top, right, bottom] = pose.clip;
    let kept = Affine::scale(right - left, bottom - top)
        .then(Affine::shift(left, top))
        .then(to_canvas)
        .bounds(1.0, 1.0);
    let window = Window {
        left: kept[0].floor() as i32,
        top: kept[1].floor() as i32,
        right: kept[2].ceil() as i32,
        bottom: kept[3].ceil() as i32,
    }
    .to_even()
    .intersect(tile_area(&tile));
    if window.is_empty() || right <= left || bottom <= top {
        return None;
    }
    let mut picture = crop_to(&tile.picture, tile.x, tile.y, window);
    let (wide, high) = (a.hypot(b), c.hypot(d));
    let mut coverage = Vec::with_capacity(picture.y.len());
    for row in 0..window.height() {
        for column in 0..window.width() {
            let x = f64::from(window.left) + column as f64 + 0.5;
            let y = f64::from(window.top) + row as f64 + 0.5;
            let (u, v) = back.apply(x, y);
            let share = |at: f64, low: f64, high: f64, scale: f64| {
                // An edge of the box itself belongs to the picture and is not softened twice.
                let low = if low <= 0.0 { 1.0 } else { (at - low) * scale + 0.5 };
                let high = if high >= 1.0 { 1.0 } else { (high - at) * scale + 0.5 };
                low.min(high).clamp(0.0, 1.0)
            };
            let covered = share(u, left, right, wide) * share(v, top, bottom, high);
            coverage.push((covered * 255.0 + 0.5) as u8);
        }
    }
    mask(&mut picture, &coverage);
    Some(Tile { picture: Arc::new(picture), x: window.left, y: window.top, ..tile })
}

/// Returns the part of the canvas that a tile covers.
pub(crate) fn tile_area(tile: &Tile) -> Window {
    Window {
        left: tile.x,
        top: tile.y,
        right: tile.x + tile.picture.width as i32,
        bottom: tile.y + tile.picture.height as i32,
    }
}

/// Copies the part of a picture at (`x`, `y`) that lies in a window, which begins on even pixels
/// inside it.
pub(crate) fn crop_to(picture: &Picture, x: i32, y: i32, window: Window) -> Picture {
    let (left, top) = ((window.left - x) as usize, (window.top - y) as usize);
    let (width, height) = (window.width(), window.height());
    let plane =
        |plane: &[u8], stride: usize, left: usize, top: usize, width: usize, height: usize| {
            let rows = (top..top + height).flat_map(|row| &plane[row * stride + left..][..width]);
            rows.copied().collect::<Vec<u8>>()
        };
    let full = |values: &[u8]| plane(values, picture.width, left, top, width, height);
    let sparse = |values: &[u8]| {
        let (chroma, step) = (picture.chroma, picture.chroma.step());
        plane(
            values,
            chroma.of(picture.width),
            left / step,
            top / step,
            chroma.of(width),
            chroma.of(height),
        )
    };
    Picture {
        width,
        height,
        chroma: picture.chroma,
        y: full(&picture.y),
        u: sparse(&picture.u),
        v: sparse(&picture.v),
        alpha: picture
            .alpha
            .as_ref()
            .map(|alpha| Alpha { full: full(&alpha.full), chroma: sparse(&alpha.chroma) }),
    }
}
