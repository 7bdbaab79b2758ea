//! SubRip: a number, two times, lines, an empty line. There is no standard; this accepts what
//! players accept.

use super::markup::{unescaped, without_overrides, without_tags};
use super::{Cue, format_time, parse_time};

pub(super) fn read(text: &str) -> Vec<Cue> {
    let lines: Vec<&str> = text.lines().collect();
    let mut cues = Vec::new();
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        at += 1;
        let Some((start, end)) = times(line) else { continue };
        let body: Vec<&str> =
            lines.iter().skip(at).take_while(|line| !line.trim().is_empty()).copied().collect();
        at += body.len();
        let plain = without_overrides(&without_tags(&body.join("\n"), |_, _| {}), |_, _| {});
        // Many SRT files come from tools that write WebVTT or HTML.
        cues.push(Cue { start, end, text: unescaped(plain.trim()), words: Vec::new() });
    }
    cues
}

/// The times of `00:00:01,000 --> 00:00:02,000`, perhaps followed by coordinates.
pub(super) fn times(line: &str) -> Option<(super::Ratio, super::Ratio)> {
    let (start, rest) = line.split_once("-->")?;
    let end = rest.split_whitespace().next()?;
    Some((parse_time(start)?, parse_time(end)?))
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
