//! Lays text out: shapes it, breaks it into lines, aligns it in its box, and shrinks it until it
//! fits.

use super::balance::{balance, lonely_words};
use super::breaks::{MarkedText, is_mark};
use super::fonts::{Face, FontBook, weight_of};
use composition::plan::{Align, Fitting, Text, TextRun, VerticalAlign, separates_words};
use cosmic_text::{
    Attrs, Buffer, CacheKeyFlags, Family, LayoutGlyph, LayoutRun, Metrics, Shaping, Style, Wrap,
};
use std::collections::BTreeSet;

/// Text laid out in a box with its corner at the origin; pixels, y downward.
#[derive(Debug, Clone, Default)]
pub(crate) struct Layout {
    /// Glyphs in visual order.
    pub glyphs: Vec<PlacedGlyph>,
    /// Lines from top to bottom.
    pub lines: Vec<LineBox>,
    /// Pixels for one pixel of the plan: the request's scale, reduced by shrinking.
    pub scale: f64,
    /// Characters that no font has.
    pub missing: BTreeSet<char>,
}

/// One glyph and its position.
#[derive(Debug, Clone)]
pub(crate) struct PlacedGlyph {
    /// The shaper's result: font, glyph number and size.
    pub glyph: LayoutGlyph,
    /// The pen position on the baseline, offsets applied.
    pub x: f32,
    /// The baseline, offsets applied.
    pub y: f32,
    /// Left edge of its advance.
    pub left: f32,
    /// Right edge of its advance.
    pub right: f32,
    /// The index of its run in the text.
    pub run: usize,
    /// The index of its line.
    pub line: usize,
    /// The index of its word; words are counted over the text, as
    /// `composition::plan::words_of` does.
    pub word: usize,
    /// The byte offset of its grapheme cluster in the text.
    pub cluster: usize,
    /// Set for white space.
    pub blank: bool,
}

/// A line as it is shown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LineBox {
    /// Left edge of its first glyph.
    pub left: f32,
    /// Top of the line's height.
    pub top: f32,
    /// Right edge of its last glyph.
    pub right: f32,
    /// Bottom of the line's height.
    pub bottom: f32,
    pub baseline: f32,
}

impl Layout {
    /// Returns the rectangle around all lines: left, top, right, bottom. Empty text has an empty
    /// one at the origin.
    pub(crate) fn block(&self) -> [f32; 4] {
        let lines = self.lines.iter().filter(|line| line.right > line.left);
        lines
            .map(|line| [line.left, line.top, line.right, line.bottom])
            .reduce(|a, b| [a[0].min(b[0]), a[1].min(b[1]), a[2].max(b[2]), a[3].max(b[3])])
            .unwrap_or_default()
    }
}

/// Lays text out in a box of `width × height` pixels, with `scale` pixels for one of the plan.
///
/// If a letter is missing, the machine's fonts are read and the text is shaped once more.
pub(crate) fn lay_out(
    text: &Text,
    width: f64,
    height: f64,
    scale: f64,
    book: &mut FontBook,
) -> Layout {
    let mut layout = fitted(text, width, height, scale, book);
    if !layout.missing.is_empty() && book.read_folders() {
        layout = fitted(text, width, height, scale, book);
    }
    layout
}

/// Bisection steps that find the largest size that fits, to 1/256 of the range.
const SHRINK_STEPS: u32 = 8;

/// How far letters shrink so that a caption has no more lines than it may.
const LEAST_OF_LINES: f64 = 0.5;

fn fitted(text: &Text, width: f64, height: f64, scale: f64, book: &mut FontBook) -> Layout {
    let inner_box = InnerBox::of(text, width, height, scale);
    let most_lines = text.most_lines.map_or(usize::MAX, |lines| lines as usize);
    let shrinks = matches!(text.fitting, Fitting::Shrink { .. });
    let fits =
        |layout: &Layout| layout.lines.len() <= most_lines && (!shrinks || inner_box.holds(layout));
    let whole = shape(text, &inner_box, scale, book);
    if fits(&whole) {
        return whole;
    }
    let least = match text.fitting {
        Fitting::Shrink { least } => {
            let sizes = text.runs.iter().map(|run| run.style.size.to_f64());
            least.to_f64() / sizes.fold(f64::MAX, f64::min).max(1.0)
        }
        Fitting::Wrap | Fitting::None => LEAST_OF_LINES,
    };
    let (mut low, mut high) = (least.clamp(0.01, 1.0), 1.0);
    let mut best = shape(text, &inner_box, scale * low, book);
    for _ in 0..SHRINK_STEPS {
        let middle = (low + high) / 2.0;
        let tried = shape(text, &inner_box, scale * middle, book);
        if fits(&tried) {
            low = middle;
            best = tried;
        } else {
            high = middle;
        }
    }
    best
}

/// The box without its padding.
struct InnerBox {
    left: f32,
    top: f32,
    width: f32,
    height: f32,
}

