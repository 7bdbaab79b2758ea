//! Samples pictures in motion: scaled, turned and shifted by fractions of a pixel.
//!
//! Every plane is sampled bilinearly at the exact position, in 1/256 of a pixel, so a slow zoom
//! glides; a filter that crops to whole pixels would tremble. An edge covers a share of its pixels,
//! so a moving border has no steps either. If the motion only scales and shifts, rows and columns
//! are separable: the vertical mix vectorises, and horizontal positions are computed once for all
//! rows.

use super::affine::Affine;
use super::blend::{Window, halve_plane, mask};
use super::planes::{Alpha, Picture, half};

/// Returns the part of a moved picture in `window` (canvas pixels, even edges), as a picture of the
/// window's size.
///
/// `motion` maps the picture's own pixels to the canvas. The result is opaque if the picture is
/// opaque and covers the whole window; otherwise it has alpha. `None` if nothing shows. Below half
/// size the picture is first halved until it is not, since two taps cannot cover four pixels.
#[must_use]
pub fn sample(picture: &Picture, motion: Affine, window: Window) -> Option<Picture> {
    let (mut smaller, mut motion) = (None::<Picture>, motion);
    while motion.least_scale() < 0.5
        && smaller.as_ref().unwrap_or(picture).width.min(smaller.as_ref().unwrap_or(picture).height)
            > 2
    {
        let current = smaller.as_ref().unwrap_or(picture);
        let halved = halve(current);
        let (x, y) = (
            current.width as f64 / halved.width as f64,
            current.height as f64 / halved.height as f64,
        );
        motion = Affine::scale(x, y).then(motion);
        smaller = Some(halved);
    }
    sample_near(smaller.as_ref().unwrap_or(picture), motion, window)
}

fn sample_near(picture: &Picture, motion: Affine, window: Window) -> Option<Picture> {
    let inverse = motion.inverse()?;
    let view = View { inverse, window, upright: motion.is_upright() };
    let chroma = picture.chroma;
    let full = |plane: &[u8]| view.plane(plane, picture.width, picture.height, 1);
    let sparse = |plane: &[u8]| {
        view.plane(plane, chroma.of(picture.width), chroma.of(picture.height), chroma.step() as i32)
    };
    let alpha = picture.alpha.as_ref();
    let alpha = alpha.map(|alpha| Alpha { full: full(&alpha.full), chroma: sparse(&alpha.chroma) });
    let [y, u, v] = [full(&picture.y), sparse(&picture.u), sparse(&picture.v)];
    let mut tile =
        Picture { width: window.width(), height: window.height(), chroma, y, u, v, alpha };
    if !view.lies_inside(picture, motion) {
        mask(&mut tile, &view.coverage(picture, motion));
    }
    Some(tile)
}

/// Halves a picture by means of four pixels.
#[must_use]
pub fn halve(picture: &Picture) -> Picture {
    let [y, u, v] =
        picture.planes().map(|(plane, width, height)| halve_plane(plane, width, height));
    let (width, height, chroma) = (half(picture.width), half(picture.height), picture.chroma);
    Picture {
        width,
        height,
        chroma,
        y,
        u,
        v,
        alpha: picture.alpha.as_ref().map(|alpha| Alpha {
            full: halve_plane(&alpha.full, picture.width, picture.height),
            chroma: halve_plane(&alpha.chroma, chroma.of(picture.width), chroma.of(picture.height)),
        }),
    }
}

/// A window on the canvas, and the inverse motion from it into a picture.
struct View {
    inverse: Affine,
    window: Window,
    upright: bool,
}

/// A tap: the two neighbours, and the weight of the second in 1/256.
#[derive(Clone, Copy)]
struct Tap {
    first: usize,
    second: usize,
    weight: u32,
}

impl Tap {
    fn at(position: f64, length: usize) -> Self {
        let fixed = ((position - 0.5) * 256.0).floor() as i64;
        let last = length as i64 - 1;
        let first = (fixed >> 8).clamp(0, last);
        let second = ((fixed >> 8) + 1).clamp(0, last);
        Self { first: first as usize, second: second as usize, weight: (fixed & 255) as u32 }
    }
}

