//! An open segment, which composites any of its frames.

use super::layer::OpenLayer;
use super::planes::{Chroma, Picture, yuv_of};
use crate::error::{MediaError, Result};
use crate::protocol::Files;
use crate::text::block::TextContext;
use crate::text::fonts::{FontBook, FontFolders};
use crate::text::glyphs::GlyphPainter;
use composition::plan::{PixelFormat, Rgba, Segment};
use std::collections::BTreeSet;

/// The layers of a segment, with their sources open. A frame depends on its number alone and not on
/// frames drawn before; drawing in order is merely faster.
pub struct Scene {
    segment: Segment,
    layers: Vec<OpenLayer>,
    context: TextContext,
    background: Picture,
}

impl Scene {
    /// Opens a segment's sources and fonts.
    ///
    /// # Errors
    /// Errors from the sources; unsupported if the canvas's width or height is odd, which 4:2:0
    /// cannot hold.
    pub fn open(segment: &Segment, files: &Files, folders: &FontFolders) -> Result<Self> {
        let canvas = &segment.canvas;
        if canvas.width == 0
            || canvas.height == 0
            || canvas.width % 2 == 1
            || canvas.height % 2 == 1
        {
            return Err(MediaError::Unsupported(format!(
                "a canvas of {}×{}: width and height must be even",
                canvas.width, canvas.height
            )));
        }
        let fonts: Vec<_> =
            segment.fonts.iter().filter_map(|hash| files.get(hash).cloned()).collect();
        let mut context = TextContext {
            book: FontBook::new(&fonts, folders.clone())?,
            painter: GlyphPainter::new(),
            warnings: BTreeSet::new(),
        };
        if segment.machine_fonts.is_some() {
            // Before anything is drawn, so that no letter's look depends on what was drawn before
            // it.
            context.book.read_folders();
        }
        let layers = segment
            .layers
            .iter()
            .map(|layer| OpenLayer::open(layer, canvas, chroma_of(segment), files, &mut context));
        let layers = layers.collect::<Result<_>>()?;
        Ok(Self { background: background_of(segment), segment: segment.clone(), layers, context })
    }

    /// Composites one frame.
    ///
    /// # Errors
    /// Errors from decoding; internal for a frame that the segment does not have.
    pub fn frame(&mut self, frame: u64) -> Result<Picture> {
        if frame >= self.segment.frames {
            let frames = self.segment.frames;
            return Err(MediaError::Internal(format!(
                "frame {frame} was requested of a segment of {frames}"
            )));
        }
        let mut canvas = self.background.clone();
        for layer in &mut self.layers {
            layer.draw(frame, &mut canvas, &mut self.context)?;
        }
        Ok(canvas)
    }

    /// Returns the warnings about differences between the request and the drawing so far, each
    /// once.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        self.context.warnings.iter().cloned().collect()
    }

    /// Returns the PostScript names of the fonts that were used so far, sorted.
    #[must_use]
    pub fn fonts_used(&self) -> Vec<String> {
        self.context.book.used()
    }
}

/// Returns the chroma density of the recipe: halved for video, full for output in RGB.
fn chroma_of(segment: &Segment) -> Chroma {
    match segment.recipe.pixel_format {
        PixelFormat::Yuv420p | PixelFormat::Yuva420p => Chroma::Halved,
        PixelFormat::Rgb | PixelFormat::Rgba => Chroma::Full,
    }
}

/// Returns the empty canvas. It has alpha if the recipe's format has it; otherwise its background
/// is opaque.
fn background_of(segment: &Segment) -> Picture {
    let canvas = &segment.canvas;
    let (width, height) = (canvas.width as usize, canvas.height as usize);
    let Rgba([r, g, b, a]) = canvas.background;
    let keeps_alpha =
        matches!(segment.recipe.pixel_format, PixelFormat::Yuva420p | PixelFormat::Rgba);
    if !keeps_alpha {
        return Picture::filled_in(chroma_of(segment), width, height, Rgba([r, g, b, 255]));
    }
    let premultiplied = |value: u8| super::blend::scale(value, a);
    let [y, u, v] = yuv_of(r, g, b).map(premultiplied);
    let mut picture = Picture::clear(width, height, chroma_of(segment));
    picture.y.fill(y);
    picture.u.fill(u);
    picture.v.fill(v);
    if let Some(alpha) = &mut picture.alpha {
        alpha.full.fill(a);
        alpha.chroma.fill(a);
    }
    picture
}
