//! Blend modes (W3C Compositing and Blending Level 1, §9 and §10).

use super::blend::Window;
use super::place::{Tile, crop_to, tile_area};
use super::planes::Picture;
use super::raster::Raster;
use crate::encode::frames::rgb_rows;
use composition::plan::Blend;

type Rgb = [f32; 3];

/// Blends a tile with the canvas. The modes are defined in RGB, so this part of the canvas is
/// converted to RGB and back.
pub(crate) fn blend_tile(canvas: &mut Picture, tile: &Tile, opacity: u8, mode: Blend) {
    let window = tile_area(tile).intersect(Window::whole(canvas.width, canvas.height));
    if window.is_empty() {
        return;
    }
    let top = crop_to(&tile.picture, tile.x, tile.y, window);
    let below = crop_to(canvas, 0, 0, window);
    let (above_rgb, below_rgb) = (rgb_rows(&top), rgb_rows(&below));
    let mut raster = Raster::clear(window.width(), window.height());
    let strength = f32::from(opacity) / 255.0;
    let coverage = |picture: &Picture, at: usize| {
        picture.alpha.as_ref().map_or(1.0, |alpha| f32::from(alpha.full[at]) / 255.0)
    };
    for (at, out) in raster.data.chunks_exact_mut(4).enumerate() {
        let unit = |values: &[u8]| -> Rgb {
            [0, 1, 2].map(|channel| f32::from(values[at * 3 + channel]) / 255.0)
        };
        let (source, backdrop) = (unit(&above_rgb), unit(&below_rgb));
        let (a, b) = (coverage(&top, at) * strength, coverage(&below, at));
        let mixed = blend(mode, backdrop, source);
        for channel in 0..3 {
            let value = a * (1.0 - b) * source[channel]
                + a * b * mixed[channel]
                + (1.0 - a) * b * backdrop[channel];
            out[channel] = (value * 255.0).round().clamp(0.0, 255.0) as u8;
        }
        out[3] = ((a + b * (1.0 - a)) * 255.0).round() as u8;
    }
    let opaque = canvas.is_opaque();
    let mut mixed = raster.into_picture(canvas.chroma);
    if opaque {
        mixed.alpha = None;
    }
    replace(canvas, &mixed, window);
}

/// Copies a part back into the canvas.
fn replace(canvas: &mut Picture, part: &Picture, window: Window) {
    let keeps_alpha = canvas.alpha.is_some();
    let part = if keeps_alpha { part.clone().with_alpha() } else { part.clone() };
    let (left, top) = (window.left as usize, window.top as usize);
    put(&mut canvas.y, canvas.width, &part.y, part.width, left, top);
    let (chroma, step) = (canvas.chroma, canvas.chroma.step());
    let (cw, pw) = (chroma.of(canvas.width), chroma.of(part.width));
    put(&mut canvas.u, cw, &part.u, pw, left / step, top / step);
    put(&mut canvas.v, cw, &part.v, pw, left / step, top / step);
    if let (Some(alpha), Some(new)) = (&mut canvas.alpha, &part.alpha) {
        put(&mut alpha.full, canvas.width, &new.full, part.width, left, top);
        put(&mut alpha.chroma, cw, &new.chroma, pw, left / step, top / step);
    }
}

fn put(plane: &mut [u8], stride: usize, part: &[u8], width: usize, left: usize, top: usize) {
    for (row, values) in part.chunks_exact(width).enumerate() {
        plane[(top + row) * stride + left..][..width].copy_from_slice(values);
    }
}

fn blend(mode: Blend, below: Rgb, above: Rgb) -> Rgb {
    match mode {
        Blend::Hue => set_luminosity(set_saturation(above, saturation(below)), luminosity(below)),
        Blend::Saturation => {
            set_luminosity(set_saturation(below, saturation(above)), luminosity(below))
        }
        Blend::Color => set_luminosity(above, luminosity(below)),
        Blend::Luminosity => set_luminosity(below, luminosity(above)),
        mode => [0, 1, 2].map(|channel| channel_of(mode, below[channel], above[channel])),
    }
}

