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
pub fn set_machine_fonts(plan: &mut RenderPlan, facts: &[Facts], folders: &FontFolders) {
    let Ok(mut own_fonts) = OwnFonts::of(facts) else { return };
    let mut digest = None;
    for segment in
        plan.segments.iter_mut().filter(|segment| own_fonts.may_use_machine_fonts(segment))
    {
        segment.machine_fonts = Some(digest.get_or_insert_with(|| fonts_digest(folders)).clone());
    }
}

/// The fonts that a composition has without the machine's folders.
struct OwnFonts {
    bundled: FontBook,
    /// Families of the composition's files.
    families: BTreeSet<String>,
    /// SVG sources that contain text.
    drawings: BTreeSet<SourceHash>,
}

impl OwnFonts {
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

    fn may_use_machine_fonts(&mut self, segment: &Segment) -> bool {
        segment.layers.iter().any(|layer| self.layer_may_use_them(layer))
    }

    fn layer_may_use_them(&mut self, layer: &Layer) -> bool {
        let itself = match &layer.asset {
            Asset::Text(text) => {
                text.runs.iter().any(|run| self.may_use_machine_font(&run.style.family, &run.text))
            }
            Asset::Captions(captions) => captions.look.runs.first().is_some_and(|run| {
                captions.cues.iter().any(|cue| {
                    self.may_use_machine_font(&run.style.family, &cue.text)
                        || captions.capitals
                            && self
                                .may_use_machine_font(&run.style.family, &cue.text.to_uppercase())
                })
            }),
            // The SVG renderer chooses fonts by itself, so any text in an SVG may use the
            // machine's.
            Asset::Image(picture) => self.drawings.contains(&picture.source.hash),
            _ => false,
        };
        itself || layer.mattes.iter().any(|matte| self.layer_may_use_them(matte))
    }

    /// Returns whether a font of the machine may be used: for a name that neither the engine nor
    /// the composition has, or for a letter that the built-in fonts lack.
    fn may_use_machine_font(&self, family: &str, text: &str) -> bool {
        let known = self.families.contains(family) || self.bundled.has_name(family);
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
    use crate::picture::tests::segments::{SegmentFixture, picture_of};
    use crate::text::tests::text;

    fn folder() -> (tempfile::TempDir, FontFolders) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("one.ttf"), BUNDLED[0]).unwrap();
        let folders = FontFolders(vec![folder.path().to_owned()]);
        (folder, folders)
    }

    fn digest_of(segment: &Segment, facts: &[Facts], folders: &FontFolders) -> Option<String> {
        let mut own_fonts = OwnFonts::of(facts).unwrap();
        own_fonts.may_use_machine_fonts(segment).then(|| fonts_digest(folders))
    }

    fn segment_of(words: &str, family: &str) -> Segment {
        let mut fixture = SegmentFixture::new(160, 90);
        let mut text = text(words, 20);
        text.runs[0].style.family = family.into();
        fixture.layer(Asset::Text(text));
        fixture.segment
    }

    #[test]
    fn text_in_the_built_in_fonts_does_not_depend_on_the_machine() {
        let (_folder, folders) = folder();
        for text in ["Grüße, Ελλάδα, Привет!\n“1 €”", ""] {
            assert_eq!(digest_of(&segment_of(text, "Open Sans"), &[], &folders), None, "{text}");
        }
        for text in ["日本", "नमस्ते", "مرحبا", "😀", "a\u{200d}b"] {
            assert!(digest_of(&segment_of(text, "Open Sans"), &[], &folders).is_some(), "{text}");
        }
        assert!(digest_of(&segment_of("plain", "DejaVu Sans"), &[], &folders).is_some());
    }

    #[test]
    fn machines_with_other_fonts_have_other_digests() {
        let (folder, folders) = folder();
        let segment = segment_of("日本", "Open Sans");
        let first = digest_of(&segment, &[], &folders);
        assert_eq!(first, digest_of(&segment, &[], &folders));
        std::fs::write(folder.path().join("two.otf"), BUNDLED[1]).unwrap();
        assert_ne!(first, digest_of(&segment, &[], &folders));
    }

    #[test]
    fn an_svg_depends_on_the_machine_only_if_it_contains_text() {
        let (_folder, folders) = folder();
        let mut fixture = SegmentFixture::new(160, 90);
        for (body, writes) in
            [("<text>Hello</text>", true), ("<rect width='3' height='3'/>", false)]
        {
            let path = fixture.path("drawing.svg");
            std::fs::write(
                &path,
                format!(
                    "<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'>{body}</svg>"
                ),
            )
            .unwrap();
            let source = fixture.add(&path);
            let facts = crate::probe::probe(&path, &source).unwrap();
            fixture.layers().clear();
            fixture.layer(Asset::Image(picture_of(source)));
            assert_eq!(digest_of(&fixture.segment, &[facts], &folders).is_some(), writes, "{body}");
        }
    }
}
