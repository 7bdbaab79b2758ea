//! Text layout and drawing: positions of letters, choice of fonts, and warnings about missing ones.

use super::block::TextContext;
use super::fonts::{FontBook, FontFolders};
use super::glyphs::{GlyphPainter, PlacedRaster, StyleOverride};
use super::layout::Layout;
use composition::plan::*;
use std::collections::BTreeSet;

fn context(folders: &[&str]) -> TextContext {
    let folders = FontFolders(folders.iter().map(std::path::PathBuf::from).collect());
    TextContext {
        book: FontBook::new(&[], folders).expect("fonts"),
        painter: GlyphPainter::new(),
        warnings: BTreeSet::new(),
    }
}

pub(crate) fn style(size: i64) -> TextStyle {
    TextStyle {
        family: "Open Sans".into(),
        size: Micro::whole(size),
        weight: 400,
        italic: false,
        colour: Rgba::WHITE,
        gradient: None,
        letter_spacing: Micro::ZERO,
        word_spacing: Micro::ZERO,
        underline: false,
        strike: false,
        stroke: None,
        shadow: None,
    }
}

pub(crate) fn text(writing: &str, size: i64) -> Text {
    Text {
        runs: vec![TextRun { text: writing.into(), style: style(size) }],
        align: Align::Left,
        vertical: VerticalAlign::Top,
        line_height: Micro::from_f64(1.2),
        padding: [Micro::ZERO; 4],
        background: None,
        fitting: Fitting::Wrap,
        most_lines: None,
        animation: None,
    }
}

fn laid(text: &Text, width: f64, height: f64) -> Layout {
    context(&[]).lay_out(text, width, height, 1.0)
}

fn drawn(text: &Text, context: &mut TextContext) -> PlacedRaster {
    let layout = context.lay_out(text, 400.0, 200.0, 1.0);
    context
        .painter
        .draw(text, &layout, &mut context.book, 1.0, &|_| Some(StyleOverride::default()))
        .expect("something is drawn")
}

/// Returns the covered area in pixels, and the mean colour of it.
fn covered(ink: &PlacedRaster) -> (f64, [f64; 3]) {
    let mut sum = [0.0; 4];
    for pixel in ink.raster.data.chunks_exact(4) {
        for (sum, &value) in sum.iter_mut().zip(pixel) {
            *sum += f64::from(value);
        }
    }
    let [r, g, b, a] = sum;
    (a / 255.0, [r / a * 255.0, g / a * 255.0, b / a * 255.0])
}

#[test]
fn letters_are_on_their_line_inside_the_box() {
    let mut text = text("Hxg", 50);
    text.align = Align::Centre;
    text.vertical = VerticalAlign::Middle;
    let [left, top, right, bottom] = laid(&text, 400.0, 200.0).block();
    assert!(((left + right) / 2.0 - 200.0).abs() < 0.01, "{left} {right}");
    assert!((top - 70.0).abs() < 0.01 && (bottom - 130.0).abs() < 0.01, "{top} {bottom}");
    let ink = drawn(&text, &mut context(&[]));
    // An H of Open Sans is 0.714 em high, and a g descends 0.24 em below the line.
    let height = ink.raster.height as f64;
    assert!((44.0..52.0).contains(&height), "{height}");
}

#[test]
fn text_has_its_colour_and_a_gradient_spans_the_block() {
    let mut text = text("HHHH", 60);
    text.runs[0].style.colour = Rgba([255, 128, 0, 255]);
    let (area, colour) = covered(&drawn(&text, &mut context(&[])));
    assert!(area > 1000.0);
    assert!(
        colour.iter().zip([255.0, 128.0, 0.0]).all(|(is, was)| (is - was).abs() < 2.0),
        "{colour:?}"
    );
    let stop = |at, colour| GradientStop { at, colour };
    text.runs[0].style.gradient = Some(Gradient {
        angle: Some(Micro::whole(90)),
        stops: vec![
            stop(Micro::ZERO, Rgba([255, 0, 0, 255])),
            stop(Micro::ONE, Rgba([0, 0, 255, 255])),
        ],
    });
    let ink = drawn(&text, &mut context(&[]));
    let (width, row) = (ink.raster.width, ink.raster.height / 2);
    let pixels: Vec<&[u8]> =
        ink.raster.data[row * width * 4..][..width * 4].chunks_exact(4).collect();
    let solid: Vec<&&[u8]> = pixels.iter().filter(|pixel| pixel[3] == 255).collect();
    let (first, last) = (solid[0], solid[solid.len() - 1]);
    assert!(first[0] > 200 && last[2] > 200, "{first:?} {last:?}");
}

