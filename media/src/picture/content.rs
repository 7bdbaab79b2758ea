//! The content of a layer before it is placed: pictures in the space of the layer's box.

use super::planes::{Chroma, Picture};
use super::raster::Raster;
use std::sync::Arc;

/// The size and the time for which a layer's content is drawn.
///
/// The box is drawn at `width × height` pixels. At rest its left top corner is at (`left`, `top`)
/// of the canvas and the content is copied pixel by pixel; in motion both are 0 and the content is
/// resampled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ContentRequest {
    /// The box's width in pixels, which may have a fraction.
    pub width: f64,
    /// The box's height in pixels, which may have a fraction.
    pub height: f64,
    /// Pixels of this request for one pixel of the box at scale 1.
    pub scale: f64,
    /// The canvas column of the box's left edge.
    pub left: i32,
    /// The canvas row of the box's top edge.
    pub top: i32,
    /// The density of the canvas's chroma.
    pub chroma: Chroma,
    /// The clip's clock, in frames.
    pub clock: u64,
    /// The frame's number in the segment.
    pub frame: u64,
}

/// A picture and its position in the space of a [`ContentRequest`]'s box.
#[derive(Debug, Clone)]
pub(crate) struct Patch {
    pub picture: Arc<Picture>,
    /// Left edge, from the box's.
    pub x: f64,
    /// Top edge, from the box's.
    pub y: f64,
    /// The width to which it is stretched.
    pub width: f64,
    /// The height to which it is stretched.
    pub height: f64,
    /// 0 to 1, multiplied by the layer's own opacity.
    pub opacity: f64,
}

impl Patch {
    /// Places a drawing with its left top corner at whole pixels (`x`, `y`) of the box. The planes
    /// start on an even pixel of the canvas.
    pub(crate) fn from_raster(raster: Raster, x: i32, y: i32, request: &ContentRequest) -> Self {
        let (picture, at_x, at_y) =
            raster.into_picture_at(x + request.left, y + request.top, request.chroma);
        Self::unscaled(Arc::new(picture), at_x - request.left, at_y - request.top)
    }

    /// Places a picture unscaled.
    pub(crate) fn unscaled(picture: Arc<Picture>, x: i32, y: i32) -> Self {
        let (width, height) = (picture.width as f64, picture.height as f64);
        Self { picture, x: f64::from(x), y: f64::from(y), width, height, opacity: 1.0 }
    }

    /// Returns whether the picture is unscaled.
    pub(crate) fn is_unscaled(&self) -> bool {
        self.width == self.picture.width as f64 && self.height == self.picture.height as f64
    }
}

impl ContentRequest {
    /// Converts a share of the box (left, top, width, height) to whole pixels from its left top
    /// corner. The edges are on even pixels of the canvas, and the part has at least two by two.
    pub(crate) fn even_part(&self, share: [f64; 4]) -> (i32, i32, usize, usize) {
        let edge = |origin: i32, at: f64| ((f64::from(origin) + at) / 2.0).round() as i32 * 2;
        let [x, y, width, height] = share;
        let left = edge(self.left, x * self.width);
        let top = edge(self.top, y * self.height);
        let right = edge(self.left, (x + width) * self.width).max(left + 2);
        let bottom = edge(self.top, (y + height) * self.height).max(top + 2);
        (left - self.left, top - self.top, (right - left) as usize, (bottom - top) as usize)
    }

    /// Returns the key of a still drawing for this request.
    pub(crate) fn drawing_key(&self) -> DrawingKey {
        DrawingKey {
            width: self.width.to_bits(),
            height: self.height.to_bits(),
            odd_left: self.left & 1 == 1,
            odd_top: self.top & 1 == 1,
        }
    }
}

/// The part of a request that a still drawing depends on: its size and the parity of its corner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct DrawingKey {
    width: u64,
    height: u64,
    odd_left: bool,
    odd_top: bool,
}

/// A small cache of drawings, in the order of their making.
pub(crate) struct DrawingCache<K, V> {
    items: Vec<(K, V)>,
    capacity: usize,
}

impl<K: PartialEq, V: Clone> DrawingCache<K, V> {
    /// Creates a cache of at most `capacity` drawings.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { items: Vec::new(), capacity }
    }

    /// Returns the drawing of a key, making it if needed. The oldest drawing makes room for a new
    /// one.
    pub(crate) fn get<E>(&mut self, key: K, make: impl FnOnce() -> Result<V, E>) -> Result<V, E> {
        if let Some((_, cached)) = self.items.iter().find(|(cached, _)| *cached == key) {
            return Ok(cached.clone());
        }
        let value = make()?;
        if self.items.len() == self.capacity {
            self.items.remove(0);
        }
        self.items.push((key, value.clone()));
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(left: i32, width: f64) -> ContentRequest {
        ContentRequest {
            width,
            height: 10.0,
            scale: 1.0,
            left,
            top: 0,
            chroma: Chroma::Halved,
            clock: 0,
            frame: 0,
        }
    }

    #[test]
    fn parts_of_a_box_are_on_even_pixels_of_the_canvas() {
        assert_eq!(request(3, 101.0).even_part([0.0, 0.0, 1.0, 1.0]), (1, 0, 100, 10));
        assert_eq!(request(0, 1.0).even_part([0.4, 0.0, 0.1, 1.0]).2, 2);
    }

    #[test]
    fn a_drawing_is_made_once_while_it_is_cached() {
        let mut cached = DrawingCache::new(2);
        let mut value = 0;
        for key in [1, 2, 1, 2, 3, 1] {
            let got: Result<i32, ()> = cached.get(key, || {
                value += 1;
                Ok(key * 10)
            });
            assert_eq!(got, Ok(key * 10));
        }
        assert_eq!(value, 4);
    }
}
