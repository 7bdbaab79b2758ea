//! Writes single pictures as image files.

use super::frames::FrameSlot;
use crate::error::{MediaError, Result};
use crate::picture::planes::Picture;
use ffmpeg_next as ffmpeg;
use ffmpeg_next::codec::{self, encoder};
use ffmpeg_next::format::Pixel;
use ffmpeg_next::{Packet, color};
use std::path::Path;

/// An image format: libav's encoder, its pixel format, and its options.
struct ImageFormat {
    encoder: &'static str,
    pixels: Pixel,
    options: &'static [(&'static str, &'static str)],
}

/// JPEG's quantiser, from 2 (best) to 31: at 3 the loss is hard to see.
const JPEG_QUALITY: i32 = 3;

fn image_format(extension: &str, opaque: bool) -> Option<ImageFormat> {
    let format = |encoder, pixels, options| Some(ImageFormat { encoder, pixels, options });
    match extension {
        "png" if opaque => format("png", Pixel::RGB24, &[("pred", "mixed")]),
        "png" => format("png", Pixel::RGBA, &[("pred", "mixed")]),
        "jpg" | "jpeg" => format("mjpeg", Pixel::YUVJ420P, &[("huffman", "optimal")]),
        // WebP's YUV is BT.601; from RGB the encoder converts by itself.
        "webp" => format("libwebp", Pixel::BGRA, &[("quality", "88"), ("compression_level", "4")]),
        _ => None,
    }
}

/// Writes a picture. The extension of `out` gives the format.
///
/// # Errors
/// Unsupported for extensions other than `png`, `jpg`, `jpeg` and `webp`; out of space.
pub(crate) fn write_still(picture: &Picture, out: &Path) -> Result<()> {
    let extension = out.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let format =
        image_format(&extension.to_ascii_lowercase(), picture.is_opaque()).ok_or_else(|| {
            MediaError::Unsupported(format!(
                "a picture cannot be written as \"{extension}\": use png, jpg or webp"
            ))
        })?;
    let bytes = encode(picture, &format)?;
    std::fs::write(out, bytes)
        .map_err(|error| MediaError::from_io(format_args!("writing {}", out.display()), &error))
}

fn encode(picture: &Picture, format: &ImageFormat) -> Result<Vec<u8>> {
    let failed = |error| {
        MediaError::from_libav(format_args!("encoding a picture by {}", format.encoder), error)
    };
    let codec = encoder::find_by_name(format.encoder).ok_or_else(|| {
        MediaError::Unsupported(format!("this build of libav has no encoder {}", format.encoder))
    })?;
    let mut video = codec::Context::new_with_codec(codec).encoder().video().map_err(failed)?;
    let (width, height) = (picture.width as u32, picture.height as u32);
    video.set_width(width);
    video.set_height(height);
    video.set_format(format.pixels);
    video.set_time_base((1, 25));
    let mut flags = codec::Flags::BITEXACT;
    if format.encoder == "mjpeg" {
        flags |= codec::Flags::QSCALE;
        video.set_global_quality(JPEG_QUALITY * ffmpeg::ffi::FF_QP2LAMBDA);
        video.set_color_range(color::Range::JPEG);
    }
    video.set_flags(flags);
    let mut options = ffmpeg::Dictionary::new();
    for (key, value) in format.options {
        options.set(key, value);
    }
    let mut encoder = video.open_as_with(codec, options).map_err(failed)?;
    let mut slot = FrameSlot::new(format.pixels, width, height);
    let frame = slot.fill(picture)?;
    frame.set_pts(Some(0));
    if format.encoder == "mjpeg" {
        crate::ffi::set_quality(frame, JPEG_QUALITY * ffmpeg::ffi::FF_QP2LAMBDA);
    }
    encoder.send_frame(frame).map_err(failed)?;
    encoder.send_eof().map_err(failed)?;
    let mut packet = Packet::empty();
    encoder.receive_packet(&mut packet).map_err(failed)?;
    Ok(packet.data().unwrap_or_default().to_vec())
}