fn channel_of(mode: Blend, b: f32, s: f32) -> f32 {
    match mode {
        Blend::Multiply => b * s,
        Blend::Screen => b + s - b * s,
        Blend::Overlay => channel_of(Blend::HardLight, s, b),
        Blend::Darken => b.min(s),
        Blend::Lighten => b.max(s),
        Blend::ColorDodge if b == 0.0 => 0.0,
        Blend::ColorDodge if s >= 1.0 => 1.0,
        Blend::ColorDodge => (b / (1.0 - s)).min(1.0),
        Blend::ColorBurn if b >= 1.0 => 1.0,
        Blend::ColorBurn if s <= 0.0 => 0.0,
        Blend::ColorBurn => 1.0 - ((1.0 - b) / s).min(1.0),
        Blend::HardLight if s <= 0.5 => b * 2.0 * s,
        Blend::HardLight => channel_of(Blend::Screen, b, 2.0 * s - 1.0),
        Blend::SoftLight => soft_light(b, s),
        Blend::Difference => (b - s).abs(),
        Blend::Exclusion => b + s - 2.0 * b * s,
        Blend::Add => (b + s).min(1.0),
        _ => s,
    }
}

fn soft_light(b: f32, s: f32) -> f32 {
    if s <= 0.5 {
        return b - (1.0 - 2.0 * s) * b * (1.0 - b);
    }
    let d = if b <= 0.25 { ((16.0 * b - 12.0) * b + 4.0) * b } else { b.sqrt() };
    b + (2.0 * s - 1.0) * (d - b)
}

fn luminosity([r, g, b]: Rgb) -> f32 {
    0.3 * r + 0.59 * g + 0.11 * b
}

fn saturation(colour: Rgb) -> f32 {
    let (low, high) = ends(colour);
    high - low
}

fn ends([r, g, b]: Rgb) -> (f32, f32) {
    (r.min(g).min(b), r.max(g).max(b))
}

fn set_luminosity(colour: Rgb, luminosity_wanted: f32) -> Rgb {
    let shift = luminosity_wanted - luminosity(colour);
    clip_colour(colour.map(|channel| channel + shift))
}

fn clip_colour(colour: Rgb) -> Rgb {
    let (low, high) = ends(colour);
    let grey = luminosity(colour);
    let mut clipped = colour;
    if low < 0.0 {
        clipped = clipped.map(|channel| grey + (channel - grey) * grey / (grey - low));
    }
    if high > 1.0 {
        clipped = clipped.map(|channel| grey + (channel - grey) * (1.0 - grey) / (high - grey));
    }
    clipped
}

fn set_saturation(colour: Rgb, wanted: f32) -> Rgb {
    let (low, high) = ends(colour);
    if high <= low {
        return [0.0; 3];
    }
    colour.map(|channel| (channel - low) * wanted / (high - low))
}

#[cfg(test)]
mod tests {
    use super::super::planes::yuv_of;
    use super::*;
    use composition::plan::Rgba;
    use std::sync::Arc;

    fn mixed(mode: Blend, below: [u8; 3], above: [u8; 3]) -> [u8; 3] {
        let fill = |[r, g, b]: [u8; 3]| Picture::filled(4, 4, Rgba([r, g, b, 255]));
        let mut canvas = fill(below);
        let tile = Tile { picture: Arc::new(fill(above)), x: 0, y: 0, opacity: 1.0 };
        blend_tile(&mut canvas, &tile, 255, mode);
        [canvas.y[0], canvas.u[0], canvas.v[0]]
    }

    fn assert_near(got: [u8; 3], [r, g, b]: [u8; 3]) {
        let want = yuv_of(r, g, b);
        assert!(
            got.iter().zip(want).all(|(got, want)| got.abs_diff(want) <= 2),
            "{got:?} {want:?}"
        );
    }

    #[test]
    fn modes_give_the_colours_of_their_formulas() {
        assert_near(mixed(Blend::Multiply, [200, 100, 50], [128, 128, 128]), [100, 50, 25]);
        assert_near(mixed(Blend::Screen, [200, 100, 50], [128, 128, 128]), [228, 178, 153]);
        assert_near(mixed(Blend::Difference, [200, 100, 50], [50, 150, 50]), [150, 50, 0]);
        assert_near(mixed(Blend::Add, [100, 100, 50], [50, 60, 70]), [150, 160, 120]);
        assert_near(mixed(Blend::Darken, [200, 100, 50], [128, 128, 128]), [128, 100, 50]);
        // Grey has neither hue nor saturation, so only luminosity is left.
        assert_near(mixed(Blend::Color, [120, 120, 120], [120, 120, 120]), [120, 120, 120]);
    }
}
