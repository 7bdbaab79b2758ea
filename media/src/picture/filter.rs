//! Applies a layer's filters of colour and sharpness to its content, before it is placed.

use super::content::Patch;
use super::cube::Cube;
use super::gauss::blur;
use super::key::key_out;
use super::planes::{Alpha, Picture};
use crate::error::{MediaError, Result};
use crate::protocol::Files;
use composition::plan::{self, ChromaKey, Filter};
use std::sync::Arc;

/// The filters of one layer, in order.
pub(crate) struct FilterChain {
    key: Option<ChromaKey>,
    steps: Vec<FilterStep>,
    /// The last inputs with their results: stills and repeated frames are filtered once.
    last: Vec<(Arc<Picture>, Arc<Picture>, u64)>,
}

enum FilterStep {
    Blur(f64),
    Adjust { brightness: f64, contrast: f64, saturation: f64 },
    Negative,
    Cube(Box<Cube>),
}

impl FilterChain {
    /// Creates a layer's filters and reads the files that they need.
    ///
    /// # Errors
    /// Bad input if a colour table is broken.
    pub(crate) fn open(layer: &plan::Layer, files: &Files) -> Result<Self> {
        let steps = layer.filters.iter().map(|filter| {
            Ok(match filter {
                Filter::Blur { sigma } => FilterStep::Blur(sigma.to_f64()),
                Filter::Adjust { brightness, contrast, saturation } => FilterStep::Adjust {
                    brightness: brightness.to_f64(),
                    contrast: contrast.to_f64(),
                    saturation: saturation.to_f64(),
                },
                Filter::Greyscale => {
                    FilterStep::Adjust { brightness: 0.0, contrast: 1.0, saturation: 0.0 }
                }
                Filter::Negative => FilterStep::Negative,
                Filter::Lut { source } => {
                    let path = files.get(source).ok_or_else(|| {
                        MediaError::Internal(format!("the colour table {source} has no file"))
                    })?;
                    FilterStep::Cube(Box::new(Cube::read(path)?))
                }
            })
        });
        Ok(Self { key: layer.chroma_key, steps: steps.collect::<Result<_>>()?, last: Vec::new() })
    }

    /// Filters a patch. `shown` is the number of canvas pixels that one pixel of the request takes.
    pub(crate) fn apply(&mut self, patch: Patch, shown: f64) -> Patch {
        if self.key.is_none() && self.steps.is_empty() {
            return patch;
        }
        let pixels = shown * patch.width / patch.picture.width as f64;
        let is_same = |(from, _, scale): &&(Arc<Picture>, Arc<Picture>, u64)| {
            Arc::ptr_eq(from, &patch.picture) && *scale == pixels.to_bits()
        };
        if let Some((_, done, _)) = self.last.iter().find(is_same) {
            return Patch { picture: Arc::clone(done), ..patch };
        }
        let mut picture = Picture::clone(&patch.picture);
        if let Some(key) = &self.key {
            picture = key_out(picture, key);
        }
        for step in &self.steps {
            picture = step.apply(picture, pixels);
        }
        let done = Arc::new(picture);
        if self.last.len() == 2 {
            self.last.remove(0);
        }
        self.last.push((Arc::clone(&patch.picture), Arc::clone(&done), pixels.to_bits()));
        Patch { picture: done, ..patch }
    }
}

impl FilterStep {
    fn apply(&self, picture: Picture, pixels: f64) -> Picture {
        match self {
            FilterStep::Blur(sigma) => blur(picture, sigma / pixels),
            FilterStep::Adjust { brightness, contrast, saturation } => {
                adjust(picture, *brightness, *contrast, *saturation)
            }
            FilterStep::Negative => adjust(picture, 0.0, -1.0, 1.0),
            FilterStep::Cube(cube) => cube.apply(picture),
        }
    }
}

/// Computes `c → (c − ½)·contrast + ½ + brightness` on R, G and B, then multiplies colour
/// differences by `saturation`.
///
/// Both are linear in RGB, so they are linear in YUV: luma takes contrast and brightness, chroma
/// takes contrast and saturation, and no conversion to RGB is needed. (Contrast −1 gives the
/// negative.)
fn adjust(mut picture: Picture, brightness: f64, contrast: f64, saturation: f64) -> Picture {
    // In limited range, 0 is 16 and 1 is 235.
    let middle = 16.0 + 219.0 / 2.0;
    let luma =
        LinearMap::new(contrast, middle * (1.0 - contrast) + brightness * 219.0, 16.0, 235.0);
    let colourful = contrast * saturation;
    let difference = LinearMap::new(colourful, 128.0 * (1.0 - colourful), 16.0, 240.0);
    let alpha = picture.alpha.take();
    let (full, chroma) = match &alpha {
        Some(Alpha { full, chroma }) => (Some(full.as_slice()), Some(chroma.as_slice())),
        None => (None, None),
    };
    luma.apply(&mut picture.y, full);
    difference.apply(&mut picture.u, chroma);
    difference.apply(&mut picture.v, chroma);
    picture.alpha = alpha;
    picture
}

/// A linear map from value to value, clamped.
struct LinearMap {
    table: [u8; 256],
    scale: f64,
    offset: f64,
    low: f64,
    high: f64,
}

impl LinearMap {
    fn new(scale: f64, offset: f64, low: f64, high: f64) -> Self {
        let mut table = [0; 256];
        for (value, out) in table.iter_mut().enumerate() {
            *out = (value as f64 * scale + offset).round().clamp(low, high) as u8;
        }
        Self { table, scale, offset, low, high }
    }

    /// On a premultiplied plane, offset and bounds are scaled by coverage.
    fn apply(&self, plane: &mut [u8], alpha: Option<&[u8]>) {
        match alpha {
            None => plane.iter_mut().for_each(|value| *value = self.table[usize::from(*value)]),
            Some(alpha) => {
                for (value, &alpha) in plane.iter_mut().zip(alpha) {
                    let share = f64::from(alpha) / 255.0;
                    let line = f64::from(*value) * self.scale + self.offset * share;
                    *value = line.round().clamp(self.low * share, self.high * share) as u8;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::planes::yuv_of;
    use super::*;
    use composition::plan::Rgba;

    fn colour(picture: &Picture) -> [u8; 3] {
        [picture.y[0], picture.u[0], picture.v[0]]
    }

    fn near(got: [u8; 3], want: [u8; 3]) -> bool {
        got.iter().zip(want).all(|(got, want)| got.abs_diff(want) <= 1)
    }

    #[test]
    fn a_negative_is_the_negative_in_rgb() {
        let picture = Picture::filled(2, 2, Rgba([200, 30, 90, 255]));
        let negative = FilterStep::Negative.apply(picture, 1.0);
        assert!(near(colour(&negative), yuv_of(55, 225, 165)));
    }

    #[test]
    fn contrast_and_brightness_are_those_of_rgb() {
        let picture = Picture::filled(2, 2, Rgba([128, 100, 140, 255]));
        let done = adjust(picture, 0.1, 1.2, 1.0);
        let line = |c: f64| ((c / 255.0 - 0.5) * 1.2 + 0.5 + 0.1) * 255.0;
        let [r, g, b] = [128.0, 100.0, 140.0].map(|c| line(c).round() as u8);
        assert!(near(colour(&done), yuv_of(r, g, b)));
    }

    #[test]
    fn greyscale_leaves_luma_and_no_colour() {
        let picture = Picture::filled(2, 2, Rgba([200, 30, 90, 255]));
        let y = picture.y[0];
        assert_eq!(colour(&adjust(picture, 0.0, 1.0, 0.0)), [y, 128, 128]);
    }
}
