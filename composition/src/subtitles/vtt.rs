//! WebVTT (W3C WebVTT 1, §4): cues with inline timestamps.

use super::markup::{escaped, unescaped, without_tags};
use super::srt::{solid, times};
use super::words::timed_words;
use super::{Cue, parse_time, spell_time};

pub(super) fn read(text: &str) -> Vec<Cue> {
    text.split("\n\n").filter_map(read_block).collect()
}

/// A block of lines up to an empty one: a cue, or a note, a style, a region.
fn read_block(block: &str) -> Option<Cue> {
    let block = block.trim_start_matches('\n');
    if ["NOTE", "STYLE", "REGION"].iter().any(|word| block.starts_with(word)) {
        return None;
    }
    let mut lines = block.lines();
    // The first line is the times, or a name and then the times (or the header, and then perhaps those).
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
        let (start, end) = (spell_time(cue.start, '.', 3), spell_time(cue.end, '.', 3));
        format!("\n{start} --> {end}\n{}\n", escaped(&solid(&cue.text)))
    });
    format!("WEBVTT\n{}", blocks.collect::<String>())
}
