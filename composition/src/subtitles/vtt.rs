//! WebVTT (W3C WebVTT 1, §4): cues with inline timestamps.

use super::markup::{Piece, PlainText, escaped, is_break, split_tags, unescaped};
use super::srt::{TimedLines, timed_lines, without_empty_lines};
use super::words::timed_words;
use super::{Cue, format_time, parse_time};

pub(super) fn read(text: &str) -> Vec<Cue> {
    let blocks = text.split("\n\n").map(|block| block.trim_start_matches('\n'));
    let blocks = blocks.filter(|block| !is_aside(block));
    blocks.flat_map(|block| timed_lines(block.lines())).map(|timed| cue(&timed)).collect()
}

/// Recognises notes, styles and regions, which reach to the next empty line.
fn is_aside(block: &str) -> bool {
    let first = block.lines().next().unwrap_or_default();
    let word = first.split([' ', '\t']).next().unwrap_or_default();
    word == "NOTE" || matches!(first.trim_end(), "STYLE" | "REGION")
}

fn cue(timed: &TimedLines) -> Cue {
    let TimedLines { start, end, lines } = timed;
    let body = lines.join("\n");
    let (mut plain, mut marks) = (PlainText::default(), Vec::new());
    for piece in split_tags(&body, is_tag) {
        match piece {
            Piece::Text(text) => plain.push(&unescaped(text)),
            Piece::Mark(tag) if is_break(tag) => plain.push("\n"),
            Piece::Mark(tag) => {
                let time = parse_time(tag).filter(|_| tag.contains(':'));
                marks.extend(time.map(|time| (time, plain.words())));
            }
        }
    }
    let text = plain.trimmed().to_owned();
    let words = timed_words(&text, *start, *end, &marks);
    Cue { start: *start, end: *end, text, words }
}

/// Recognises a tag by its start: `i`, `/i`, `c.yellow`, `v Ann`, `.yellow`, `00:01.500`. The
/// standard shows no tag, known or not.
fn is_tag(inside: &str) -> bool {
    let name = inside.strip_prefix('/').unwrap_or(inside);
    name.is_empty() || name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '.')
}

pub(super) fn write(cues: &[Cue]) -> String {
    let blocks = cues.iter().map(|cue| {
        let (start, end) = (format_time(cue.start, '.', 3), format_time(cue.end, '.', 3));
        format!("\n{start} --> {end}\n{}\n", escaped(&without_empty_lines(&cue.text)))
    });
    format!("WEBVTT\n{}", blocks.collect::<String>())
}