#[test]
fn lines_break_between_words_and_inside_one_that_is_too_long() {
    assert_eq!(laid(&text("one two three four", 40), 230.0, 400.0).lines.len(), 2);
    assert!(laid(&text("Donaudampfschifffahrtsgesellschaft", 40), 180.0, 400.0).lines.len() >= 3);
    assert_eq!(laid(&text("one\ntwo", 40), 400.0, 400.0).lines.len(), 2);
    let mut unbroken = text("one two three four", 40);
    unbroken.fitting = Fitting::None;
    assert_eq!(laid(&unbroken, 100.0, 400.0).lines.len(), 1);
}

#[test]
fn shrinking_fits_the_box_and_stops_at_the_least_size() {
    let mut text = text("many words that shall all stand in one small box", 60);
    text.fitting = Fitting::Shrink { least: Micro::whole(8) };
    let layout = laid(&text, 200.0, 80.0);
    let [_, top, _, bottom] = layout.block();
    assert!(bottom - top <= 80.5 && layout.scale < 0.7, "{} at {}", bottom - top, layout.scale);
    text.fitting = Fitting::Shrink { least: Micro::whole(50) };
    assert!(laid(&text, 200.0, 80.0).scale * 60.0 >= 49.9);
}

#[test]
fn broken_lines_are_about_equally_long_and_leave_no_word_alone() {
    for (writing, width, lines) in
        [("The quick brown fox jumps over it", 400.0, 2), ("one two three four five six", 260.0, 3)]
    {
        let layout = laid(&text(writing, 40), width, 400.0);
        let widths: Vec<f32> = layout.lines.iter().map(|line| line.right - line.left).collect();
        assert_eq!(widths.len(), lines, "{writing}");
        let (least, most) = (widths.iter().copied().fold(f32::MAX, f32::min), widths[0]);
        assert!(least > most * 0.6, "{writing}: {widths:?}");
    }
}

#[test]
fn a_last_word_is_not_left_alone_where_equal_words_fill_the_lines() {
    for (writing, joined) in [("one two six ten one two six", " six"), ("日本語の文章です", "す")]
    {
        let mut context = context(&["/usr/share/fonts"]);
        let layout = (3..12)
            .map(|at| context.lay_out(&text(writing, 40), f64::from(at) * 30.0, 400.0, 1.0))
            .find(|layout| layout.lines.len() == 3)
            .expect("a box of three lines");
        let last: Vec<_> = layout.glyphs.iter().filter(|placed| placed.line == 2).collect();
        assert!(last.len() > joined.chars().count(), "{writing}: {}", last.len());
        assert!(layout.missing.is_empty(), "{:?}", layout.missing);
    }
}

#[test]
fn a_caption_has_no_more_lines_than_it_may() {
    let mut text = text("one two three four five six seven", 60);
    assert!(laid(&text, 300.0, 400.0).lines.len() > 2);
    text.most_lines = Some(2);
    let layout = laid(&text, 300.0, 400.0);
    assert!(layout.lines.len() == 2 && (0.5..1.0).contains(&layout.scale), "{}", layout.scale);
}

