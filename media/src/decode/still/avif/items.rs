//! The items of an AVIF file: where their bytes are, what they are to each other, and their
//! properties.
//!
//! The boxes are those of ISO/IEC 14496-12 and ISO/IEC 23008-12 (HEIF); AV1 Image File Format 1.1
//! says which of them a picture has.

use crate::decode::rotation::Orientation;

/// The most entries of a table that are read: far more than any picture has.
const MAX_ENTRIES: usize = 65_536;

/// The items of a file's `meta` box.
#[derive(Default)]
pub(super) struct Items<'a> {
    pub primary: u32,
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
    pub fn read(file: &'a [u8]) -> Option<Self> {
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

    pub fn kind(&self, item: u32) -> Option<&[u8; 4]> {
        self.kinds.iter().find(|(id, _)| *id == item).map(|(_, kind)| kind)
    }

    /// Returns an item's bytes. Extents that overlap do not add up to more than the file.
    pub fn data(&self, item: u32, file: &[u8]) -> Option<Vec<u8>> {
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
    pub fn alpha(&self) -> Option<u32> {
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
    pub fn is_premultiplied(&self, alpha: u32) -> bool {
        self.referenced(self.primary, b"prem").contains(&alpha)
    }

    /// Returns the items to which one refers, in their order.
    pub fn referenced(&self, item: u32, kind: &[u8; 4]) -> &[u32] {
        self.references
            .iter()
            .find(|reference| &reference.kind == kind && reference.from == item)
            .map_or(&[], |reference| reference.to.as_slice())
    }

    pub fn profile(&self) -> Option<&'a [u8]> {
        let mut colours = self.properties().filter(|(kind, _)| kind == b"colr");
        colours
            .find_map(|(_, body)| body.strip_prefix(b"prof").or_else(|| body.strip_prefix(b"rICC")))
    }

    /// Combines the turns and mirrors in their order; none if the file states none.
    pub fn orientation(&self) -> Option<Orientation> {
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
pub(super) struct Fields<'a>(pub &'a [u8]);

impl Fields<'_> {
    /// Reads a big-endian number of up to eight bytes.
    pub fn number(&mut self, bytes: usize) -> Option<u64> {
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
    pub fn id(&mut self, wide: bool) -> Option<u32> {
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
    let (mut places, mut left) = (Vec::new(), MAX_ENTRIES);
    for _ in 0..count.min(MAX_ENTRIES) {
        let item = iloc.id(version > 1)?;
        let construction = if version > 0 { iloc.short()? & 15 } else { 0 };
        // The file that holds the data: 0 is this one.
        let elsewhere = iloc.short()? != 0 || construction > 1;
        let base = iloc.number(base_size)?;
        let mut extents = Vec::new();
        // Fields of no bytes may state any number of extents.
        let extent_count = iloc.short()?;
        left = left.checked_sub(extent_count as usize)?;
        for _ in 0..extent_count {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extents_that_take_no_bytes_do_not_multiply() {
        // Version 0, all sizes zero; then items of 65,535 extents in six bytes each.
        let table = |items: u8| {
            let mut iloc = vec![0, 0, 0, 0, 0, 0, 0, items];
            (0..items).for_each(|item| iloc.extend([0, item, 0, 0, 0xff, 0xff]));
            iloc
        };
        let extents = |items| places(Fields(&table(items))).map(|places| places[0].extents.len());
        assert_eq!((extents(1), extents(2)), (Some(65_535), None));
    }
}
