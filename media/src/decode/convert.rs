//! Converts a decoded frame of any format to a [`Picture`] of a given size.
//!
//! Frames in the compositor's own format are copied row by row. All others go through libswscale,
//! with rounding that is the same on every processor. A source with alpha is scaled here, after its
//! colours are multiplied by alpha: scaling straight alpha draws the colour of clear pixels into
//! the edges.

use super::bits::unpacked;
use super::colour::ColourEncoding;
use super::deinterlace::deinterlaced;
use super::profile::{ColourConversions, ToSrgb};
use super::scaler::{FrameRect, ScaleTarget, Scalers};
use super::tonemap::ToneMap;
use crate::error::Result;
use crate::picture::planes::{Alpha, Chroma, Picture};
use crate::picture::raster::Raster;
use ffmpeg_next::format::Pixel;
use ffmpeg_next::frame;

/// The part of a frame to convert, and the size and chroma of the result.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Conversion {
    /// The part: left, top, width, height as shares of the shown picture, after rotation.
    pub crop: [f64; 4],
    pub width: usize,
    pub height: usize,
    pub chroma: Chroma,
    /// Degrees by which the stored frame is turned clockwise for showing: 0, 90, 180 or 270.
    pub rotation: u16,
}

/// The scalers, colour conversions and tone-mapping tables of one source, each set up once.
#[derive(Default)]
pub(crate) struct Converter {
    scalers: Scalers,
    colours: ColourConversions,
    tone: Option<ToneMap>,
}

/// The pixels of a frame with alpha that are converted at once: 64 MB of RGBA.
const PIXELS_AT_ONCE: usize = 16 << 20;

/// Marks a frame as interlaced, and holds the next frame, from which its second field is completed.
#[derive(Clone, Copy)]
pub(crate) struct InterlacedFields<'a> {
    /// The next frame; none after the last.
    pub next: Option<&'a frame::Video>,
}

impl Converter {
    /// Converts part of a frame. The result is opaque or premultiplied. If `fields` is given, the
    /// frame is deinterlaced first.
    ///
    /// # Errors
    /// Bad input or unsupported if libswscale cannot read the frame's format.
    pub(crate) fn convert(
        &mut self,
        frame: &frame::Video,
        fields: Option<InterlacedFields<'_>>,
        conversion: Conversion,
    ) -> Result<Picture> {
        let unpacked = unpacked(frame);
        let frame = unpacked.as_ref().unwrap_or(frame);
        match fields {
            Some(fields) => {
                let whole = deinterlaced(frame, fields.next, &mut self.scalers)?;
                self.convert_whole(&whole, conversion)
            }
            None => self.convert_whole(frame, conversion),
        }
    }

    fn convert_whole(&mut self, frame: &frame::Video, conversion: Conversion) -> Result<Picture> {
        let encoding = ColourEncoding::of(frame);
        let part = stored_part(frame, conversion);
        let turned = conversion.rotation % 180 == 90;
        let (width, height) = if turned {
            (conversion.height, conversion.width)
        } else {
            (conversion.width, conversion.height)
        };
        let to = |format, size| ScaleTarget { format, size, keeps_encoding: false };
        let (chroma, planar) = (conversion.chroma, planar(conversion.chroma));
        let to_srgb = self.colours.of(frame, encoding);
        let picture = if encoding.is_hdr() {
            self.tone_mapped(frame, part, (width, height), encoding, chroma)?
        } else if has_alpha(frame.format()) {
            let to_srgb = to_srgb.as_ref();
            self.premultiplied(frame, part, (width, height), encoding, to_srgb)?
                .into_picture(chroma)
        } else if to_srgb.is_some() {
            let target = straight_target(width, height);
            let scaled = self.scalers.scale(frame, part, target, encoding)?;
            Raster::from_straight(scaled, to_srgb.as_ref()).into_picture(chroma)
        } else if frame.format() == planar
            && encoding.is_native()
            && (part.width, part.height) == (width, height)
        {
            copy_part(frame, part, chroma)
        } else {
            let scaled = self.scalers.scale(frame, part, to(planar, (width, height)), encoding)?;
            copy_part(scaled, FrameRect::whole(width, height), chroma)
        };
        Ok(turn(picture, conversion.rotation))
    }

