//! Decodes AVIF pictures: a coded image, its alpha in a second image, its turn and its profile.
//!
//! libav's demuxer reads the first image alone. The boxes are those of ISO/IEC 14496-12 and
//! ISO/IEC 23008-12 (HEIF); AV1 Image File Format 1.1 says which of them a picture has.

use super::super::colour::ColourEncoding;
use super::super::rotation::Orientation;
use super::super::scaler::{FrameRect, ScaleTarget, Scalers};
use super::{MAX_STILL_PIXELS, decode as decode_image};
use crate::error::{MediaError, Result};
use crate::ffi;
use ffmpeg_next::format::Pixel;
use ffmpeg_next::{Packet, codec, color, frame};
use std::path::Path;

/// The most entries of a table that are read: far more than any picture has.
const MAX_ENTRIES: usize = 65_536;

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

/// The items of a file's `meta` box.
#[derive(Default)]
struct Items<'a> {
    primary: u32,
    kinds: Vec<(u32, [u8; 4])>,
    places: Vec<Place>,
    /// The bytes of the `idat` box, in which items may lie.
    inner: &'a [u8],
    references: Vec<Reference>,
    properties: Vec<([u8; 4], &'a [u8])>,
    /// An item and the index of one of its properties, from 0.
    associations: Vec<(u32, usize)>,
}

/// The extents of one item: offset and length.
struct Place {
    item: u32,
    in_idat: bool,
    extents: Vec<(u64, u64)>,
}

struct Reference {
    kind: [u8; 4],
    from: u32,
    to: Vec<u32>,
}

impl<'a> Items<'a> {
    /// Reads the boxes of a file; none if one that is needed is missing or cut short.
    fn read(file: &'a [u8]) -> Option<Self> {
        let meta = Boxes(file).find(|(kind, _)| kind == b"meta")?.1.get(4..)?;
        let mut items = Self::default();
        for (kind, body) in Boxes(meta) {
            let fields = Fields(body);
            match &kind {
                b"pitm" => items.primary = fields.primary()?,
                b"iinf" => items.kinds = kinds(fields)?,
                b"iloc" => items.places = places(fields)?,
                b"idat" => items.inner = body,
                b"iref" => items.references = references(fields)?,
                b"iprp" => items.read_properties(body)?,
                _ => {}
            }
        }
        Some(items)
    }

    fn read_properties(&mut self, iprp: &'a [u8]) -> Option<()> {
        for (kind, body) in Boxes(iprp) {
            match &kind {
                b"ipco" => self.properties = Boxes(body).take(MAX_ENTRIES).collect(),
                b"ipma" => self.associations.extend(associations(Fields(body))?),
                _ => {}
            }
        }
        Some(())
    }

    fn kind(&self, item: u32) -> Option<&[u8; 4]> {
        self.kinds.iter().find(|(id, _)| *id == item).map(|(_, kind)| kind)
    }

    /// Returns an item's bytes. Extents that overlap do not add up to more than the file.
    fn data(&self, item: u32, file: &[u8]) -> Option<Vec<u8>> {
        let place = self.places.iter().find(|place| place.item == item)?;
        let source = if place.in_idat { self.inner } else { file };
        let mut data = Vec::new();
        for (offset, length) in &place.extents {
            let from = usize::try_from(*offset).ok()?;
            // A length of zero is the rest of the file.
            let to = match usize::try_from(*length).ok()? {
                0 => source.len(),
                length => from.checked_add(length)?,
            };
            data.extend_from_slice(source.get(from..to)?);
            (data.len() <= file.len()).then_some(())?;
        }
        Some(data)
    }

    /// Returns the properties of the primary item, in the order in which they apply.
    fn properties(&self) -> impl Iterator<Item = ([u8; 4], &'a [u8])> {
        self.properties_of(self.primary)
    }

    fn properties_of(&self, item: u32) -> impl Iterator<Item = ([u8; 4], &'a [u8])> {
        let own = self.associations.iter().filter(move |(id, _)| *id == item);
        own.filter_map(|(_, index)| self.properties.get(*index).copied())
    }

    /// Returns the item with the primary item's alpha.
    fn alpha(&self) -> Option<u32> {
        const NAMES: [&[u8]; 2] =
            [b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", b"urn:mpeg:hevc:2015:auxid:1"];
        let is_alpha = |item: u32| {
            let mut kinds = self.properties_of(item).filter(|(kind, _)| kind == b"auxC");
            kinds.any(|(_, body)| {
                let name = body.get(4..).unwrap_or_default();
                NAMES.contains(&name.split(|byte| *byte == 0).next().unwrap_or_default())
            })
        };
        self.references
            .iter()
            .filter(|reference| &reference.kind == b"auxl" && reference.to.contains(&self.primary))
            .map(|reference| reference.from)
            .find(|item| is_alpha(*item))
    }

    /// Returns whether the colours of the primary item are multiplied by an alpha item.
    fn is_premultiplied(&self, alpha: u32) -> bool {
        self.referenced(self.primary, b"prem").contains(&alpha)
    }

    /// Returns the items to which one refers, in their order.
    fn referenced(&self, item: u32, kind: &[u8; 4]) -> &[u32] {
        self.references
            .iter()
            .find(|reference| &reference.kind == kind && reference.from == item)
            .map_or(&[], |reference| reference.to.as_slice())
    }

    fn profile(&self) -> Option<&'a [u8]> {
        let mut colours = self.properties().filter(|(kind, _)| kind == b"colr");
        colours
            .find_map(|(_, body)| body.strip_prefix(b"prof").or_else(|| body.strip_prefix(b"rICC")))
    }

