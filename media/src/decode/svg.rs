//! Draws SVG pictures with resvg. Nothing outside the file is read: references to other files and
//! addresses draw nothing.

use super::cost::{CostError, within};
use crate::error::{MediaError, Result};
use crate::picture::planes::{Chroma, Picture};
use crate::picture::raster::Raster;
use crate::text::fonts::{BUNDLED, DEFAULT_FAMILY, FontBook};
use resvg::usvg::{ImageHrefResolver, Options, Tree, fontdb};
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tiny_skia::{Pixmap, Transform};

/// The largest SVG that is read, in bytes. The parser itself bounds entities and nesting.
const MAX_BYTES: u64 = 8 << 20;

/// The processor time in which an SVG must be read, and the same for drawing it once: elaborate
/// maps take a second or two. A few bytes of nested references or filters would take hours.
const MAX_COST: Duration = Duration::from_secs(10);

/// A parsed SVG.
pub(crate) struct Svg {
    tree: Arc<Tree>,
    /// The processor time in which it must be drawn.
    max_cost: Duration,
    has_text: bool,
}

impl Svg {
    /// Reads a file if it is an SVG; `None` if it is not. `book` has the fonts for its text.
    ///
    /// # Errors
    /// Bad input if it is an SVG but broken, too large, or takes too long to read.
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
        let fonts = font_database(has_text, book);
        let parsed = within(MAX_COST, move || Tree::from_data(&head, &options(fonts)))?;
        let name = format!("the SVG {}", path.display());
        let tree = parsed
            .map_err(|error| not_drawn(&name, error))?
            .map_err(|error| MediaError::BadInput(format!("{name} cannot be read: {error}")))?;
        Ok(Some(Self { tree: Arc::new(tree), max_cost: MAX_COST, has_text }))
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
    /// Out of memory for sizes that cannot be held; bad input if the renderer panics or takes too
    /// long.
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
        let tree = self.tree.clone();
        let drawn = within(self.max_cost, move || {
            resvg::render(&tree, transform, &mut pixmap.as_mut());
            pixmap
        })?;
        let pixmap = drawn.map_err(|error| not_drawn("an SVG", error))?;
        Ok(Raster::from_pixmap(pixmap).into_picture(chroma))
    }
}

fn not_drawn(svg: &str, error: CostError) -> MediaError {
    MediaError::BadInput(match error {
        CostError::TooCostly => format!(
            "{svg} takes more than {} s of processor time: use fewer or smaller filters, patterns \
             and repeated elements, or save it as PNG",
            MAX_COST.as_secs()
        ),
        CostError::Panicked => {
            format!("{svg} cannot be drawn: its filters or shapes are beyond all bounds")
        }
    })
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
    fn an_svg_that_would_be_drawn_for_hours_is_bad_input() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("wide.svg");
        // Each pixel is the darkest of a hundred thousand.
        let wide = r##"
            <svg xmlns="http://www.w3.org/2000/svg" width="900" height="900">
            <filter id="a"><feMorphology radius="160"/></filter>
            <circle cx="450" cy="450" r="400" filter="url(#a)"/></svg>"##;
        std::fs::write(&path, wide).expect("written");
        let book = FontBook::new(&[], crate::text::FontFolders(Vec::new())).expect("a book");
        let svg = Svg::open(&path, &book).expect("it is read").expect("an SVG");
        let impatient = Svg { max_cost: Duration::from_millis(100), ..svg };
        let drawn = impatient.draw([0.0, 0.0, 1.0, 1.0], 900, 900, Chroma::Full);
        let error = drawn.map(|picture| picture.width).expect_err("too costly");
        assert!(matches!(error, MediaError::BadInput(_)), "{error:?}");
        assert!(error.to_string().contains("processor time"), "{error}");
    }

    #[test]
    fn only_markup_with_an_svg_element_is_an_svg() {
        assert!(looks_like_svg(b"\xef\xbb\xbf <?xml version=\"1.0\"?>\n<svg width=\"1\"/>"));
        assert!(!looks_like_svg(b"\x89PNG\r\n\x1a\n"));
        assert!(!looks_like_svg(b"<html><body></body></html>"));
    }
}
