//! Reads and applies three-dimensional colour tables from `.cube` files (Adobe, "Cube LUT
//! Specification 1.0").

use super::planes::Picture;
use super::raster::Raster;
use crate::encode::frames::rgb_rows;
use crate::error::{MediaError, Result};
use std::path::Path;

/// The most steps a side. Grading tools write 65 at most in practice.
const MAX_SIDE: usize = 128;

/// A table from RGB to RGB.
pub(crate) struct Cube {
    side: usize,
    /// `side³` colours of 0 to 255; red varies fastest.
    colours: Vec<[f32; 3]>,
}

impl Cube {
    /// Reads a file.
    ///
    /// # Errors
    /// Bad input if it is no such table, naming the line.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|error| {
            MediaError::from_io(format_args!("reading {}", path.display()), &error)
        })?;
        // Titles and comments may be in any encoding; numbers are ASCII.
        Self::parse(String::from_utf8_lossy(&bytes).trim_start_matches('\u{feff}'))
    }

    /// Parses a table's text.
    ///
    /// # Errors
    /// As [`Cube::read`].
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let (mut side, mut colours) = (None, Vec::new());
        let mut domain = [[0.0; 3], [1.0; 3]];
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            let wrong = |problem: &str| broken(&format!("line {}: {problem}", number + 1));
            match line.split_ascii_whitespace().next() {
                None | Some("TITLE" | "LUT_3D_INPUT_RANGE") => {}
                Some(word) if word.starts_with('#') => {}
                Some("LUT_1D_SIZE") => {
                    return Err(wrong("tables of one dimension are not supported"));
                }
                Some("LUT_3D_SIZE") => {
                    let size: usize =
                        line[11..].trim().parse().map_err(|_| wrong("the size is not a number"))?;
                    if !(2..=MAX_SIDE).contains(&size) {
                        return Err(wrong("the size must be 2 to 128"));
                    }
                    side = Some(size);
                }
                Some("DOMAIN_MIN") => {
                    domain[0] = three_numbers(&line[10..])
                        .ok_or_else(|| wrong("three numbers are expected"))?
                }
                Some("DOMAIN_MAX") => {
                    domain[1] = three_numbers(&line[10..])
                        .ok_or_else(|| wrong("three numbers are expected"))?
                }
                Some(_) => {
                    let colour =
                        three_numbers(line).ok_or_else(|| wrong("three numbers are expected"))?;
                    colours.push(colour.map(|value| value * 255.0));
                    if colours.len() > MAX_SIDE * MAX_SIDE * MAX_SIDE {
                        return Err(wrong("there are too many colours"));
                    }
                }
            }
        }
        let side = side.ok_or_else(|| broken("LUT_3D_SIZE is missing"))?;
        if colours.len() != side * side * side {
            return Err(broken(&format!(
                "it has {} colours and should have {}",
                colours.len(),
                side * side * side
            )));
        }
        if domain != [[0.0; 3], [1.0; 3]] {
            return Err(broken("only the domain of 0 to 1 is supported"));
        }
        Ok(Self { side, colours })
    }

    /// Maps every pixel through the table; coverage stays.
    pub(crate) fn apply(&self, picture: Picture) -> Picture {
        let pixels = rgb_rows(&picture);
        let mut raster = Raster::clear(picture.width, picture.height);
        let alpha = picture.alpha.as_ref();
        for (at, (out, rgb)) in
            raster.data.chunks_exact_mut(4).zip(pixels.chunks_exact(3)).enumerate()
        {
            let a = alpha.map_or(255, |alpha| alpha.full[at]);
            let colour = self.look_up([rgb[0], rgb[1], rgb[2]]);
            for (out, value) in out.iter_mut().zip(colour) {
                *out = super::blend::scale(value, a);
            }
            out[3] = a;
        }
        raster.into_picture(picture.chroma)
    }

    /// Maps one colour, interpolating between the eight entries around it.
    fn look_up(&self, rgb: [u8; 3]) -> [u8; 3] {
        let last = self.side - 1;
        let steps = rgb.map(|value| {
            let at = f32::from(value) * last as f32 / 255.0;
            let low = (at as usize).min(last);
            (low, (low + 1).min(last), at - low as f32)
        });
        let mut sum = [0.0f32; 3];
        for corner in 0..8usize {
            let mut weight = 1.0;
            let mut index = [0; 3];
            for (axis, (low, high, share)) in steps.into_iter().enumerate() {
                let upper = corner >> axis & 1 == 1;
                index[axis] = if upper { high } else { low };
                weight *= if upper { share } else { 1.0 - share };
            }
            let colour = self.colours[index[0] + self.side * (index[1] + self.side * index[2])];
            for (sum, value) in sum.iter_mut().zip(colour) {
                *sum += value * weight;
            }
        }
        sum.map(|value| value.round().clamp(0.0, 255.0) as u8)
    }
}

fn three_numbers(text: &str) -> Option<[f32; 3]> {
    let mut numbers = text
        .split_ascii_whitespace()
        .map(|word| word.parse::<f32>().ok().filter(|n| n.is_finite()));
    let three = [numbers.next()??, numbers.next()??, numbers.next()??];
    numbers.next().is_none().then_some(three)
}

fn broken(problem: &str) -> MediaError {
    MediaError::BadInput(format!("the colour table can't be read: {problem}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(map: impl Fn(f32, f32, f32) -> [f32; 3]) -> String {
        let mut text = String::from("# a test\nLUT_3D_SIZE 2\n");
        for b in 0..2 {
            for g in 0..2 {
                for r in 0..2 {
                    let [x, y, z] = map(r as f32, g as f32, b as f32);
                    text.push_str(&format!("{x} {y} {z}\n"));
                }
            }
        }
        text
    }

    #[test]
    fn the_identity_changes_nothing_and_a_swap_swaps() {
        let same = Cube::parse(&table(|r, g, b| [r, g, b])).expect("a table");
        assert_eq!(same.look_up([13, 200, 77]), [13, 200, 77]);
        let swap = Cube::parse(&table(|r, g, b| [b, g, r])).expect("a table");
        assert_eq!(swap.look_up([13, 200, 77]), [77, 200, 13]);
    }

    #[test]
    fn broken_tables_are_refused_with_their_line() {
        for text in [
            "",
            "LUT_3D_SIZE 1\n",
            "LUT_3D_SIZE 2\n1 2\n",
            "LUT_3D_SIZE 2\n0 0 0\n",
            "LUT_3D_SIZE x",
            "LUT_1D_SIZE 3",
        ] {
            assert!(matches!(Cube::parse(text), Err(MediaError::BadInput(_))), "{text}");
        }
    }
}