impl InnerBox {
    fn of(text: &Text, width: f64, height: f64, scale: f64) -> Self {
        let [top, right, bottom, left] = text.padding.map(|side| side.to_f64() * scale);
        Self {
            left: left as f32,
            top: top as f32,
            width: (width - left - right).max(1.0) as f32,
            height: (height - top - bottom).max(1.0) as f32,
        }
    }

    fn holds(&self, layout: &Layout) -> bool {
        let [left, top, right, bottom] = layout.block();
        right - left <= self.width + 0.5 && bottom - top <= self.height + 0.5
    }
}

fn shape(text: &Text, inner_box: &InnerBox, scale: f64, book: &mut FontBook) -> Layout {
    let mut marked = MarkedText::new(&text.runs);
    let mut buffer = shaped(text, &marked, inner_box.width, scale, book);
    if text.fitting != Fitting::None && text.align != Align::Justify {
        balance(&mut buffer, inner_box.width, book);
        let lonely = lonely_words(&buffer);
        if !lonely.is_empty() {
            let offsets = TextOffsets::of(&buffer, &marked);
            let mut kept = marked.clone();
            // From the last on, because each moves those behind it.
            for (paragraph, start) in lonely.iter().rev() {
                kept.keep_together(offsets.starts[*paragraph] + start);
            }
            let mut joined = shaped(text, &kept, inner_box.width, scale, book);
            balance(&mut joined, inner_box.width, book);
            let same_lines = joined.layout_runs().count() == buffer.layout_runs().count();
            if same_lines && lonely_words(&joined).len() < lonely.len() {
                (buffer, marked) = (joined, kept);
            }
        }
    }
    placed(text, inner_box, scale, &buffer, &marked)
}

/// Shapes the text and breaks it into lines of at most a width.
fn shaped(
    text: &Text,
    marked: &MarkedText<'_>,
    width: f32,
    scale: f64,
    book: &mut FontBook,
) -> Buffer {
    let spans = spans_of(marked);
    let faces: Vec<Face> = text
        .runs
        .iter()
        .map(|run| book.face(&run.style.family, run.style.weight, run.style.italic))
        .collect();
    faces.iter().for_each(|face| book.offer(face.weight));
    let line_height = text.line_height.to_f64().max(0.1);
    let attrs_of = |span: &TextSpan<'_>| {
        attrs(&text.runs[span.run], &faces[span.run], span, scale, line_height)
    };
    let default = Attrs::new();
    let first = text.runs.first().map_or(16.0, |run| size_of(run, scale));
    let mut buffer = Buffer::new_empty(Metrics::new(first, first * line_height as f32));
    buffer.set_wrap(match text.fitting {
        Fitting::None => Wrap::None,
        Fitting::Wrap | Fitting::Shrink { .. } => Wrap::WordOrGlyph,
    });
    buffer.set_size(Some(width), None);
    let attributed_spans = spans.iter().map(|span| (span.text, attrs_of(span)));
    let justify = (text.align == Align::Justify).then_some(cosmic_text::Align::Justified);
    buffer.set_rich_text(attributed_spans, &default, Shaping::Advanced, justify);
    buffer.shape_until_scroll(book.system(), false);
    buffer
}

/// A stretch of one run that is all spaces, all marks, or neither, because spacing applies to each
/// in its own way.
struct TextSpan<'a> {
    text: &'a str,
    run: usize,
    kind: SpanKind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum SpanKind {
    Letters,
    /// Spaces, which word spacing widens.
    Blank,
    /// Marks of line breaks, which nothing widens.
    Mark,
}

impl SpanKind {
    fn of(letter: char) -> Self {
        match letter {
            ' ' => Self::Blank,
            _ if is_mark(letter) => Self::Mark,
            _ => Self::Letters,
        }
    }
}

fn spans_of<'a>(marked: &'a MarkedText<'_>) -> Vec<TextSpan<'a>> {
    let mut spans = Vec::new();
    for (run, text) in marked.runs.iter().enumerate() {
        let mut rest: &str = text;
        while let Some(first) = rest.chars().next() {
            let kind = SpanKind::of(first);
            let end = rest.find(|letter| SpanKind::of(letter) != kind).unwrap_or(rest.len());
            let (text, after) = rest.split_at(end);
            spans.push(TextSpan { text, run, kind });
            rest = after;
        }
    }
    spans
}

/// Returns the size of a run's letters; a size of zero cannot be shaped.
fn size_of(run: &TextRun, scale: f64) -> f32 {
    (run.style.size.to_f64() * scale).max(0.5) as f32
}

