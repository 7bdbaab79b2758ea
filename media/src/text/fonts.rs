//! Finds the fonts of a segment by name.
//!
//! Fonts come from three sources, in this order: files of the composition, the fonts built into the
//! engine, and the machine's font folders. The folders hold hundreds of files and are read only if
//! a name or a letter is found in neither of the others, because every media process would pay for
//! it. They are read in the order of their paths, so that equal folders choose equal fonts.

use super::fallback::FallbackOrder;
use crate::error::{MediaError, Result};
use cosmic_text::fontdb::{Database, FaceInfo, Family, ID, Query, Source, Style, Weight};
use cosmic_text::{FontSystem, fontdb};
use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The family used for names that no font has.
pub(crate) const DEFAULT_FAMILY: &str = "Open Sans";

pub(crate) const BUNDLED: [&[u8]; 2] = [
    include_bytes!("../../fonts/OpenSans-Regular.ttf"),
    include_bytes!("../../fonts/OpenSans-Bold.ttf"),
];

/// Folders of fonts on this machine, in order of preference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FontFolders(pub Vec<PathBuf>);

impl Default for FontFolders {
    /// The folders for fonts of packages and administrators, which the sandbox leaves readable.
    fn default() -> Self {
        Self(["/usr/share/fonts", "/usr/local/share/fonts"].map(PathBuf::from).to_vec())
    }
}

impl FontFolders {
    /// Lists the font files below the folders, sorted by path within each.
    fn files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        for folder in &self.0 {
            let mut found = Vec::new();
            gather(folder, 0, &mut found);
            found.sort();
            files.append(&mut found);
        }
        files
    }
}

/// Deeper folders are not read: a link that leads back up must end somewhere.
const MAX_DEPTH: u32 = 8;

fn gather(folder: &Path, depth: u32, into: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() && depth < MAX_DEPTH {
            gather(&path, depth + 1, into);
        } else if is_font(&path) {
            into.push(path);
        }
    }
}

fn is_font(path: &Path) -> bool {
    path.extension().and_then(|extension| extension.to_str()).is_some_and(|extension| {
        ["ttf", "otf", "ttc", "otc"].contains(&extension.to_ascii_lowercase().as_str())
    })
}

/// Returns a digest of the fonts in the folders and of those built in. It is part of the key of
/// work that draws text with them, since another font gives another picture.
///
/// A file counts by its name, its size and its first 4 KB, which hold the checksums of all its
/// tables (OpenType, "Table Directory"): reading gigabytes of fonts whole would find no more.
#[must_use]
pub fn fonts_digest(folders: &FontFolders) -> String {
    let mut hasher = blake3::Hasher::new();
    for font in BUNDLED {
        hasher.update(blake3::hash(font).as_bytes());
    }
    for path in folders.files() {
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        hasher.update(&(name.len() as u64).to_le_bytes());
        hasher.update(name);
        if let Ok(mut file) = std::fs::File::open(&path) {
            let size = file.metadata().map_or(0, |metadata| metadata.len());
            hasher.update(&size.to_le_bytes());
            let mut head = Vec::with_capacity(4096);
            if (&mut file).take(4096).read_to_end(&mut head).is_ok() {
                hasher.update(&head);
            }
        }
    }
    hasher.finalize().to_hex().to_string()
}

/// The fonts of one segment.
pub(crate) struct FontBook {
    system: FontSystem,
    files: Vec<PathBuf>,
    folders: FontFolders,
    folders_read: bool,
    /// The families that do not come from the machine, normalised.
    own: BTreeSet<String>,
    /// The weights in which every family is offered.
    offered: BTreeSet<u16>,
    used: BTreeSet<String>,
}

/// The face that a name and a style resolve to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Face {
    /// The family's name in the database.
    pub family: String,
    /// The family's weight that is nearest to the requested one.
    pub weight: u16,
    /// Unset if the name was not found and [`DEFAULT_FAMILY`] is used.
    pub found: bool,
    /// Unset if the family comes from this machine and lacks the requested weight. Of other fonts
    /// it is known when a composition is compiled.
    pub has_weight: bool,
}

