//! Finds the segments in which the machine's own fonts can show, and adds a digest of these fonts
//! to the segments' keys.
//!
//! The built-in fonts cover the Latin, Greek and Cyrillic of most videos. A segment that needs only
//! them and the composition's files never opens the machine's folders, so its key does not include
//! them, and machines with other fonts share it.

use super::fonts::{BUNDLED, FontBook, FontFolders, fonts_digest};
use composition::plan::{Asset, Facts, Layer, RenderPlan, Segment, SourceHash};
use std::collections::BTreeSet;

/// Sets the digest of the machine's fonts in every segment of a compiled plan that may need them.
/// `facts` are those with which it was compiled.
///
/// Call it when a plan is compiled, before keys are made of its parts. It reads some kilobytes of
/// every font file.
pub fn name_fonts(plan: &mut RenderPlan, facts: &[Facts], folders: &FontFolders) {
    let Ok(mut reach) = Reach::of(facts) else { return };
    let mut digest = None;
    for segment in plan.segments.iter_mut().filter(|segment| reach.beyond(segment)) {
        segment.machine_fonts = Some(digest.get_or_insert_with(|| fonts_digest(folders)).clone());
    }
}

/// The fonts that a composition has without the machine's folders.
struct Reach {
    bundled: FontBook,
    /// Families of the composition's files.
    families: BTreeSet<String>,
    /// SVG sources that contain text.
    drawings: BTreeSet<SourceHash>,
}

impl Reach {
    fn of(facts: &[Facts]) -> crate::Result<Self> {
        Ok(Self {
            bundled: FontBook::new(&[], FontFolders(Vec::new()))?,
            families: facts
                .iter()
                .flat_map(|facts| &facts.faces)
                .map(|face| face.family.clone())
                .collect(),
            drawings: facts
                .iter()
                .filter(|facts| facts.writes)
                .map(|facts| facts.hash.clone())
                .collect(),
        })
    }

    fn beyond(&mut self, segment: &Segment) -> bool {
        segment.layers.iter().any(|layer| self.layer(layer))
    }

    fn layer(&mut self, layer: &Layer) -> bool {
        let itself = match &layer.asset {
            Asset::Text(text) => {
                text.runs.iter().any(|run| self.writing(&run.style.family, &run.text))
            }
            Asset::Captions(captions) => captions.look.runs.first().is_some_and(|run| {
                captions.cues.iter().any(|cue| {
                    self.writing(&run.style.family, &cue.text)
                        || captions.capitals
                            && self.writing(&run.style.family, &cue.text.to_uppercase())
                })
            }),
            // The SVG renderer chooses fonts by itself, so any text in an SVG may use the
            // machine's.
            Asset::Image(picture) => self.drawings.contains(&picture.source.hash),
            _ => false,
        };
        itself || layer.mattes.iter().any(|matte| self.layer(matte))
    }

    /// A name that neither the engine nor the composition has, or a letter that the built-in fonts
    /// lack: [`DEFAULT_FAMILY`] or a fallback is used.
    fn writing(&self, family: &str, text: &str) -> bool {
        let known = self.families.contains(family) || self.bundled.brings(family);
        !known || text.chars().any(|letter| !is_bundled(letter))
    }
}

fn is_bundled(letter: char) -> bool {
    letter == '\n'
        || BUNDLED.iter().all(|font| {
            ttf_parser::Face::parse(font, 0)
                .is_ok_and(|face| face.glyph_index(letter).is_some_and(|glyph| glyph.0 != 0))
        })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::picture::tests::segments::{Bench, picture_of};
    use crate::text::tests::text;

    fn folder() -> (tempfile::TempDir, FontFolders) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("one.ttf"), BUNDLED[0]).unwrap();
        let folders = FontFolders(vec![folder.path().to_owned()]);
        (folder, folders)
    }

    fn named(segment: &Segment, facts: &[Facts], folders: &FontFolders) -> Option<String> {
        let mut reach = Reach::of(facts).unwrap();
        reach.beyond(segment).then(|| fonts_digest(folders))
    }

    fn written(writing: &str, family: &str) -> Segment {
        let mut bench = Bench::new(160, 90);
        let mut text = text(writing, 20);
        text.runs[0].style.family = family.into();
        bench.layer(Asset::Text(text));
        bench.segment
    }

    #[test]
    fn what_the_engine_can_write_by_itself_names_no_machine() {
        let (_folder, folders) = folder();
        for plain in ["Grüße, Ελλάδα, Привет!\n“1 €”", ""] {
            assert_eq!(named(&written(plain, "Open Sans"), &[], &folders), None, "{plain}");
        }
        for far in ["日本", "नमस्ते", "مرحبا", "😀", "a\u{200d}b"] {
            assert!(named(&written(far, "Open Sans"), &[], &folders).is_some(), "{far}");
        }
        assert!(named(&written("plain", "DejaVu Sans"), &[], &folders).is_some());
    }

    #[test]
    fn machines_with_other_fonts_name_them_otherwise() {
        let (folder, folders) = folder();
        let segment = written("日本", "Open Sans");
        let before = named(&segment, &[], &folders);
        assert_eq!(before, named(&segment, &[], &folders));
        std::fs::write(folder.path().join("two.otf"), BUNDLED[1]).unwrap();
        assert_ne!(before, named(&segment, &[], &folders));
    }

    #[test]
    fn a_drawing_counts_where_something_is_written_in_it() {
        let (_folder, folders) = folder();
        let mut bench = Bench::new(160, 90);
        for (body, writes) in
            [("<text>Hello</text>", true), ("<rect width='3' height='3'/>", false)]
        {
            let path = bench.path("drawing.svg");
            std::fs::write(
                &path,
                format!(
                    "<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'>{body}</svg>"
                ),
            )
            .unwrap();
            let source = bench.add(&path);
            let facts = crate::probe::probe(&path, &source).unwrap();
            bench.layers().clear();
            bench.layer(Asset::Image(picture_of(source)));
            assert_eq!(named(&bench.segment, &[facts], &folders).is_some(), writes, "{body}");
        }
    }
}
