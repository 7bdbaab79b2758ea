//! Draws SVG pictures with resvg. Nothing outside the file is read: references to other files and
//! addresses draw nothing.

use crate::error::{MediaError, Result};
use crate::picture::planes::{Chroma, Picture};
use crate::picture::raster::Raster;
use crate::text::fonts::{BUNDLED, DEFAULT_FAMILY, FontBook};
use resvg::usvg::{ImageHrefResolver, Options, Tree, fontdb};
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use tiny_skia::{Pixmap, Transform};

/// The largest SVG that is read, in bytes. The parser itself bounds entities and nesting.
const MAX_BYTES: u64 = 8 << 20;

/// A parsed SVG.
pub(crate) struct Svg {
    tree: Tree,
    has_text: bool,
}

impl Svg {
    /// Reads a file if it is an SVG; `None` if it is not. `book` has the fonts for its text.
    ///
    /// # Errors
    /// Bad input if it is an SVG but broken or too large.
    pub(crate) fn open(path: &Path, book: &FontBook) -> Result<Option<Self>> {
        let failed = |error: std::io::Error| {
            MediaError::from_io(format_args!("reading {}", path.display()), &error)
        };
        let mut file = std::fs::File::open(path).map_err(failed)?;
        let mut head = Vec::new();
        (&mut file).take(4096).read_to_end(&mut head).map_err(failed)?;
        if !looks_like_svg(&head) {
            return Ok(None);
        }
        file.take(MAX_BYTES).read_to_end(&mut head).map_err(failed)?;
        if head.len() as u64 >= MAX_BYTES {
            return Err(MediaError::BadInput(format!(
                "the SVG {} is larger than {MAX_BYTES} bytes",
                path.display()
            )));
        }
        let has_text = contains_text(&head);
        let tree =
            Tree::from_data(&head, &options(font_database(has_text, book))).map_err(|error| {
                MediaError::BadInput(format!("the SVG {} cannot be read: {error}", path.display()))
            })?;
        Ok(Some(Self { tree, has_text }))
    }

    /// Returns whether it contains text, which needs fonts.
    pub(crate) fn has_text(&self) -> bool {
        self.has_text
    }

    /// Returns the drawing's own size in pixels, rounded up.
    pub(crate) fn size(&self) -> (u32, u32) {
        let size = self.tree.size();
        (size.width().ceil().max(1.0) as u32, size.height().ceil().max(1.0) as u32)
    }

    /// Draws a part (left, top, width, height as shares of the drawing) at a size in pixels.
    ///
    /// # Errors
    /// Out of memory for sizes that cannot be held; bad input if the renderer panics.
    pub(crate) fn draw(
        &self,
        crop: [f64; 4],
        width: usize,
        height: usize,
        chroma: Chroma,
    ) -> Result<Picture> {
        let mut pixmap = Pixmap::new(width as u32, height as u32).ok_or_else(|| {
            MediaError::OutOfMemory(format!("an SVG at {width}×{height} cannot be held"))
        })?;
        let size = self.tree.size();
        let [x, y, w, h] = crop.map(|share| share as f32);
        let (w, h) = (w.max(f32::EPSILON), h.max(f32::EPSILON));
        let transform = Transform::from_translate(-x * size.width(), -y * size.height())
            .post_scale(width as f32 / (w * size.width()), height as f32 / (h * size.height()));
        // resvg's filters panic on numbers that they do not expect, and the file comes from
        // outside.
        let drawn = catch_unwind(AssertUnwindSafe(|| {
            resvg::render(&self.tree, transform, &mut pixmap.as_mut())
        }));
        drawn.map_err(|_| {
            MediaError::BadInput(
                "an SVG cannot be drawn: its filters or shapes are beyond all bounds".into(),
            )
        })?;
        Ok(Raster::from_pixmap(pixmap).into_picture(chroma))
    }
}

/// Returns whether a file begins as SVG does: markup in which an `svg` element opens.
fn looks_like_svg(head: &[u8]) -> bool {
    let text = String::from_utf8_lossy(head);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    text.starts_with('<') && (text.contains("<svg") || text.contains(":svg"))
}

/// Returns whether an SVG may contain text.
fn contains_text(svg: &[u8]) -> bool {
    svg.windows(5).any(|window| window == b"<text" || window == b":text")
}

/// Returns the fonts, if there is text: a logo must not cost the reading of hundreds of font files.
fn font_database(has_text: bool, book: &FontBook) -> Arc<fontdb::Database> {
    let mut db = fontdb::Database::new();
    if has_text {
        for font in BUNDLED {
            db.load_font_data(font.to_vec());
        }
        for path in book.files() {
            // An unreadable font is skipped.
            if let Ok(data) = std::fs::read(path) {
                db.load_font_data(data);
            }
        }
        db.set_sans_serif_family(DEFAULT_FAMILY);
    }
    Arc::new(db)
}

fn options(fonts: Arc<fontdb::Database>) -> Options<'static> {
    Options {
        image_href_resolver: ImageHrefResolver {
            resolve_string: Box::new(|_, _| None),
            ..ImageHrefResolver::default()
        },
        font_family: "Open Sans".to_owned(),
        fontdb: fonts,
        ..Options::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_the_svg_renderer_is_bad_input() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("noise.svg");
        let noise = r##"
            <svg xmlns="http://www.w3.org/2000/svg" width="9" height="9">
            <filter id="a"><feTurbulence numOctaves="99" baseFrequency="9"/></filter>
            <rect width="9" height="9" filter="url(#a)"/></svg>"##;
        std::fs::write(&path, noise).expect("written");
        let book = FontBook::new(&[], crate::text::FontFolders(Vec::new())).expect("a book");
        let svg = Svg::open(&path, &book).expect("it is read").expect("an SVG");
        let drawn = svg.draw([0.0, 0.0, 1.0, 1.0], 9, 9, Chroma::Full);
        // In a release build the numbers wrap, and the filter is drawn.
        assert!(matches!(drawn, Ok(_) | Err(MediaError::BadInput(_))));
    }

    #[test]
    fn only_markup_with_an_svg_element_is_an_svg() {
        assert!(looks_like_svg(b"\xef\xbb\xbf <?xml version=\"1.0\"?>\n<svg width=\"1\"/>"));
        assert!(!looks_like_svg(b"\x89PNG\r\n\x1a\n"));
        assert!(!looks_like_svg(b"<html><body></body></html>"));
    }
}
