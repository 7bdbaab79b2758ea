//! The settings of each codec, chosen so that segments join without a seam and bytes repeat.
//!
//! Each encoder has one thread: with two, x264's rate control sees events in another order and
//! gives other bytes. The engine's parallelism is its segments. Keyframes are where the recipe says
//! and nowhere else, GOPs are closed, and no setting depends on the processor.

use crate::error::{MediaError, Result};
use composition::plan::{Canvas, ColourTags, PixelFormat, Recipe, VideoCodec};
use ffmpeg_next as ffmpeg;
use ffmpeg_next::codec::{self, encoder};
use ffmpeg_next::color;
use ffmpeg_next::format::Pixel;

/// Returns the container of a segment of this codec, as libav names its muxer. `assemble` copies
/// from it.
///
/// MP4 keeps exact times, and parameter sets apart from packets. VP9's alpha and FFV1 need
/// Matroska.
#[must_use]
pub fn container(codec: VideoCodec) -> &'static str {
    match codec {
        VideoCodec::H264 | VideoCodec::H265 => "mp4",
        VideoCodec::Vp9 | VideoCodec::Ffv1 => "matroska",
    }
}

/// Returns libav's pixel format for a recipe's.
pub(crate) fn libav_pixel(format: PixelFormat) -> Pixel {
    match format {
        PixelFormat::Yuv420p => Pixel::YUV420P,
        PixelFormat::Yuva420p => Pixel::YUVA420P,
        PixelFormat::Rgb => Pixel::BGRZ,
        PixelFormat::Rgba => Pixel::BGRA,
    }
}

/// Opens the recipe's encoder for a canvas.
///
/// # Errors
/// Unsupported if libav was built without the encoder, or if the encoder refuses the size.
pub(crate) fn open_encoder(recipe: &Recipe, canvas: &Canvas) -> Result<encoder::video::Encoder> {
    let name = match recipe.codec {
        VideoCodec::H264 => "libx264",
        VideoCodec::H265 => "libx265",
        VideoCodec::Vp9 => "libvpx-vp9",
        VideoCodec::Ffv1 => "ffv1",
    };
    let codec = encoder::find_by_name(name).ok_or_else(|| {
        MediaError::Unsupported(format!("this build of libav has no encoder {name}"))
    })?;
    let context = codec::Context::new_with_codec(codec);
    let failed = |error| MediaError::from_libav(format_args!("opening the encoder {name}"), error);
    let mut video = context.encoder().video().map_err(failed)?;
    video.set_width(canvas.width);
    video.set_height(canvas.height);
    video.set_format(libav_pixel(recipe.pixel_format));
    let (num, den) = (canvas.rate.num as i32, canvas.rate.den as i32);
    video.set_time_base((den, num));
    video.set_frame_rate(Some((num, den)));
    video.set_aspect_ratio((1, 1));
    video.set_gop(recipe.gop);
    // Setting flags replaces the defaults, so closed GOPs must be set again.
    let mut flags = codec::Flags::CLOSED_GOP | codec::Flags::BITEXACT;
    if recipe.codec != VideoCodec::Vp9 {
        flags |= codec::Flags::GLOBAL_HEADER;
    }
    video.set_flags(flags);
    tag_colours(&mut video, recipe.colour);
    video.open_as_with(codec, options(recipe)).map_err(failed)
}

fn tag_colours(video: &mut encoder::video::Video, tags: ColourTags) {
    match tags {
        ColourTags::Bt709Limited => {
            video.set_colorspace(color::Space::BT709);
            video.set_color_range(color::Range::MPEG);
            video.set_color_primaries(color::Primaries::BT709);
            video.set_color_transfer_characteristic(color::TransferCharacteristic::BT709);
        }
        ColourTags::SrgbFull => {
            video.set_colorspace(color::Space::RGB);
            video.set_color_range(color::Range::JPEG);
            video.set_color_primaries(color::Primaries::BT709);
            video.set_color_transfer_characteristic(color::TransferCharacteristic::IEC61966_2_1);
        }
    }
}

const PRESETS: [&str; 10] = [
    "ultrafast",
    "superfast",
    "veryfast",
    "faster",
    "fast",
    "medium",
    "slow",
    "slower",
    "veryslow",
    "placebo",
];

fn options(recipe: &Recipe) -> ffmpeg::Dictionary<'static> {
    let mut options = ffmpeg::Dictionary::new();
    let effort = recipe.quality.effort.min(9);
    let crf = recipe.quality.crf.to_string();
    let gop = recipe.gop;
    match recipe.codec {
        VideoCodec::H264 => {
            options.set("preset", PRESETS[usize::from(effort)]);
            options.set("crf", &crf);
            options.set(
                "x264-params",
                "threads=1:lookahead-threads=1:sliced-threads=0:cpu-independent=1:stitchable=1:\
                 scenecut=0:force-cfr=1",
            );
        }
        VideoCodec::H265 => {
            options.set("preset", PRESETS[usize::from(effort)]);
            options.set("crf", &crf);
            let settings = format!(
                "pools=none:frame-threads=1:wpp=0:pmode=0:pme=0:scenecut=0:open-gop=0:\
                 keyint={gop}:min-keyint={gop}:info=0:log-level=error"
            );
            options.set("x265-params", &settings);
        }
        VideoCodec::Vp9 => {
            options.set("crf", &crf);
            options.set("b", "0");
            options.set("deadline", "good");
            options.set("cpu-used", &(9 - effort).min(8).to_string());
            options.set("row-mt", "0");
            options.set("threads", "1");
            options.set("keyint_min", &gop.to_string());
            // Hidden reference frames are packets without a time of their own, and cannot carry
            // alpha.
            options.set("auto-alt-ref", "0");
        }
        VideoCodec::Ffv1 => {
            options.set("level", "3");
            options.set("g", "1");
            options.set("slicecrc", "1");
        }
    }
    options
}
