//! Scales and converts frames with libswscale, whose contexts are set up once and kept.

use super::colour::{ColourEncoding, matrix_number};
use crate::error::{MediaError, Result};
use crate::ffi;
use ffmpeg_next::color::Space;
use ffmpeg_next::format::Pixel;
use ffmpeg_next::frame;
use ffmpeg_next::software::scaling;

/// The scalers of one source.
#[derive(Default)]
pub(crate) struct Scalers {
    scalers: Vec<Scaler>,
}

/// A libswscale context and the frame it writes into, whose rows have room for libswscale's wide
/// stores.
struct Scaler {
    setting: ScalerSetting,
    context: scaling::Context,
    target: frame::Video,
}

#[derive(Clone, Copy, PartialEq)]
struct ScalerSetting {
    source: scaling::context::Definition,
    target: scaling::context::Definition,
    encoding: ColourEncoding,
    keeps_encoding: bool,
}

/// The format and the size of a scaler's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ScaleTarget {
    pub format: Pixel,
    /// Width and height.
    pub size: (usize, usize),
    /// Set to keep the source's matrix and range; otherwise the output is BT.709, limited range.
    pub keeps_encoding: bool,
}

/// A part of a stored frame, in whole pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameRect {
    pub left: usize,
    pub top: usize,
    pub width: usize,
    pub height: usize,
}

impl FrameRect {
    /// Returns all of a frame of this size.
    pub(crate) fn whole(width: usize, height: usize) -> Self {
        Self { left: 0, top: 0, width, height }
    }
}

/// The most scalers that are kept: a source that changes its size with each frame must not fill the
/// memory.
const MAX_SCALERS: usize = 4;

impl Scalers {
    /// Scales and converts part of a frame.
    ///
    /// # Errors
    /// Bad input or unsupported if libswscale cannot read the frame's format.
    pub(crate) fn scale(
        &mut self,
        frame: &frame::Video,
        part: FrameRect,
        target: ScaleTarget,
        encoding: ColourEncoding,
    ) -> Result<&frame::Video> {
        let setting = ScalerSetting {
            source: definition(
                full_range_name(frame.format(), encoding),
                (part.width, part.height),
            ),
            target: definition(target.format, target.size),
            encoding,
            keeps_encoding: target.keeps_encoding,
        };
        let index = self.scalers.iter().position(|scaler| scaler.setting == setting);
        let index = match index {
            Some(index) => index,
            None => {
                if self.scalers.len() == MAX_SCALERS {
                    self.scalers.remove(0);
                }
                self.scalers.push(Scaler::new(setting)?);
                self.scalers.len() - 1
            }
        };
        let scaler = &mut self.scalers[index];
        let mut cropped = ffi::crop_frame(frame, part.left, part.top, part.width, part.height)
            .map_err(|error| MediaError::from_libav("cutting a frame", error))?;
        cropped.set_format(setting.source.format);
        let run = scaler.context.run(&cropped, &mut scaler.target);
        run.map_err(|error| MediaError::from_libav("scaling a frame", error))?;
        Ok(&scaler.target)
    }
}

impl Scaler {
    fn new(setting: ScalerSetting) -> Result<Self> {
        let (source, target, encoding) = (setting.source, setting.target, setting.encoding);
        let flags = scaling::Flags::BICUBIC
            | scaling::Flags::ACCURATE_RND
            | scaling::Flags::FULL_CHR_H_INT
            | scaling::Flags::BITEXACT;
        let failed = |error| MediaError::from_libav("setting up a scaler", error);
        let mut context = scaling::Context::get(
            source.format,
            source.width,
            source.height,
            target.format,
            target.width,
            target.height,
            flags,
        )
        .map_err(failed)?;
        let from = (encoding.matrix, encoding.full_range);
        let to = if setting.keeps_encoding { from } else { (matrix_number(Space::BT709), false) };
        ffi::set_scaler_colours(&mut context, from, to).map_err(failed)?;
        Ok(Self {
            setting,
            context,
            target: frame::Video::new(target.format, target.width, target.height),
        })
    }
}

/// Returns the name of the format that also states full range, if there is one.
///
/// A scaler learns the range only after it was set up, when it has already decided to copy a frame
/// that has the target's size and format: full-range codes would stay as they are.
fn full_range_name(format: Pixel, encoding: ColourEncoding) -> Pixel {
    match format {
        Pixel::YUV420P if encoding.full_range => Pixel::YUVJ420P,
        Pixel::YUV422P if encoding.full_range => Pixel::YUVJ422P,
        Pixel::YUV440P if encoding.full_range => Pixel::YUVJ440P,
        Pixel::YUV444P if encoding.full_range => Pixel::YUVJ444P,
        format => format,
    }
}

fn definition(format: Pixel, (width, height): (usize, usize)) -> scaling::context::Definition {
    scaling::context::Definition { format, width: width as u32, height: height as u32 }
}