#[test]
fn thai_breaks_between_words_and_counts_as_one() {
    let mut context = context(&["/usr/share/fonts"]);
    let whole = context.lay_out(&text("สวัสดีชาวโลก", 48), 800.0, 100.0, 1.0);
    let [left, _, right, _] = whole.block();
    let layout =
        context.lay_out(&text("สวัสดีชาวโลก", 48), f64::from(right - left) - 20.0, 200.0, 1.0);
    assert_eq!(layout.lines.len(), 2);
    let second = layout.glyphs.iter().find(|placed| placed.line == 1).expect("a glyph");
    assert_eq!(second.cluster, "สวัสดี\u{200b}".len());
    assert!(layout.glyphs.iter().all(|placed| placed.word == 0) && layout.missing.is_empty());
    let broken =
        context.lay_out(&text("สวัสดี\nชาวโลก", 48), f64::from(right - left) - 20.0, 200.0, 1.0);
    let baselines =
        |layout: &Layout| -> Vec<f32> { layout.lines.iter().map(|line| line.baseline).collect() };
    assert_eq!(baselines(&layout), baselines(&broken));
}

#[test]
fn spacing_widens_letters_and_words() {
    let width = |change: &dyn Fn(&mut TextStyle)| {
        let mut text = text("ab cd", 40);
        change(&mut text.runs[0].style);
        let [left, _, right, _] = laid(&text, 800.0, 100.0).block();
        right - left
    };
    let plain = width(&|_| {});
    let letters = width(&|style| style.letter_spacing = Micro::whole(10));
    let words = width(&|style| style.word_spacing = Micro::whole(30));
    assert!((letters - plain - 50.0).abs() < 10.5, "{plain} {letters}");
    assert!((words - plain - 30.0).abs() < 0.5, "{plain} {words}");
}

#[test]
fn right_to_left_writing_starts_at_the_right() {
    let mut text = text("שלום abc", 40);
    text.align = Align::Start;
    let mut context = context(&["/usr/share/fonts"]);
    let layout = context.lay_out(&text, 400.0, 100.0, 1.0);
    assert!((layout.block()[2] - 400.0).abs() < 0.5);
    let first_hebrew = layout.glyphs.iter().find(|placed| placed.cluster == 0).expect("a letter");
    let first_latin =
        layout.glyphs.iter().find(|placed| placed.cluster == "שלום ".len()).expect("a letter");
    assert!(first_hebrew.left > first_latin.left);
}

#[test]
fn outline_shadow_and_rules_add_ink_around_the_letters() {
    let plain = drawn(&text("Hi", 60), &mut context(&[]));
    let with = |change: &dyn Fn(&mut TextStyle)| {
        let mut text = text("Hi", 60);
        change(&mut text.runs[0].style);
        drawn(&text, &mut context(&[]))
    };
    let stroked =
        with(&|style| style.stroke = Some(Stroke { width: Micro::whole(10), colour: Rgba::BLACK }));
    assert!(covered(&stroked).0 > covered(&plain).0 * 1.5 && stroked.x < plain.x);
    let shadow = Shadow {
        x: Micro::whole(20),
        y: Micro::whole(20),
        sigma: Micro::whole(3),
        colour: Rgba::BLACK,
    };
    let shadowed = with(&|style| style.shadow = Some(shadow));
    assert!(
        shadowed.raster.width > plain.raster.width + 15
            && covered(&shadowed).0 > covered(&plain).0 * 1.3
    );
    let ruled = with(&|style| style.underline = true);
    assert!(covered(&ruled).0 > covered(&plain).0 + 50.0);
}

#[test]
fn a_letter_that_no_font_has_is_a_warning() {
    let mut context = context(&[]);
    context.lay_out(&text("a\u{e0b0}", 40), 400.0, 100.0, 1.0);
    assert!(
        context.warnings.iter().any(|warning| warning.contains('\u{e0b0}')),
        "{:?}",
        context.warnings
    );
}

#[test]
fn a_missing_family_is_a_warning_and_text_is_still_drawn() {
    let mut context = context(&[]);
    let mut text = text("Hi", 40);
    text.runs[0].style.family = "Nowhere Grotesk".into();
    assert!(covered(&drawn(&text, &mut context)).0 > 100.0);
    assert!(context.warnings.iter().any(|warning| warning.contains("Nowhere Grotesk")));
}

#[test]
fn the_same_text_gives_the_same_pixels() {
    let text = text("Ähnlich wie gestern", 37);
    let (first, second) = (drawn(&text, &mut context(&[])), drawn(&text, &mut context(&[])));
    assert!(first.raster == second.raster && (first.x, first.y) == (second.x, second.y));
}