fn attrs<'a>(
    run: &TextRun,
    face: &'a Face,
    span: &TextSpan<'_>,
    scale: f64,
    line_height: f64,
) -> Attrs<'a> {
    let style = &run.style;
    let (spacing, size) = match span.kind {
        SpanKind::Letters => (style.letter_spacing.to_f64(), size_of(run, scale)),
        SpanKind::Blank => {
            (style.letter_spacing.to_f64() + style.word_spacing.to_f64(), size_of(run, scale))
        }
        // Tiny, because a mark may come from another font, whose ascent would move the baseline.
        SpanKind::Mark => (0.0, size_of(run, scale) / 100.0),
    };
    let spacing = spacing * scale / f64::from(size);
    Attrs::new()
        .family(Family::Name(&face.family))
        .weight(weight_of(face.weight))
        .style(if style.italic { Style::Italic } else { Style::Normal })
        .metrics(Metrics::new(size, size * line_height as f32))
        .letter_spacing(spacing as f32)
        .cache_key_flags(CacheKeyFlags::DISABLE_HINTING)
        .metadata(span.run)
}

/// Positions the shaped lines in the box.
fn placed(
    text: &Text,
    inner_box: &InnerBox,
    scale: f64,
    buffer: &Buffer,
    marked: &MarkedText<'_>,
) -> Layout {
    let mut layout = Layout { scale, ..Layout::default() };
    let height: f32 = buffer.layout_runs().map(|run| run.line_height).sum();
    let slack = inner_box.height - height;
    let down = inner_box.top
        + match text.vertical {
            VerticalAlign::Top => 0.0,
            VerticalAlign::Middle => slack / 2.0,
            VerticalAlign::Bottom => slack,
        };
    let offsets = TextOffsets::of(buffer, marked);
    for run in buffer.layout_runs() {
        let (left, right) = ink_span(&run);
        let shift = inner_box.left + offset(text.align, run.rtl, inner_box.width, left, right);
        let line = layout.lines.len();
        layout.lines.push(LineBox {
            left: left + shift,
            top: down + run.line_top,
            right: right + shift,
            bottom: down + run.line_top + run.line_height,
            baseline: down + run.line_y,
        });
        for glyph in run.glyphs {
            let cluster = run.text.get(glyph.start..glyph.end).unwrap_or_default();
            if glyph.glyph_id == 0 {
                layout.missing.extend(cluster.chars().filter(|c| !is_blank(*c) && !c.is_control()));
            }
            let at = offsets.starts[run.line_i] + glyph.start;
            layout.glyphs.push(PlacedGlyph {
                x: glyph.x + glyph.x_offset * glyph.font_size + shift,
                y: down + run.line_y + glyph.y - glyph.y_offset * glyph.font_size,
                left: glyph.x + shift,
                right: glyph.x + glyph.w + shift,
                run: glyph.metadata,
                line,
                word: offsets.word_at(at),
                cluster: at,
                blank: cluster.chars().all(is_blank),
                glyph: glyph.clone(),
            });
        }
    }
    layout
}

fn is_blank(letter: char) -> bool {
    letter.is_whitespace() || is_mark(letter)
}

/// Returns the left and right edge of a line's letters, without white space at either end.
pub(super) fn ink_span(run: &LayoutRun<'_>) -> (f32, f32) {
    let visible = run.glyphs.iter().filter(|glyph| {
        let cluster = run.text.get(glyph.start..glyph.end).unwrap_or_default();
        !cluster.chars().all(is_blank)
    });
    visible
        .map(|glyph| (glyph.x, glyph.x + glyph.w))
        .reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
        .unwrap_or_default()
}

/// Returns the shift that aligns a line from `left` to `right` in a box of `width`.
fn offset(align: Align, rtl: bool, width: f32, left: f32, right: f32) -> f32 {
    let to_left = -left;
    let to_right = width - right;
    match align {
        Align::Justify => 0.0,
        Align::Left => to_left,
        Align::Right => to_right,
        Align::Centre => (to_left + to_right) / 2.0,
        Align::Start if rtl => to_right,
        Align::Start => to_left,
        Align::End if rtl => to_left,
        Align::End => to_right,
    }
}

/// The start of each paragraph in the whole text, and of each word.
struct TextOffsets {
    starts: Vec<usize>,
    words: Vec<usize>,
}

impl TextOffsets {
    /// Words end where `separates_words` says, except at the marks that were put into the text.
    fn of(buffer: &Buffer, marked: &MarkedText<'_>) -> Self {
        let (mut starts, mut words) = (Vec::new(), Vec::new());
        let mut at = 0;
        for line in &buffer.lines {
            starts.push(at);
            let mut in_word = false;
            for (offset, letter) in line.text().char_indices() {
                let separates = separates_words(letter) && !marked.has_mark_at(at + offset);
                if !in_word && !separates {
                    words.push(at + offset);
                }
                in_word = !separates;
            }
            at += line.text().len() + 1;
        }
        Self { starts, words }
    }

    fn word_at(&self, at: usize) -> usize {
        self.words.partition_point(|&start| start <= at).saturating_sub(1)
    }
}