    /// Converts a frame with alpha at its own size, and scales it after its colours are multiplied
    /// by alpha. A large frame is converted a few rows at a time, so that it is held once only.
    fn premultiplied(
        &mut self,
        frame: &frame::Video,
        part: FrameRect,
        (width, height): (usize, usize),
        encoding: ColourEncoding,
        to_srgb: Option<&ToSrgb>,
    ) -> Result<Raster> {
        let mut convert = |part: FrameRect| -> Result<Raster> {
            let target = straight_target(part.width, part.height);
            let straight = self.scalers.scale(frame, part, target, encoding)?;
            Ok(Raster::from_straight(straight, to_srgb))
        };
        let rows = (PIXELS_AT_ONCE / part.width.max(1)).next_multiple_of(2);
        if part.height <= rows {
            return Ok(convert(part)?.resized(width, height));
        }
        let mut narrow = Raster::clear(width, 0);
        for top in (0..part.height).step_by(rows) {
            let height = rows.min(part.height - top);
            narrow.append(
                convert(FrameRect { top: part.top + top, height, ..part })?.columns_to(width),
            );
        }
        Ok(narrow.rows_to(height))
    }

    fn tone_mapped(
        &mut self,
        frame: &frame::Video,
        part: FrameRect,
        size: (usize, usize),
        encoding: ColourEncoding,
        chroma: Chroma,
    ) -> Result<Picture> {
        if !self.tone.as_ref().is_some_and(|tone| tone.is_for(encoding)) {
            self.tone = Some(ToneMap::new(encoding));
        }
        let target = ScaleTarget { format: Pixel::YUV444P16LE, size, keeps_encoding: true };
        let scaled = self.scalers.scale(frame, part, target, encoding)?;
        let tone = self.tone.get_or_insert_with(|| ToneMap::new(encoding));
        Ok(tone.apply(scaled, chroma))
    }
}

/// Returns the target of straight RGBA. RGB of more than 8 bits passes through YUV and back, which
/// must use one matrix.
fn straight_target(width: usize, height: usize) -> ScaleTarget {
    ScaleTarget { format: Pixel::RGBA, size: (width, height), keeps_encoding: true }
}

/// Returns the frame format that has a picture's planes.
fn planar(chroma: Chroma) -> Pixel {
    match chroma {
        Chroma::Halved => Pixel::YUV420P,
        Chroma::Full => Pixel::YUV444P,
    }
}

fn has_alpha(format: Pixel) -> bool {
    matches!(
        format,
        Pixel::PAL8
            | Pixel::RGBA
            | Pixel::BGRA
            | Pixel::ARGB
            | Pixel::ABGR
            | Pixel::YA8
            | Pixel::YA16LE
            | Pixel::YA16BE
            | Pixel::RGBA64LE
            | Pixel::RGBA64BE
            | Pixel::BGRA64LE
            | Pixel::BGRA64BE
            | Pixel::YUVA420P
            | Pixel::YUVA422P
            | Pixel::YUVA444P
            | Pixel::YUVA420P10LE
            | Pixel::YUVA422P10LE
            | Pixel::YUVA444P10LE
            | Pixel::YUVA422P12LE
            | Pixel::YUVA444P12LE
            | Pixel::YUVA420P16LE
            | Pixel::YUVA422P16LE
            | Pixel::YUVA444P16LE
            | Pixel::GBRAP
            | Pixel::GBRAP10LE
            | Pixel::GBRAP12LE
            | Pixel::GBRAP16LE
    )
}

/// Returns the requested part in the stored frame's own pixels: turned back, and aligned to whole
/// chroma samples.
fn stored_part(frame: &frame::Video, conversion: Conversion) -> FrameRect {
    let [x, y, w, h] = conversion.crop;
    let [x, y, w, h] = match conversion.rotation {
        90 => [y, 1.0 - x - w, h, w],
        180 => [1.0 - x - w, 1.0 - y - h, w, h],
        270 => [1.0 - y - h, x, h, w],
        _ => [x, y, w, h],
    };
    let (left, width) = even_part(x, w, frame.width() as usize);
    let (top, height) = even_part(y, h, frame.height() as usize);
    FrameRect { left, top, width, height }
}