impl FontBook {
    /// Loads the fonts of the composition, in order, and those built in.
    ///
    /// # Errors
    /// Bad input if a file is no font.
    pub(crate) fn new(files: &[PathBuf], folders: FontFolders) -> Result<Self> {
        let mut db = Database::new();
        for path in files {
            let data = std::fs::read(path).map_err(|error| {
                MediaError::from_io(format_args!("reading the font {}", path.display()), &error)
            })?;
            if db.load_font_source(Source::Binary(Arc::new(data))).is_empty() {
                return Err(MediaError::BadInput(format!(
                    "{} is no font that can be read: use TTF or OTF",
                    path.display()
                )));
            }
        }
        for font in BUNDLED {
            db.load_font_source(Source::Binary(Arc::new(font)));
        }
        db.set_sans_serif_family(DEFAULT_FAMILY);
        let own = families(&db);
        // Not the machine's locale: text must break and fall back the same everywhere.
        let system =
            FontSystem::new_with_locale_and_db_and_fallback("en-US".to_owned(), db, FallbackOrder);
        Ok(Self {
            system,
            files: files.to_vec(),
            folders,
            folders_read: false,
            own,
            offered: BTreeSet::new(),
            used: BTreeSet::new(),
        })
    }

    /// Returns the font system for shaping and drawing.
    pub(crate) fn system(&mut self) -> &mut FontSystem {
        &mut self.system
    }

    /// Returns all font files: those of the composition, then the machine's. The SVG renderer keeps
    /// its own list of fonts.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let mut files = self.files.clone();
        files.append(&mut self.folders.files());
        files
    }

    /// Adds the machine's fonts, once. A family that is already known is skipped, so a family comes
    /// from one source. Returns whether anything was added.
    pub(crate) fn read_folders(&mut self) -> bool {
        if self.folders_read {
            return false;
        }
        self.folders_read = true;
        self.offered.clear();
        let files = self.folders.files();
        let db = self.system.db_mut();
        let before = db.len();
        let known = families(db);
        for path in files {
            // An unreadable file among the machine's fonts is skipped.
            for id in db.load_font_source(Source::File(path)) {
                let is_known = |face: &FaceInfo| {
                    face.families.iter().any(|(family, _)| known.contains(&normalised(family)))
                };
                if db.face(id).is_some_and(is_known) {
                    db.remove_face(id);
                }
            }
        }
        db.len() > before
    }

    /// Resolves a name as a caller wrote it: a family, or a full name such as "Roboto Medium".
    ///
    /// A family of the composition, or a built-in one, is used only in the weights that it has:
    /// another machine's folder must not add one.
    pub(crate) fn face(&mut self, name: &str, weight: u16, italic: bool) -> Face {
        if let Some(face) = self.search(name, weight, italic) {
            return face;
        }
        self.read_folders();
        self.search(name, weight, italic).unwrap_or_else(|| Face {
            found: false,
            ..self.nearest(DEFAULT_FAMILY, weight, italic)
        })
    }

    /// Returns whether a name resolves without the machine's folders.
    pub(crate) fn has_name(&self, name: &str) -> bool {
        self.search(name, 400, false).is_some()
    }

    fn search(&self, name: &str, weight: u16, italic: bool) -> Option<Face> {
        let normalised_name = normalised(name);
        let has_family = |face: &&FaceInfo| {
            face.families.iter().any(|(family, _)| normalised(family) == normalised_name)
        };
        let has_full_name =
            |face: &&FaceInfo| normalised(&face.post_script_name) == normalised_name;
        if let Some(face) = self.system.db().faces().find(has_family) {
            let family =
                face.families.iter().find(|(family, _)| normalised(family) == normalised_name);
            return family.map(|(family, _)| self.nearest(family, weight, italic));
        }
        let face = self.system.db().faces().find(has_full_name)?;
        let (family, _) = face.families.first()?;
        // A full name gives the weight if the caller does not.
        let weight = if weight == 400 { face.weight.0 } else { weight };
        Some(self.nearest(family, weight, italic))
    }

    /// Returns the face of a family that is nearest to a weight, by the rules of CSS Fonts 4, "Font
    /// Matching".
    ///
    /// The shaper takes a family only in a weight that it has, and would go on to other families
    /// otherwise.
    fn nearest(&self, family: &str, weight: u16, italic: bool) -> Face {
        let style = if italic { Style::Italic } else { Style::Normal };
        let query = Query {
            families: &[Family::Name(family)],
            weight: Weight(weight),
            style,
            ..Query::default()
        };
        let db = self.system.db();
        let nearest_weight = db.query(&query).and_then(|id| {
            let varies = db
                .with_face_data(id, |data, index| varies_to(data, index, weight))
                .unwrap_or(false);
            if varies { Some(weight) } else { db.face(id).map(|face| face.weight.0) }
        });
        let nearest_weight = nearest_weight.unwrap_or(weight);
        let has_weight = nearest_weight == weight || self.own.contains(&normalised(family));
        Face { family: family.to_owned(), weight: nearest_weight, found: true, has_weight }
    }

    /// Offers every family in a weight, by its nearest face.
    ///
    /// The shaper tries the fallbacks in their order only for faces of exactly the text's weight.
    /// Otherwise bold text would take its emoji and its Chinese from whichever other font comes
    /// first.
    pub(crate) fn offer(&mut self, weight: u16) {
        if !self.offered.insert(weight) {
            return;
        }
        let db = self.system.db();
        let families: BTreeSet<&str> =
            db.faces().filter_map(|face| Some(face.families.first()?.0.as_str())).collect();
        let nearest = families.into_iter().filter_map(|family| {
            let query = Query {
                families: &[Family::Name(family)],
                weight: Weight(weight),
                ..Query::default()
            };
            db.query(&query).and_then(|id| db.face(id)).filter(|face| face.weight.0 != weight)
        });
        let substitutes: Vec<FaceInfo> =
            nearest.map(|face| FaceInfo { weight: Weight(weight), ..face.clone() }).collect();
        for face in substitutes {
            self.system.db_mut().push_face_info(face);
        }
    }

    /// Records that a face was drawn.
    pub(crate) fn record_used(&mut self, id: ID) {
        if let Some(face) = self.system.db().face(id) {
            self.used.insert(face.post_script_name.clone());
        }
    }

    /// Returns the PostScript names of the faces that were drawn, sorted.
    pub(crate) fn used(&self) -> Vec<String> {
        self.used.iter().cloned().collect()
    }
}

