//! Evens out the lines of short text, so that no line is left with its last word alone.

use super::breaks::is_one_word;
use super::fonts::FontBook;
use super::layout::ink_span;
use cosmic_text::{Buffer, LayoutRun, Wrap};

/// Text of more lines is read as a paragraph, whose lines may be of different length.
const MAX_BALANCED_LINES: usize = 6;
/// Bisection steps that find the narrowest lines, to 1/128 of the box.
const BALANCE_STEPS: u32 = 7;

/// Narrows broken lines as far as their number stays.
pub(super) fn balance(buffer: &mut Buffer, width: f32, book: &mut FontBook) {
    let lines = buffer.layout_runs().count();
    if lines > MAX_BALANCED_LINES || lines == buffer.lines.len() {
        return;
    }
    // A word that is too long for the box breaks inside; narrower lines would break others, too.
    buffer.set_wrap(Wrap::Word);
    let (mut narrow, mut wide) = (0.0, width);
    let mut fits_at = |buffer: &mut Buffer, width: f32| {
        buffer.set_size(Some(width), None);
        buffer.shape_until_scroll(book.system(), false);
        let widest = buffer.layout_runs().map(|run| ink_span(&run)).map(|(a, b)| b - a);
        buffer.layout_runs().count() == lines && widest.fold(0.0, f32::max) <= width + 0.01
    };
    if fits_at(buffer, width) {
        for _ in 0..BALANCE_STEPS {
            let middle = (narrow + wide) / 2.0;
            if fits_at(buffer, middle) { wide = middle } else { narrow = middle }
        }
    } else {
        buffer.set_wrap(Wrap::WordOrGlyph);
    }
    fits_at(buffer, wide);
}

/// The last words that are alone on the last line of a paragraph of three to six lines: the
/// paragraph, and the position of the word in it. Balanced lines of equal words leave one where
/// their number does not divide. Of two lines the narrowest pair is the most even already.
pub(super) fn lonely_words(buffer: &Buffer) -> Vec<(usize, usize)> {
    let lines: Vec<LayoutRun> = buffer.layout_runs().collect();
    let paragraphs = lines.chunk_by(|a, b| a.line_i == b.line_i);
    let lonely = paragraphs.filter(|lines| (3..=MAX_BALANCED_LINES).contains(&lines.len()));
    lonely.filter_map(|lines| lonely_word(lines.last()?)).collect()
}

fn lonely_word(line: &LayoutRun<'_>) -> Option<(usize, usize)> {
    let start = line.glyphs.iter().map(|glyph| glyph.start).min()?;
    let end = line.glyphs.iter().map(|glyph| glyph.end).max()?;
    is_one_word(line.text.get(start..end)?).then_some((line.line_i, start))
}
