//! Chroma key: makes a colour transparent, by its distance in chroma alone, so that shadows on a
//! screen vanish with it.

use super::blend::mask;
use super::planes::{Picture, yuv_of};
use composition::plan::ChromaKey;

/// Clears the pixels that are near the key's colour.
///
/// As libavfilter's `chromakey`: the distance is that of U and V, as a share of the largest
/// possible (√2 · 255). Below the threshold a pixel is clear; over the halo beyond it, it becomes
/// opaque.
pub(crate) fn key_out(mut picture: Picture, key: &ChromaKey) -> Picture {
    let [r, g, b, _] = key.colour.0;
    let [_, u, v] = yuv_of(r, g, b);
    let (threshold, halo) = (key.threshold.to_f64(), key.halo.to_f64());
    let cover: Vec<u8> = picture
        .u
        .iter()
        .zip(&picture.v)
        .map(|(&pu, &pv)| {
            let (du, dv) = (f64::from(pu) - f64::from(u), f64::from(pv) - f64::from(v));
            let distance = (du * du + dv * dv).sqrt() / (255.0 * std::f64::consts::SQRT_2);
            (covered(distance, threshold, halo) * 255.0).round() as u8
        })
        .collect();
    // Coverage is interpolated between chroma samples, so edges have no steps of two pixels.
    let full = picture.chroma.spread(&cover, picture.width, picture.height);
    mask(&mut picture, &full);
    picture
}

fn covered(distance: f64, threshold: f64, halo: f64) -> f64 {
    if halo > 0.0001 {
        ((distance - threshold) / halo).clamp(0.0, 1.0)
    } else if distance > threshold {
        1.0
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use composition::plan::{Micro, Rgba};

    #[test]
    fn the_keys_colour_vanishes_and_others_stay() {
        let green = Rgba([0, 220, 20, 255]);
        let key = ChromaKey {
            colour: green,
            threshold: Micro::from_f64(0.1),
            halo: Micro::from_f64(0.05),
        };
        let alpha =
            |colour| key_out(Picture::filled(4, 4, colour), &key).alpha.expect("it has alpha");
        assert!(alpha(green).full.iter().all(|&a| a == 0));
        assert!(alpha(Rgba([0, 120, 10, 255])).full.iter().all(|&a| a < 255));
        assert!(alpha(Rgba([200, 150, 120, 255])).full.iter().all(|&a| a == 255));
    }
}
