//! Decodes AVIF pictures: a coded image, its alpha in a second image, its turn and its profile.
//!
//! libav's demuxer reads the first image alone.

mod items;

use self::items::{Fields, Items};
use super::{MAX_STILL_PIXELS, decode as decode_image};
use crate::decode::colour::ColourEncoding;
use crate::decode::rotation::Orientation;
use crate::decode::scaler::{FrameRect, ScaleTarget, Scalers};
use crate::error::{MediaError, Result};
use crate::ffi;
use ffmpeg_next::format::Pixel;
use ffmpeg_next::{Packet, codec, color, frame};
use std::path::Path;

/// Returns whether a file says that it is an AV1 picture (AV1 Image File Format 1.1, "Brands") and
/// not a sequence of them.
pub(super) fn is_avif(head: &[u8]) -> bool {
    let brands = head.get(8..).unwrap_or_default();
    let names_avif = || brands.chunks_exact(4).any(|brand| brand == b"avif");
    head.get(4..8) == Some(b"ftyp")
        && (brands.starts_with(b"avif") || brands.starts_with(b"mif1") && names_avif())
}

/// Decodes a picture and returns it with its orientation, if the file states one.
///
/// # Errors
/// Bad input if it is damaged; unsupported if its images are in another codec.
pub(super) fn decode(file: &[u8], path: &Path) -> Result<(frame::Video, Option<Orientation>)> {
    let items = Items::read(file)
        .ok_or_else(|| MediaError::BadInput(format!("{} is damaged", path.display())))?;
    let images = Images { items: &items, file, path };
    let mut frame = images.decode(items.primary)?;
    if let Some(alpha) = items.alpha() {
        let coverage = images.decode(alpha)?;
        if !ColourEncoding::of(&frame).is_hdr() {
            frame = with_alpha(&frame, &coverage, items.is_premultiplied(alpha))?;
        }
    }
    if let Some(profile) = items.profile() {
        ffi::attach_profile(&mut frame, profile)
            .map_err(|error| MediaError::from_libav("reading a colour profile", error))?;
    }
    Ok((frame, items.orientation()))
}

/// The images of a file, each a coded one or a grid of coded ones.
struct Images<'a> {
    items: &'a Items<'a>,
    file: &'a [u8],
    path: &'a Path,
}

impl Images<'_> {
    fn decode(&self, item: u32) -> Result<frame::Video> {
        match self.items.kind(item) {
            Some(b"grid") => self.decode_grid(item),
            _ => self.decode_coded(item),
        }
    }

    fn decode_coded(&self, item: u32) -> Result<frame::Video> {
        if self.items.kind(item).is_some_and(|kind| kind != b"av01") {
            return Err(MediaError::Unsupported(format!(
                "{} is no AV1 picture: save it as PNG or JPEG",
                self.path.display()
            )));
        }
        let image = self.items.data(item, self.file).ok_or_else(|| self.damaged())?;
        decode_image(codec::Id::AV1, &Packet::copy(&image), self.path)
    }

    /// Decodes the tiles of a grid and puts them side by side.
    fn decode_grid(&self, item: u32) -> Result<frame::Video> {
        let data = self.items.data(item, self.file).ok_or_else(|| self.damaged())?;
        let grid = Grid::read(Fields(&data)).ok_or_else(|| self.damaged())?;
        let tiles = self.items.referenced(item, b"dimg");
        let pixels = u64::from(grid.width) * u64::from(grid.height);
        let count = grid.columns * grid.rows;
        if tiles.len() != count || pixels == 0 || pixels > MAX_STILL_PIXELS {
            return Err(self.damaged());
        }
        let first = self.decode_coded(tiles[0])?;
        if !grid.fits(first.width(), first.height()) {
            return Err(self.damaged());
        }
        let mut whole = frame::Video::new(first.format(), grid.width, grid.height);
        ffi::copy_properties(&first, &mut whole)
            .map_err(|error| MediaError::from_libav("joining the tiles of a picture", error))?;
        let steps = ffi::pixel_bytes(first.format()).ok_or_else(|| self.damaged())?;
        place_tile(&first, &mut whole, (0, 0), steps);
        for (number, item) in tiles.iter().enumerate().skip(1) {
            let tile = self.decode_coded(*item)?;
            let is_like_first = tile.format() == first.format()
                && (tile.width(), tile.height()) == (first.width(), first.height());
            if !is_like_first {
                return Err(self.damaged());
            }
            place_tile(&tile, &mut whole, (number % grid.columns, number / grid.columns), steps);
        }
        Ok(whole)
    }

    fn damaged(&self) -> MediaError {
        MediaError::BadInput(format!("{} is damaged", self.path.display()))
    }
}