/// A sentence in each script of the set of fonts that `scripts/setup` installs.
pub(crate) const SCRIPTS: [(&str, &str); 9] = [
    ("Latin", "Größe Żółć Tiếng"),
    ("Greek and Cyrillic", "Ελλάδα Київ"),
    ("Arabic", "مرحبا بالعالم"),
    ("Hebrew", "שָׁלוֹם עולם"),
    ("Devanagari", "नमस्ते दुनिया"),
    ("Thai", "สวัสดีชาวโลก"),
    ("Chinese", "你好，世界"),
    ("Japanese", "こんにちは カタカナ 漢字"),
    ("Korean", "안녕하세요 세계"),
];

#[test]
fn every_script_of_the_installed_fonts_has_its_letters() {
    for weight in [400, 700, 800] {
        for (script, writing) in SCRIPTS {
            let mut context = context(&["/usr/share/fonts"]);
            let mut text = text(writing, 40);
            text.runs[0].style.weight = weight;
            let layout = context.lay_out(&text, 800.0, 100.0, 1.0);
            assert!(
                layout.missing.is_empty() && context.warnings.is_empty(),
                "{script} {weight}: {:?}",
                context.warnings
            );
            let numbers = layout
                .glyphs
                .iter()
                .filter(|placed| !placed.blank)
                .map(|placed| placed.glyph.glyph_id);
            assert!(
                numbers.clone().count() > 3 && numbers.clone().all(|number| number != 0),
                "{script} {weight}"
            );
        }
    }
}

#[test]
fn arabic_letters_join_and_devanagari_conjuncts_form() {
    let mut context = context(&["/usr/share/fonts"]);
    let mut glyphs = |writing: &str| -> Vec<u16> {
        let layout = context.lay_out(&text(writing, 40), 800.0, 100.0, 1.0);
        layout.glyphs.iter().map(|placed| placed.glyph.glyph_id).collect()
    };
    // One letter three times: its initial, medial and final forms.
    let joined: BTreeSet<u16> = glyphs("ههه").into_iter().collect();
    assert_eq!(joined.len(), 3);
    // Ka, virama and ssa form one conjunct.
    assert_eq!(glyphs("क्ष").len(), 1);
}

#[test]
fn numbers_and_latin_inside_hebrew_keep_their_own_direction() {
    let mut context = context(&["/usr/share/fonts"]);
    let writing = "מחיר 123 abc סוף";
    let layout = context.lay_out(&text(writing, 40), 800.0, 100.0, 1.0);
    let at = |letter: &str| {
        let cluster = writing.find(letter).expect("it is there");
        layout.glyphs.iter().find(|placed| placed.cluster == cluster).expect("it is set").left
    };
    assert!(at("1") < at("2") && at("2") < at("3") && at("a") < at("b"), "left to right inside");
    assert!(at("מ") > at("1") && at("1") > at("a") && at("a") > at("ס"), "right to left outside");
}

#[test]
fn the_weight_of_a_line_does_not_change_its_family() {
    let mut context = context(&["/usr/share/fonts"]);
    let mut text = text("Heavy 你好", 40);
    text.runs[0].style.weight = 800;
    drawn(&text, &mut context);
    let used = context.book.used();
    assert!(used.iter().any(|name| name == "OpenSans-Bold"), "{used:?}");
    assert!(used.iter().any(|name| name.contains("WenQuanYi") || name.contains("CJK")), "{used:?}");
}

#[test]
fn colour_emoji_keep_their_colours() {
    for (writing, weight) in [("😀", 400), ("😀", 700), ("👩‍🚀😀", 400), ("👍🏽😀", 400)]
    {
        let mut context = context(&["/usr/share/fonts"]);
        let mut text = text(writing, 80);
        text.runs[0].style.weight = weight;
        let ink = drawn(&text, &mut context);
        assert_eq!(context.warnings, BTreeSet::new(), "{writing}");
        assert_eq!(context.book.used(), ["NotoColorEmoji"], "{writing}");
        let (area, [r, _, b]) = covered(&ink);
        assert!(area > 3000.0 && r > b + 40.0, "{writing}: {area} {r} {b}");
    }
}
