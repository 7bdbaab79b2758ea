//! Resolves the output section: size, frame rate, encoding.

use super::Faults;
use crate::composition::{Capture, Output};
use crate::limits::MAX_PIXELS;
use crate::plan::{
    ColourTags, Format, Loudness, Micro, PixelFormat, Quality, Rate, Ratio, Recipe, Rgba,
    VideoCodec,
};
use crate::syntax::{
    AspectRatio, Codec, FileFormat, LoudnessForm, Output as Written, QualityName, Repeat,
    Resolution, Size, Switch,
};

/// The default frame rate, which is also Shotstack's.
const DEFAULT_RATE: Rate = Rate { num: 25, den: 1 };

/// The canvas size, the frame rate, and all other settings of the output.
pub(super) fn resolve(
    written: Option<Written>,
    background: Option<Rgba>,
    faults: &mut Faults,
) -> ((u32, u32), Rate, Output) {
    let Some(written) = written else {
        let recipe = recipe(Format::Mp4, None, None, background, DEFAULT_RATE);
        return (size_of(None, None), DEFAULT_RATE, Output::with_defaults(recipe));
    };
    let format = format_of(written.format);
    let rate = written.fps.map_or(DEFAULT_RATE, |fps| fps.0);
    let size = size(&written, faults);
    if written.codec == Some(Codec::H265) && format != Format::Mp4 {
        faults.push("/output/codec", "is h265: only an mp4 holds it; leave it out");
    }
    let recipe = recipe(format, written.codec, written.quality, background, rate);
    let range = written.range;
    let output = Output {
        format,
        recipe,
        from: range.as_ref().and_then(|range| range.start).map_or(Ratio::ZERO, |start| start.0),
        length: range.and_then(|range| range.length).map(|length| length.0),
        poster: written.poster.map(|poster| Capture { at: poster.capture.0, scale: Micro::ONE }),
        thumbnail: written.thumbnail.map(|picture| Capture {
            at: picture.capture.0,
            scale: picture.scale.map_or(Micro(300_000), |scale| scale.micro().max(Micro(10_000))),
        }),
        mute: written.mute.is_some_and(|mute| mute.0),
        plays: written.repeat.and_then(|Repeat(plays)| plays),
        loudness: loudness(written.loudness),
        title: written.title.map(|title| title.0),
    };
    (size, rate, output)
}

impl Output {
    fn with_defaults(recipe: Recipe) -> Output {
        Output {
            format: Format::Mp4,
            recipe,
            from: Ratio::ZERO,
            length: None,
            poster: None,
            thumbnail: None,
            mute: false,
            plays: None,
            loudness: loudness(None),
            title: None,
        }
    }
}

fn format_of(written: Option<FileFormat>) -> Format {
    match written {
        None | Some(FileFormat::Mp4) => Format::Mp4,
        Some(FileFormat::Webm) => Format::Webm,
        Some(FileFormat::Gif) => Format::Gif,
        Some(FileFormat::Mp3) => Format::Mp3,
        Some(FileFormat::Wav) => Format::Wav,
        Some(FileFormat::Jpg) => Format::Jpg,
        Some(FileFormat::Png) => Format::Png,
        Some(FileFormat::Webp) => Format::Webp,
    }
}

fn size(written: &Written, faults: &mut Faults) -> (u32, u32) {
    let Some(Size { width, height }) = &written.size else {
        return size_of(written.resolution, written.aspect_ratio);
    };
    for (name, side) in [("width", width.0), ("height", height.0)] {
        if side % 2 == 1 {
            faults.push(
                format!("/output/size/{name}"),
                format!("is {side}: give an even number, which 4:2:0 pictures need"),
            );
        }
    }
    if written.resolution.is_some() || written.aspect_ratio.is_some() {
        faults.push(
            "/output/size",
            "stands beside `resolution` or `aspectRatio`: give the one or the others",
        );
    }
    let pixels = u64::from(width.0) * u64::from(height.0);
    if pixels > MAX_PIXELS {
        faults.push(
            "/output/size",
            format!("has {pixels} pixels: at most {MAX_PIXELS}, as 4096 × 2304 has"),
        );
    }
    (width.0, height.0)
}

/// The size of a preset: its shorter side, and the longer one by the aspect ratio.
fn size_of(resolution: Option<Resolution>, shape: Option<AspectRatio>) -> (u32, u32) {
    let short = match resolution {
        Some(Resolution::Preview) => 288,
        Some(Resolution::Mobile) => 360,
        Some(Resolution::Sd) => 576,
        None | Some(Resolution::Hd) => 720,
        Some(Resolution::FullHd) => 1080,
        Some(Resolution::FourK) => 2160,
    };
    match shape {
        None | Some(AspectRatio::Wide) => (short * 16 / 9, short),
        Some(AspectRatio::Tall) => (short, short * 16 / 9),
        Some(AspectRatio::Square) => (short, short),
        Some(AspectRatio::FourFive) => (short, short * 5 / 4),
        Some(AspectRatio::FourThree) => (short * 4 / 3, short),
    }
}

