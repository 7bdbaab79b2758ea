//! WebVTT (W3C WebVTT 1, §4): cues with inline timestamps.

use super::markup::{escaped, unescaped, without_tags};
use super::srt::{times, without_empty_lines};
use super::words::timed_words;
use super::{Cue, format_time, parse_time};

pub(super) fn read(text: &str) -> Vec<Cue> {
    text.split("\n\n").filter_map(read_block).collect()
}

/// Reads a block of lines up to an empty one: a cue, or a note, style or region, which are skipped.
fn read_block(block: &str) -> Option<Cue> {
    let block = block.trim_start_matches('\n');
    if ["NOTE", "STYLE", "REGION"].iter().any(|word| block.starts_with(word)) {
        return None;
    }
    let mut lines = block.lines();
    // The first line is the times, or a name before them; the file's header may come before either.
    let (start, end) = lines.by_ref().take(3).find_map(times)?;
    let body = lines.collect::<Vec<_>>().join("\n");
    let mut marks = Vec::new();
    let plain = without_tags(&body, |tag, before| {
        if let Some(time) = parse_time(tag).filter(|_| tag.contains(':')) {
            marks.push((time, unescaped(before).split_whitespace().count()));
        }
    });
    let text = unescaped(plain.trim());
    let words = timed_words(&text, start, end, &marks);
    Some(Cue { start, end, text, words })
}

pub(super) fn write(cues: &[Cue]) -> String {
    let blocks = cues.iter().map(|cue| {
        let (start, end) = (format_time(cue.start, '.', 3), format_time(cue.end, '.', 3));
        format!("\n{start} --> {end}\n{}\n", escaped(&without_empty_lines(&cue.text)))
    });
    format!("WEBVTT\n{}", blocks.collect::<String>())
}