impl View {
    /// Samples one plane. `step` is 1 for luma and chroma of its size, and 2 for chroma of half
    /// size.
    fn plane(&self, plane: &[u8], width: usize, height: usize, step: i32) -> Vec<u8> {
        if self.upright {
            self.upright_plane(plane, width, height, step)
        } else {
            self.turned_plane(plane, width, height, step)
        }
    }

    fn size(&self, step: i32) -> (usize, usize) {
        let step = step as usize;
        (self.window.width().div_ceil(step), self.window.height().div_ceil(step))
    }

    /// Returns the centre of the window's first sample of a plane, and the inverse motion, in the
    /// plane's own units.
    fn origin(&self, step: i32) -> (f64, f64, Affine) {
        let step_f = f64::from(step);
        let inverse =
            Affine { e: self.inverse.e / step_f, f: self.inverse.f / step_f, ..self.inverse };
        (f64::from(self.window.left / step) + 0.5, f64::from(self.window.top / step) + 0.5, inverse)
    }

    fn upright_plane(&self, plane: &[u8], width: usize, height: usize, step: i32) -> Vec<u8> {
        let (left, top, inverse) = self.origin(step);
        let (out_width, out_height) = self.size(step);
        let columns: Vec<Tap> = (0..out_width)
            .map(|x| Tap::at(inverse.a * (left + x as f64) + inverse.e, width))
            .collect();
        let mut out = Vec::with_capacity(out_width * out_height);
        let mut mixed = vec![0u16; width];
        for y in 0..out_height {
            let tap = Tap::at(inverse.d * (top + y as f64) + inverse.f, height);
            mix_rows(
                &mut mixed,
                &plane[tap.first * width..][..width],
                &plane[tap.second * width..][..width],
                tap.weight as u16,
            );
            out.extend(columns.iter().map(|tap| {
                let (first, second) = (u32::from(mixed[tap.first]), u32::from(mixed[tap.second]));
                ((first * (256 - tap.weight) + second * tap.weight + (1 << 15)) >> 16) as u8
            }));
        }
        out
    }

    fn turned_plane(&self, plane: &[u8], width: usize, height: usize, step: i32) -> Vec<u8> {
        let (left, top, inverse) = self.origin(step);
        let (out_width, out_height) = self.size(step);
        let fixed = |value: f64| (value * 65_536.0).round() as i64;
        let (dx, dy) = (fixed(inverse.a), fixed(inverse.b));
        let mut out = Vec::with_capacity(out_width * out_height);
        for y in 0..out_height {
            let (x0, y0) = inverse.apply(left, top + y as f64);
            let (mut x, mut y) = (fixed(x0 - 0.5), fixed(y0 - 0.5));
            for _ in 0..out_width {
                out.push(four_taps(plane, width, height, x, y));
                x += dx;
                y += dy;
            }
        }
        out
    }

    /// Returns whether every pixel of the window is fully covered.
    fn lies_inside(&self, picture: &Picture, motion: Affine) -> bool {
        let (scale_x, scale_y) = scales(motion);
        let (w, h) = (picture.width as f64, picture.height as f64);
        let window = self.window;
        let corners = [
            (window.left, window.top),
            (window.right - 1, window.top),
            (window.left, window.bottom - 1),
            (window.right - 1, window.bottom - 1),
        ];
        corners.into_iter().all(|(x, y)| {
            let (x, y) = self.inverse.apply(f64::from(x) + 0.5, f64::from(y) + 0.5);
            // The thousandth allows for rounding if an edge coincides with the window's.
            x.min(w - x) * scale_x >= 0.499 && y.min(h - y) * scale_y >= 0.499
        })
    }

    /// Computes how much of each pixel of the window the picture covers, from the distance to its
    /// edges.
    fn coverage(&self, picture: &Picture, motion: Affine) -> Vec<u8> {
        let (scale_x, scale_y) = scales(motion);
        let (w, h) = (picture.width as f64, picture.height as f64);
        let (left, top, inverse) = self.origin(1);
        let share =
            |at: f64, length: f64, scale: f64| (at.min(length - at) * scale + 0.5).clamp(0.0, 1.0);
        let mut out = Vec::with_capacity(self.window.width() * self.window.height());
        for row in 0..self.window.height() {
            for column in 0..self.window.width() {
                let (x, y) = inverse.apply(left + column as f64, top + row as f64);
                let covered = share(x, w, scale_x) * share(y, h, scale_y);
                out.push((covered * 255.0 + 0.5) as u8);
            }
        }
        out
    }
}