    /// Combines the turns and mirrors in their order; none if the file states none.
    fn orientation(&self) -> Option<Orientation> {
        let mut orientation = None;
        for (kind, body) in self.properties() {
            let value = body.first().copied().unwrap_or(0);
            let before = orientation.unwrap_or(Orientation::UPRIGHT);
            match (&kind, value) {
                // Quarter turns anticlockwise.
                (b"irot", turns) => {
                    orientation = Some(before.turned(360 - u16::from(turns & 3) * 90))
                }
                // Top and bottom are exchanged: left and right, and half a turn.
                (b"imir", axis) if axis & 1 == 0 => {
                    orientation = Some(before.mirrored().turned(180));
                }
                (b"imir", _) => orientation = Some(before.mirrored()),
                _ => {}
            }
        }
        orientation
    }
}

/// Iterates over the boxes of a block: the kind of each, and its body. A box that is cut short ends
/// the block.
struct Boxes<'a>(&'a [u8]);

impl<'a> Iterator for Boxes<'a> {
    type Item = ([u8; 4], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let mut fields = Fields(self.0);
        let short = fields.number(4)?;
        let kind = fields.kind()?;
        let (head, length) = match short {
            0 => (8, self.0.len() as u64),
            1 => (16, fields.number(8)?),
            length => (8, length),
        };
        let end = usize::try_from(length).ok()?;
        let body = self.0.get(head..end)?;
        self.0 = &self.0[end..];
        Some((kind, body))
    }
}

/// The fields of a box, read from the front.
#[derive(Clone, Copy)]
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    /// Reads a big-endian number of up to eight bytes.
    fn number(&mut self, bytes: usize) -> Option<u64> {
        let (number, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(number.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    }

    fn short(&mut self) -> Option<u32> {
        self.number(2).map(|number| number as u32)
    }

    fn long(&mut self) -> Option<u32> {
        self.number(4).map(|number| number as u32)
    }

    /// Reads an identifier, which has two bytes in old versions of a box.
    fn id(&mut self, wide: bool) -> Option<u32> {
        if wide { self.long() } else { self.short() }
    }

    fn kind(&mut self) -> Option<[u8; 4]> {
        self.long().map(u32::to_be_bytes)
    }

    /// Reads the version and the flags of a box.
    fn version(&mut self) -> Option<(u8, u32)> {
        let both = self.long()?;
        Some(((both >> 24) as u8, both & 0xff_ffff))
    }

    fn primary(mut self) -> Option<u32> {
        let (version, _) = self.version()?;
        self.id(version > 0)
    }
}

fn kinds(mut iinf: Fields<'_>) -> Option<Vec<(u32, [u8; 4])>> {
    let (version, _) = iinf.version()?;
    iinf.id(version > 0)?;
    let of_entry = |(_, body): ([u8; 4], _)| {
        let mut entry = Fields(body);
        let (version, _) = entry.version()?;
        let item = entry.id(version > 2)?;
        entry.short()?;
        Some((item, entry.kind()?))
    };
    Boxes(iinf.0).take(MAX_ENTRIES).map(of_entry).collect()
}

fn places(mut iloc: Fields<'_>) -> Option<Vec<Place>> {
    let (version, _) = iloc.version()?;
    let sizes = iloc.short()?;
    let size = |place: u32| (sizes >> place & 15) as usize;
    let (offset_size, length_size, base_size) = (size(12), size(8), size(4));
    let index_size = if version > 0 { size(0) } else { 0 };
    let count = iloc.id(version > 1)? as usize;
    let mut places = Vec::new();
    for _ in 0..count.min(MAX_ENTRIES) {
        let item = iloc.id(version > 1)?;
        let construction = if version > 0 { iloc.short()? & 15 } else { 0 };
        // The file that holds the data: 0 is this one.
        let elsewhere = iloc.short()? != 0 || construction > 1;
        let base = iloc.number(base_size)?;
        let mut extents = Vec::new();
        for _ in 0..iloc.short()? {
            iloc.number(index_size)?;
            let offset = base.checked_add(iloc.number(offset_size)?)?;
            extents.push((offset, iloc.number(length_size)?));
        }
        if !elsewhere {
            places.push(Place { item, in_idat: construction == 1, extents });
        }
    }
    Some(places)
}

fn references(mut iref: Fields<'_>) -> Option<Vec<Reference>> {
    let (version, _) = iref.version()?;
    let wide = version > 0;
    let of_box = |(kind, body)| {
        let mut fields = Fields(body);
        let from = fields.id(wide)?;
        let to = (0..fields.short()?).map(|_| fields.id(wide)).collect::<Option<_>>()?;
        Some(Reference { kind, from, to })
    };
    Boxes(iref.0).take(MAX_ENTRIES).map(of_box).collect()
}

/// Reads which item has which properties, each by its index from 0.
fn associations(mut ipma: Fields<'_>) -> Option<Vec<(u32, usize)>> {
    let (version, flags) = ipma.version()?;
    let mut associations = Vec::new();
    for _ in 0..ipma.long()? {
        let item = ipma.id(version > 0)?;
        for _ in 0..ipma.number(1)? {
            // The highest bit says that a reader must know the property.
            let index =
                if flags & 1 == 1 { ipma.number(2)? & 0x7fff } else { ipma.number(1)? & 0x7f };
            // Indices are counted from 1; 0 is no property.
            associations.extend((index as usize).checked_sub(1).map(|index| (item, index)));
        }
    }
    Some(associations)
}