/// A grid of tiles (ISO/IEC 23008-12, §6.6.2.3).
struct Grid {
    columns: usize,
    rows: usize,
    width: u32,
    height: u32,
}

impl Grid {
    fn read(mut fields: Fields<'_>) -> Option<Self> {
        let flags = fields.number(2)?;
        let mut side = || fields.number(1).map(|number| number as usize + 1);
        let (rows, columns) = (side()?, side()?);
        let wide = flags & 1 == 1;
        Some(Self { columns, rows, width: fields.id(wide)?, height: fields.id(wide)? })
    }

    /// Returns whether tiles of this size cover the picture, and none lies outside.
    fn fits(&self, width: u32, height: u32) -> bool {
        let fits = |count: usize, tile: u32, whole: u32| {
            let (count, tile, whole) = (count as u64, u64::from(tile), u64::from(whole));
            (count - 1) * tile < whole && whole <= count * tile
        };
        fits(self.columns, width, self.width) && fits(self.rows, height, self.height)
    }
}

/// Copies a tile to its column and row of the whole, as far as it lies inside. `steps` has the
/// bytes from one pixel to the next in each plane.
fn place_tile(
    tile: &frame::Video,
    whole: &mut frame::Video,
    (column, row): (usize, usize),
    steps: [usize; 4],
) {
    for (plane, step) in steps.into_iter().enumerate().filter(|(_, step)| *step > 0) {
        let (width, height) = (tile.plane_width(plane) as usize, tile.plane_height(plane) as usize);
        let (left, top) = (column * width, row * height);
        let columns = (whole.plane_width(plane) as usize).saturating_sub(left).min(width) * step;
        let rows = (whole.plane_height(plane) as usize).saturating_sub(top).min(height);
        let (from, to) = (tile.stride(plane), whole.stride(plane));
        let lines = whole.data_mut(plane).chunks_mut(to).skip(top).take(rows);
        for (line, pixels) in lines.zip(tile.data(plane).chunks(from)) {
            line[left * step..][..columns].copy_from_slice(&pixels[..columns]);
        }
    }
}

/// Reads all that the boxes of a file say, for the fuzz target.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn read_boxes(file: &[u8]) {
    if let Some(items) = Items::read(file) {
        let longest = items.data(items.primary, file).map_or(0, |data| data.len());
        assert!(longest <= file.len(), "an item is longer than its file");
        let _ = (items.alpha(), items.profile(), items.orientation());
    }
}

/// Joins colours and alpha into a frame of straight RGBA.
fn with_alpha(
    colours: &frame::Video,
    alpha: &frame::Video,
    premultiplied: bool,
) -> Result<frame::Video> {
    let (width, height) = (colours.width() as usize, colours.height() as usize);
    let mut scalers = Scalers::default();
    let mut rgba = |frame: &frame::Video| -> Result<frame::Video> {
        let part = FrameRect::whole(frame.width() as usize, frame.height() as usize);
        let target =
            ScaleTarget { format: Pixel::RGBA, size: (width, height), keeps_encoding: true };
        Ok(scalers.scale(frame, part, target, ColourEncoding::of(frame))?.clone())
    };
    let mut joined = rgba(colours)?;
    let coverage = rgba(alpha)?;
    // libswscale takes grey for full range.
    let limited = alpha.color_range() == color::Range::MPEG;
    let of_range = |value: u8| {
        if limited { ((i32::from(value) - 16) * 255 / 219).clamp(0, 255) as u8 } else { value }
    };
    let (stride, from) = (joined.stride(0), coverage.stride(0));
    let rows = joined.data_mut(0).chunks_mut(stride).zip(coverage.data(0).chunks(from));
    for (row, cover) in rows.take(height) {
        let pixels = row.chunks_exact_mut(4).zip(cover.chunks_exact(4));
        for (pixel, cover) in pixels.take(width) {
            let alpha = of_range(cover[0]);
            pixel[3] = alpha;
            if premultiplied && alpha > 0 {
                let straight = |value: u8| u32::from(value) * 255 / u32::from(alpha);
                pixel[..3].iter_mut().for_each(|value| *value = straight(*value).min(255) as u8);
            }
        }
    }
    joined.set_color_range(color::Range::JPEG);
    joined.set_color_primaries(colours.color_primaries());
    joined.set_color_transfer_characteristic(colours.color_transfer_characteristic());
    Ok(joined)
}