/// Returns the names of all families, normalised.
fn families(db: &Database) -> BTreeSet<String> {
    let names = db.faces().flat_map(|face| &face.families);
    names.map(|(family, _)| normalised(family)).collect()
}

/// Returns whether a variable font has a weight.
fn varies_to(data: &[u8], index: u32, weight: u16) -> bool {
    let Ok(face) = ttf_parser::Face::parse(data, index) else { return false };
    face.variation_axes().into_iter().any(|axis| {
        axis.tag == ttf_parser::Tag::from_bytes(b"wght")
            && (axis.min_value..=axis.max_value).contains(&f32::from(weight))
    })
}

/// Normalises a name: without case, spaces and hyphens, which callers vary.
fn normalised(name: &str) -> String {
    name.chars()
        .filter(|letter| !matches!(letter, ' ' | '-' | '_'))
        .flat_map(char::to_lowercase)
        .collect()
}

/// Converts a weight for the database.
pub(crate) fn weight_of(weight: u16) -> fontdb::Weight {
    fontdb::Weight(weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundled_only() -> FontBook {
        FontBook::new(&[], FontFolders(vec![])).expect("the bundled fonts load")
    }

    #[test]
    fn a_name_is_found_in_any_case_and_spacing() {
        let mut book = bundled_only();
        for name in ["Open Sans", "opensans", "OPEN-SANS", "OpenSans-Bold"] {
            assert!(book.face(name, 400, false).found, "{name}");
        }
    }

    #[test]
    fn a_family_is_drawn_in_the_weight_it_has() {
        let mut book = bundled_only();
        let mut nearest_weight = |name, weight| book.face(name, weight, false).weight;
        assert_eq!(
            [100, 400, 500, 600, 900].map(|weight| nearest_weight("Open Sans", weight)),
            [400, 400, 400, 700, 700]
        );
        assert_eq!(
            (nearest_weight("OpenSans-Bold", 400), nearest_weight("Nowhere", 900)),
            (700, 700)
        );
    }

    #[test]
    fn an_unknown_name_gets_the_default_family() {
        let face = bundled_only().face("No Such Font", 400, false);
        assert_eq!((face.family.as_str(), face.found), (DEFAULT_FAMILY, false));
    }

    #[test]
    fn the_digest_changes_with_the_folders_contents() {
        let folder = tempfile::tempdir().expect("a folder");
        let folders = FontFolders(vec![folder.path().to_owned()]);
        let empty = fonts_digest(&folders);
        assert_eq!(empty, fonts_digest(&folders));
        std::fs::write(folder.path().join("a.ttf"), BUNDLED[0]).expect("written");
        let one = fonts_digest(&folders);
        assert_ne!(empty, one);
        std::fs::write(folder.path().join("a.ttf"), BUNDLED[1]).expect("written");
        assert_ne!(one, fonts_digest(&folders));
    }

    #[test]
    fn a_file_that_is_no_font_is_bad_input() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("no.ttf");
        std::fs::write(&path, b"not a font").expect("written");
        let book = FontBook::new(&[path], FontFolders(vec![]));
        assert!(matches!(book, Err(MediaError::BadInput(_))));
    }
}
