//! Draws opaque gradients without visible steps.
//!
//! Eight bits of limited range have 220 levels: over a wide frame, a gentle gradient would form
//! bands of many pixels, which a flat stretch of video shows plainly. So each sample is computed
//! with its fraction, and rounded by a threshold that depends on its position alone (ordered
//! dithering; Bayer 1973): it is the same in every frame and in every segment.

use super::planes::{Chroma, Picture, yuv_of};
use composition::plan::Gradient;

/// Entries of the table between the ends: finer than a tenth of a level.
const STEPS: usize = 4096;
const SIDE: usize = 8;

/// Draws the gradient over a box of whole pixels whose corner is on an even one. `None` if it is
/// not opaque.
pub(crate) fn dithered(
    gradient: &Gradient,
    width: usize,
    height: usize,
    chroma: Chroma,
) -> Option<Picture> {
    if gradient.stops.is_empty() || gradient.stops.iter().any(|stop| stop.colour.0[3] < 255) {
        return None;
    }
    let table = table_of(gradient);
    let shape = GradientShape::of(gradient, width as f32, height as f32);
    let plane = |channel: usize, columns: usize, rows: usize, step: f32| -> Vec<u8> {
        let mut plane = Vec::with_capacity(columns * rows);
        for row in 0..rows {
            let y = (row as f32 + 0.5) * step;
            for column in 0..columns {
                let share = shape.share((column as f32 + 0.5) * step, y);
                let exact = table[(share.clamp(0.0, 1.0) * STEPS as f32 + 0.5) as usize][channel];
                plane.push((exact + threshold(column, row)) as u8);
            }
        }
        plane
    };
    let (across, down, step) = (chroma.of(width), chroma.of(height), chroma.step() as f32);
    Some(Picture {
        width,
        height,
        chroma,
        y: plane(0, width, height, 1.0),
        u: plane(1, across, down, step),
        v: plane(2, across, down, step),
        alpha: None,
    })
}

/// Returns a threshold between 0 and 1: in a square of eight by eight each of 64 values occurs
/// once, and neighbours are far apart.
fn threshold(column: usize, row: usize) -> f32 {
    let (x, y) = (column % SIDE, row % SIDE);
    let mixed = x ^ y;
    // Bayer's matrix in closed form: the bits of x ^ y and of y, interleaved, the lowest ones
    // first.
    let rank = (0..3).fold(0, |rank, bit| rank << 2 | (mixed >> bit & 1) << 1 | y >> bit & 1);
    (rank as f32 + 0.5) / (SIDE * SIDE) as f32
}

/// Computes the colours from end to end, as samples with their fractions.
fn table_of(gradient: &Gradient) -> Vec<[f32; 3]> {
    let stops: Vec<(f32, [f32; 3])> = gradient
        .stops
        .iter()
        .map(|stop| {
            let [r, g, b, _] = stop.colour.0;
            // Samples at the stops are whole, so flat parts stay flat and the ends match the same
            // colours drawn elsewhere.
            (stop.at.to_f64() as f32, yuv_of(r, g, b).map(f32::from))
        })
        .collect();
    (0..=STEPS).map(|step| colour_at(&stops, step as f32 / STEPS as f32)).collect()
}

/// The matrix is linear, so mixing samples is mixing colours.
fn colour_at(stops: &[(f32, [f32; 3])], share: f32) -> [f32; 3] {
    let after = stops.partition_point(|(at, _)| *at <= share);
    let (Some((from, below)), Some((to, above))) =
        (after.checked_sub(1).map(|at| stops[at]), stops.get(after))
    else {
        return if after == 0 { stops[0].1 } else { stops[after - 1].1 };
    };
    let mixed = (share - from) / (to - from);
    std::array::from_fn(|channel| below[channel] + (above[channel] - below[channel]) * mixed)
}

/// The shape of a gradient: how far along it a point is (CSS Images 3, §3.1 and §3.2).
enum GradientShape {
    Linear { centre: [f32; 2], along: [f32; 2] },
    Radial { centre: [f32; 2], radii: [f32; 2] },
}

impl GradientShape {
    fn of(gradient: &Gradient, width: f32, height: f32) -> Self {
        let centre = [width / 2.0, height / 2.0];
        match gradient.angle {
            Some(angle) => {
                let (sin, cos) = (angle.to_f64().to_radians() as f32).sin_cos();
                let reach = width * sin.abs() + height * cos.abs();
                Self::Linear { centre, along: [sin / reach, -cos / reach] }
            }
            None => {
                Self::Radial { centre, radii: centre.map(|half| half * std::f32::consts::SQRT_2) }
            }
        }
    }

    fn share(&self, x: f32, y: f32) -> f32 {
        match self {
            Self::Linear { centre, along } => {
                0.5 + (x - centre[0]) * along[0] + (y - centre[1]) * along[1]
            }
            Self::Radial { centre, radii } => {
                ((x - centre[0]) / radii[0]).hypot((y - centre[1]) / radii[1])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use composition::plan::{GradientStop, Micro, Rgba};
    use std::collections::BTreeSet;

    fn gradient(angle: Option<i64>, from: u8, to: u8) -> Gradient {
        let stop = |at, grey| GradientStop { at, colour: Rgba([grey, grey, grey, 255]) };
        Gradient {
            angle: angle.map(Micro::whole),
            stops: vec![stop(Micro::ZERO, from), stop(Micro::ONE, to)],
        }
    }

    #[test]
    fn every_threshold_occurs_once() {
        let found: BTreeSet<u32> =
            (0..64).map(|at| (threshold(at % SIDE, at / SIDE) * 128.0) as u32).collect();
        assert_eq!(found.len(), 64);
    }

    #[test]
    fn a_gentle_gradient_has_no_bands() {
        // Fourteen levels over 1920 pixels: plain rounding would give bands of 137 pixels each.
        let picture =
            dithered(&gradient(Some(90), 32, 48), 1920, 64, Chroma::Halved).expect("it is opaque");
        let [from, to] = [32, 48].map(|grey| f64::from(yuv_of(grey, grey, grey)[0]));
        for column in (0..1920).step_by(8) {
            let block = (0..8).flat_map(|row| &picture.y[row * 1920 + column..][..8]);
            let mean = block.map(|&y| f64::from(y)).sum::<f64>() / 64.0;
            let exact = from + (to - from) * (column as f64 + 4.0) / 1920.0;
            assert!((mean - exact).abs() < 0.1, "column {column}: {mean} where {exact} is exact");
        }
    }

    #[test]
    fn the_ends_have_their_colours_and_one_colour_stays_flat() {
        let picture =
            dithered(&gradient(Some(90), 0, 255), 100, 2, Chroma::Halved).expect("it is opaque");
        assert!(picture.y[0] < 20 && picture.y[99] > 230);
        let flat =
            dithered(&gradient(None, 128, 128), 64, 64, Chroma::Halved).expect("it is opaque");
        assert!(flat.y.iter().all(|&y| y == flat.y[0]) && flat.u.iter().all(|&u| u == 128));
        let mut clear = gradient(None, 1, 2);
        clear.stops[0].colour.0[3] = 9;
        assert!(dithered(&clear, 8, 8, Chroma::Halved).is_none());
    }
}
