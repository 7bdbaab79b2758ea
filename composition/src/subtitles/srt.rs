//! SubRip: a number, two times, lines, an empty line. There is no standard; this takes what players take.

use super::markup::{unescaped, without_overrides, without_tags};
use super::{Cue, parse_time, spell_time};

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
        // Much of it was written by what writes WebVTT or HTML.
        cues.push(Cue { start, end, text: unescaped(plain.trim()), words: Vec::new() });
    }
    cues
}

/// `00:00:01,000 --> 00:00:02,000`, perhaps with coordinates behind.
pub(super) fn times(line: &str) -> Option<(super::Ratio, super::Ratio)> {
    let (start, rest) = line.split_once("-->")?;
    let end = rest.split_whitespace().next()?;
    Some((parse_time(start)?, parse_time(end)?))
}

pub(super) fn write(cues: &[Cue]) -> String {
    let blocks = cues.iter().enumerate().map(|(index, cue)| {
        let (start, end) = (spell_time(cue.start, ',', 3), spell_time(cue.end, ',', 3));
        format!("{}\n{start} --> {end}\n{}\n", index + 1, solid(&cue.text))
    });
    blocks.collect::<Vec<_>>().join("\n")
}

/// Without empty lines, which would end the cue.
pub(super) fn solid(text: &str) -> String {
    text.lines().filter(|line| !line.trim().is_empty()).collect::<Vec<_>>().join("\n")
}