/// Converts a share of a length to an even start and a length. The whole length stays as it is;
/// each edge of a part moves to the nearest even pixel, so neither is more than a pixel off.
fn even_part(from: f64, share: f64, length: usize) -> (usize, usize) {
    let full = length as f64;
    if (share * full).round() >= full || length < 4 {
        return (0, length);
    }
    let even = |edge: f64| (edge * full / 2.0).round().max(0.0) as usize * 2;
    let last = length & !1;
    let start = even(from).min(last - 2);
    let end = even(from + share).clamp(start + 2, last);
    (start, end - start)
}

/// Copies a part of an opaque frame in a picture's own format. The part's corner must be even.
fn copy_part(frame: &frame::Video, part: FrameRect, chroma: Chroma) -> Picture {
    let plane = |index: usize, left: usize, top: usize, width: usize, height: usize| {
        let (data, stride) = (frame.data(index), frame.stride(index));
        let mut out = Vec::with_capacity(width * height);
        for row in 0..height {
            out.extend_from_slice(&data[(top + row) * stride + left..][..width]);
        }
        out
    };
    let (left, top) = (part.left / chroma.step(), part.top / chroma.step());
    let (width, height) = (chroma.of(part.width), chroma.of(part.height));
    Picture {
        width: part.width,
        height: part.height,
        chroma,
        y: plane(0, part.left, part.top, part.width, part.height),
        u: plane(1, left, top, width, height),
        v: plane(2, left, top, width, height),
        alpha: None,
    }
}

/// Turns a picture clockwise by quarter turns.
fn turn(picture: Picture, rotation: u16) -> Picture {
    if rotation == 0 {
        return picture;
    }
    let (width, height) = (picture.width, picture.height);
    let (cw, ch) = (picture.chroma.of(width), picture.chroma.of(height));
    let turned = rotation % 180 == 90;
    Picture {
        width: if turned { height } else { width },
        height: if turned { width } else { height },
        chroma: picture.chroma,
        y: turned_plane(&picture.y, width, height, rotation),
        u: turned_plane(&picture.u, cw, ch, rotation),
        v: turned_plane(&picture.v, cw, ch, rotation),
        alpha: picture.alpha.map(|alpha| Alpha {
            full: turned_plane(&alpha.full, width, height, rotation),
            chroma: turned_plane(&alpha.chroma, cw, ch, rotation),
        }),
    }
}

fn turned_plane(plane: &[u8], width: usize, height: usize, rotation: u16) -> Vec<u8> {
    let at = |x: usize, y: usize| plane[y * width + x];
    match rotation {
        90 => (0..width)
            .flat_map(|x| (0..height).rev().map(move |y| (x, y)))
            .map(|(x, y)| at(x, y))
            .collect(),
        180 => plane.iter().rev().copied().collect(),
        270 => (0..width)
            .rev()
            .flat_map(|x| (0..height).map(move |y| (x, y)))
            .map(|(x, y)| at(x, y))
            .collect(),
        _ => plane.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_turn_brings_the_left_column_to_the_top() {
        // 1 2 3      4 1
        // 4 5 6  →   5 2
        //            6 3
        assert_eq!(turned_plane(&[1, 2, 3, 4, 5, 6], 3, 2, 90), [4, 1, 5, 2, 6, 3]);
        assert_eq!(turned_plane(&[1, 2, 3, 4, 5, 6], 3, 2, 270), [3, 6, 2, 5, 1, 4]);
        assert_eq!(turned_plane(&[1, 2, 3, 4, 5, 6], 3, 2, 180), [6, 5, 4, 3, 2, 1]);
    }

    #[test]
    fn the_edges_of_a_part_are_even_and_within_a_pixel_of_the_request() {
        assert_eq!(even_part(0.0, 1.0, 1081), (0, 1081));
        // 1280×720 cropped to 9:16: 405 pixels about the middle.
        assert_eq!(even_part(0.341_796_875, 0.316_406_25, 1280), (438, 404));
        for (from, to, length) in
            [(656.25, 1263.75, 1920), (437.5, 842.5, 1280), (0.0, 405.0, 721), (3.3, 700.9, 701)]
        {
            let full = length as f64;
            let (start, size) = even_part(from / full, (to - from) / full, length);
            assert!(start % 2 == 0 && size % 2 == 0 && start + size <= length);
            assert!(
                (start as f64 - from).abs() <= 1.0 && ((start + size) as f64 - to).abs() <= 1.0,
                "{start} {size}"
            );
        }
    }
}
