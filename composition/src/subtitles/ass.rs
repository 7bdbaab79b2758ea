//! Advanced SubStation Alpha, as far as captions need it: events, their text, and karaoke times.

use super::markup::without_overrides;
use super::words::timed_words;
use super::{Cue, format_time, parse_time};
use crate::plan::Ratio;

/// The fields of an event if there is no `Format:` line.
const FIELDS: [&str; 10] =
    ["Layer", "Start", "End", "Style", "Name", "MarginL", "MarginR", "MarginV", "Effect", "Text"];

pub(super) fn read(text: &str) -> Vec<Cue> {
    let mut fields: Vec<&str> = FIELDS.to_vec();
    let mut cues = Vec::new();
    let events = text.lines().skip_while(|line| line.trim() != "[Events]").skip(1);
    for line in events.take_while(|line| !line.trim_start().starts_with('[')) {
        if let Some(format) = line.strip_prefix("Format:") {
            fields = format.split(',').map(str::trim).collect();
        } else if let Some(event) = line.strip_prefix("Dialogue:") {
            cues.extend(read_event(event, &fields));
        }
    }
    cues
}

fn read_event(event: &str, fields: &[&str]) -> Option<Cue> {
    // The text is the last field and may contain commas.
    let values: Vec<&str> = event.splitn(fields.len(), ',').collect();
    let value = |name: &str| values.get(fields.iter().position(|field| *field == name)?).copied();
    let (start, end) = (parse_time(value("Start")?)?, parse_time(value("End")?)?);
    let mut marks = Vec::new();
    let mut next_word = start;
    let plain = without_overrides(value("Text")?, |block, before| {
        if let Some(length) = karaoke(block) {
            marks.push((next_word, with_breaks(before).split_whitespace().count()));
            next_word = next_word.plus(length);
        }
    });
    let text = with_breaks(&plain).trim().to_owned();
    let words = timed_words(&text, start, end, &marks);
    Some(Cue { start, end, text, words })
}

/// Replaces the escapes of line breaks and hard spaces.
fn with_breaks(text: &str) -> String {
    text.replace("\\N", "\n").replace("\\n", " ").replace("\\h", "\u{a0}")
}

/// The length that a block's `\k`, `\kf`, `\ko` or `\K` gives, in seconds.
fn karaoke(block: &str) -> Option<Ratio> {
    let tag = block.split('\\').find(|tag| tag.starts_with(['k', 'K']))?;
    let hundredths =
        tag.trim_start_matches(|c: char| c.is_ascii_alphabetic()).trim().parse::<i64>().ok()?;
    (0..=1_000_000).contains(&hundredths).then(|| Ratio::new(hundredths, 100).ok()).flatten()
}

const HEAD: &str = "[Script Info]
ScriptType: v4.00+
WrapStyle: 0
ScaledBorderAndShadow: yes
PlayResX: 1920
PlayResY: 1080

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, \
Bold, Italic, Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, \
Shadow, Alignment, MarginL, MarginR, MarginV, Encoding
Style: Default,Open Sans,64,&H00FFFFFF,&H000000FF,&H00000000,&H80000000,\
0,0,0,0,100,100,0,0,1,3,0,2,96,96,96,1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
";

pub(super) fn write(cues: &[Cue]) -> String {
    let events = cues.iter().map(|cue| {
        let (start, end) = (format_time(cue.start, '.', 2), format_time(cue.end, '.', 2));
        // A brace before a backslash would begin an override and vanish; a space keeps it visible.
        let text = cue.text.replace('\n', "\\N").replace("{\\", "{ \\");
        format!("Dialogue: 0,{start},{end},Default,,0,0,0,,{text}\n")
    });
    format!("{HEAD}{}", events.collect::<String>())
}