fn scales(motion: Affine) -> (f64, f64) {
    (motion.a.hypot(motion.b), motion.c.hypot(motion.d))
}

fn mix_rows(out: &mut [u16], first: &[u8], second: &[u8], weight: u16) {
    for ((out, &first), &second) in out.iter_mut().zip(first).zip(second) {
        *out = u16::from(first) * (256 - weight) + u16::from(second) * weight;
    }
}

#[inline(always)]
fn four_taps(plane: &[u8], width: usize, height: usize, x: i64, y: i64) -> u8 {
    let (right, bottom) = (width as i64 - 1, height as i64 - 1);
    let (x0, x1) = ((x >> 16).clamp(0, right), ((x >> 16) + 1).clamp(0, right));
    let (y0, y1) = ((y >> 16).clamp(0, bottom), ((y >> 16) + 1).clamp(0, bottom));
    let (wx, wy) = (((x >> 8) & 255) as u32, ((y >> 8) & 255) as u32);
    let at = |x: i64, y: i64| u32::from(plane[y as usize * width + x as usize]);
    let upper = at(x0, y0) * (256 - wx) + at(x1, y0) * wx;
    let lower = at(x0, y1) * (256 - wx) + at(x1, y1) * wx;
    ((upper * (256 - wy) + lower * wy + (1 << 15)) >> 16) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use composition::plan::Rgba;

    fn ramp(width: usize, height: usize) -> Picture {
        let mut picture = Picture::filled(width, height, Rgba::BLACK);
        for row in 0..height {
            for column in 0..width {
                picture.y[row * width + column] = (16 + column * 4) as u8;
            }
        }
        picture
    }

    #[test]
    fn the_identity_motion_changes_nothing() {
        let picture = ramp(16, 8);
        let same = sample(&picture, Affine::IDENTITY, Window::whole(16, 8)).expect("it shows");
        assert_eq!(same, picture);
    }

    #[test]
    fn a_shift_by_a_quarter_pixel_moves_a_ramp_by_a_quarter_step() {
        let picture = ramp(16, 8);
        let window = Window { left: 4, top: 2, right: 12, bottom: 6 };
        let moved = sample(&picture, Affine::shift(0.25, 0.0), window).expect("it shows");
        for (x, y) in moved.y[..8].iter().enumerate() {
            assert_eq!(*y, (16 + (x + 4) * 4 - 1) as u8);
        }
        assert!(moved.is_opaque());
    }

    #[test]
    fn a_border_at_half_a_pixel_covers_half_of_it() {
        let white = Picture::filled(4, 4, Rgba::WHITE);
        let tile = sample(&white, Affine::shift(2.5, 2.0), Window::whole(10, 8)).expect("it shows");
        let alpha = tile.alpha.expect("it does not cover the window");
        let row = &alpha.full[4 * 10..5 * 10];
        assert_eq!(row, [0, 0, 128, 255, 255, 255, 128, 0, 0, 0]);
    }

    #[test]
    fn upright_and_turned_sampling_agree() {
        let picture = ramp(32, 32);
        let motion = Affine::scale(1.3, 1.3).then(Affine::shift(-3.7, -2.2));
        let window = Window::whole(32, 32);
        let upright = sample(&picture, motion, window).expect("it shows");
        let nearly = Affine { b: 1e-12, ..motion };
        let turned = sample(&picture, nearly, window).expect("it shows");
        for (a, b) in upright.y.iter().zip(&turned.y) {
            assert!(a.abs_diff(*b) <= 1);
        }
    }

    #[test]
    fn a_picture_at_a_tenth_of_its_size_is_the_mean_of_what_it_shows() {
        let mut stripes = Picture::filled(80, 80, Rgba::BLACK);
        for (index, y) in stripes.y.iter_mut().enumerate() {
            *y = if index % 2 == 0 { 16 } else { 235 };
        }
        let tiny = sample(&stripes, Affine::scale(0.1, 0.1), Window::whole(8, 8));
        assert!(tiny.expect("it shows").y.iter().all(|y| y.abs_diff(126) <= 2));
    }
}