/// The longest segment in frames (4 s), and so the longest group of pictures.
pub(crate) fn longest_segment(rate: Rate) -> u64 {
    u64::from(4 * rate.num / rate.den.max(1)).max(1)
}

fn recipe(
    format: Format,
    codec: Option<Codec>,
    quality: Option<QualityName>,
    background: Option<Rgba>,
    rate: Rate,
) -> Recipe {
    let transparent = background.is_some_and(|Rgba([.., alpha])| alpha < 255);
    let codec = match (format, codec) {
        (Format::Mp4, Some(Codec::H265)) => VideoCodec::H265,
        (Format::Mp4 | Format::Mp3 | Format::Wav, _) => VideoCodec::H264,
        (Format::Webm, _) => VideoCodec::Vp9,
        (Format::Gif | Format::Jpg | Format::Png | Format::Webp, _) => VideoCodec::Ffv1,
    };
    let (pixel_format, colour) = match (codec, transparent && format != Format::Jpg) {
        (VideoCodec::Ffv1, true) => (PixelFormat::Rgba, ColourTags::SrgbFull),
        (VideoCodec::Ffv1, false) => (PixelFormat::Rgb, ColourTags::SrgbFull),
        (VideoCodec::Vp9, true) => (PixelFormat::Yuva420p, ColourTags::Bt709Limited),
        _ => (PixelFormat::Yuv420p, ColourTags::Bt709Limited),
    };
    let quality = quality_of(codec, quality.unwrap_or(QualityName::Medium));
    Recipe { codec, quality, pixel_format, colour, gop: longest_segment(rate) as u32 }
}

/// The encoding of one frame as a picture, derived from that of its video.
pub(crate) fn picture_recipe(format: Format, video: Recipe, background: Rgba) -> Recipe {
    let transparent = background.0[3] < 255;
    let pixel_format =
        if transparent && format != Format::Jpg { PixelFormat::Rgba } else { PixelFormat::Rgb };
    let codec = VideoCodec::Ffv1;
    let quality = quality_of(codec, QualityName::Medium);
    Recipe { codec, quality, pixel_format, colour: ColourTags::SrgbFull, ..video }
}

/// Rate factors of equal visual quality, for x264, x265 and libvpx.
fn quality_of(codec: VideoCodec, name: QualityName) -> Quality {
    let step = match name {
        QualityName::VeryLow => 0,
        QualityName::Low => 1,
        QualityName::Medium => 2,
        QualityName::High => 3,
        QualityName::VeryHigh => 4,
    };
    let crf = match codec {
        VideoCodec::H264 => [33, 28, 23, 19, 16][step],
        VideoCodec::H265 => [36, 32, 28, 24, 20][step],
        VideoCodec::Vp9 => [45, 38, 31, 25, 18][step],
        VideoCodec::Ffv1 => 0,
    };
    let effort = match (codec, name) {
        (VideoCodec::H264, QualityName::VeryLow | QualityName::Low | QualityName::Medium) => {
            FAST_H264_EFFORT
        }
        _ => 5,
    };
    Quality { crf, effort }
}

/// The effort up to medium quality: x264's `veryfast`. Against its `medium` at rate factor 23
/// (measured by scripts/bench) the file is smaller by a tenth or more and SSIM differs by under
/// 0.001, with and without grain, in less than half the time. SSIM does not see the psychovisual
/// tuning of `medium`, so `high` and above use that.
const FAST_H264_EFFORT: u8 = 2;

/// The background that a pixel format can hold. One without alpha shows it over black, as a player
/// would.
pub(super) fn background(pixels: PixelFormat, colour: Rgba) -> Rgba {
    let Rgba([r, g, b, alpha]) = colour;
    match pixels {
        PixelFormat::Yuva420p | PixelFormat::Rgba => colour,
        PixelFormat::Yuv420p | PixelFormat::Rgb => {
            let over_black = |part: u8| ((u16::from(part) * u16::from(alpha) + 127) / 255) as u8;
            Rgba([over_black(r), over_black(g), over_black(b), 255])
        }
    }
}

fn loudness(written: Option<Switch<LoudnessForm>>) -> Option<Loudness> {
    let form = match written {
        Some(Switch::Off) => return None,
        Some(Switch::Set(form)) => Some(form),
        Some(Switch::On) | None => None,
    };
    let level = |value: Option<crate::document::Decimal>, default: i64| {
        value.map_or(Micro::whole(default), |v| v.micro())
    };
    Some(Loudness {
        integrated: level(form.as_ref().and_then(|form| form.integrated), -14),
        true_peak: level(form.as_ref().and_then(|form| form.true_peak), -1),
    })
}
