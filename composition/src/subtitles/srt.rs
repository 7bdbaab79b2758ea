//! SubRip: a number, two times, lines, an empty line. There is no standard; this accepts what
//! players accept.

use super::markup::{Piece, drawing, is_break, split_blocks, split_tags, unescaped_if_certain};
use super::{Cue, format_time, parse_time};
use crate::plan::Ratio;

pub(super) fn read(text: &str) -> Vec<Cue> {
    let cues = timed_lines(text.lines()).into_iter().map(|timed| Cue {
        start: timed.start,
        end: timed.end,
        text: plain(&timed.lines.join("\n")),
        words: Vec::new(),
    });
    cues.collect()
}

/// The lines of a cue, and its times.
pub(super) struct TimedLines<'a> {
    pub start: Ratio,
    pub end: Ratio,
    /// The lines that are not empty.
    pub lines: Vec<&'a str>,
}

/// Splits lines at their times. Empty lines separate nothing, because people leave them out, and
/// write them within a text. A number right before the times is the next cue's and not shown.
pub(super) fn timed_lines<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<TimedLines<'a>> {
    let mut cues: Vec<TimedLines> = Vec::new();
    let mut shown = false;
    let mut after_number = false;
    for line in lines {
        if are_times(line) {
            if let Some(cue) = cues.last_mut().filter(|_| shown && after_number) {
                cue.lines.pop();
            }
            let times = times(line);
            // Without times that can be read, the lines up to the next times belong to no cue.
            shown = times.is_some();
            cues.extend(times.map(|(start, end)| TimedLines { start, end, lines: Vec::new() }));
            after_number = false;
            continue;
        }
        let line = line.trim();
        after_number = !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_digit());
        if let Some(cue) = cues.last_mut().filter(|_| shown && !line.is_empty()) {
            cue.lines.push(line);
        }
    }
    cues
}

/// Recognises a line of times, also one whose times cannot be read.
fn are_times(line: &str) -> bool {
    let start = line.split_once("-->").map_or("", |(start, _)| start.trim());
    start.contains(':') && start.chars().all(|c| c.is_ascii_digit() || ":.,- ".contains(c))
}

/// The times of `00:00:01,000 --> 00:00:02,000`, perhaps followed by coordinates.
fn times(line: &str) -> Option<(Ratio, Ratio)> {
    let (start, rest) = line.split_once("-->")?;
    let end = rest.split_whitespace().next()?;
    Some((parse_time(start)?, parse_time(end)?))
}

/// The text without formatting and override blocks. Many files come from tools that write WebVTT,
/// HTML or ASS, so their marks are known, too.
fn plain(text: &str) -> String {
    let mut without_tags = String::with_capacity(text.len());
    for piece in split_tags(text, is_tag) {
        match piece {
            Piece::Text(text) => without_tags.push_str(text),
            Piece::Mark(tag) if is_break(tag) => without_tags.push('\n'),
            Piece::Mark(_) => {}
        }
    }
    let (mut plain, mut draws) = (String::with_capacity(without_tags.len()), false);
    for piece in split_blocks(&without_tags, |inside| inside.starts_with('\\')) {
        match piece {
            Piece::Mark(block) => draws = drawing(block).unwrap_or(draws),
            Piece::Text(_) if draws => {}
            Piece::Text(text) => plain.push_str(text),
        }
    }
    unescaped_if_certain(plain.trim_matches([' ', '\t', '\n'])).into_owned()
}

/// Elements that format text or group it.
const ELEMENTS: [&str; 22] = [
    "b", "i", "u", "s", "em", "strong", "strike", "del", "ins", "font", "span", "p", "div",
    "small", "big", "sub", "sup", "tt", "c", "ruby", "rt", "br",
];

/// Recognises the tags with which files format text: `i`, `/i`, `font color="red"`, `c.yellow`,
/// and WebVTT's inline times. Other words in angle brackets are what somebody says.
fn is_tag(inside: &str) -> bool {
    if inside.starts_with(|c: char| c.is_ascii_digit()) {
        return inside.contains(':') && parse_time(inside).is_some();
    }
    let name = inside.strip_prefix('/').unwrap_or(inside).trim_end_matches(['/', ' ']);
    let (name, attributes) = name.split_once(char::is_whitespace).unwrap_or((name, ""));
    let element = name.split('.').next().unwrap_or_default();
    let known = ELEMENTS.iter().any(|known| element.eq_ignore_ascii_case(known));
    // `a<b and c>d` is a comparison.
    known && (attributes.is_empty() || attributes.contains('='))
}

pub(super) fn write(cues: &[Cue]) -> String {
    let blocks = cues.iter().enumerate().map(|(index, cue)| {
        let (start, end) = (format_time(cue.start, ',', 3), format_time(cue.end, ',', 3));
        format!("{}\n{start} --> {end}\n{}\n", index + 1, without_empty_lines(&cue.text))
    });
    blocks.collect::<Vec<_>>().join("\n")
}

/// Removes empty lines, which would end the cue.
pub(super) fn without_empty_lines(text: &str) -> String {
    text.lines().filter(|line| !line.trim().is_empty()).collect::<Vec<_>>().join("\n")
}
