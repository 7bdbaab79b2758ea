//! Advanced SubStation Alpha, as far as captions need it: events, their text, and karaoke times.

use super::markup::{Piece, PlainText, drawing, split_blocks};
use super::words::timed_words;
use super::{Cue, format_time, parse_time};
use crate::plan::Ratio;

/// The fields of an event, as far as they are read.
struct Fields {
    count: usize,
    start: usize,
    end: usize,
    text: usize,
}

impl Fields {
    /// The fields of an event if there is no `Format:` line.
    const USUAL: &str = "Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text";

    /// Reads a `Format:` line; none if it lacks a field that every event needs.
    fn of(format: &str) -> Option<Self> {
        let at = |name: &str| {
            format.split(',').position(|field| field.trim().eq_ignore_ascii_case(name))
        };
        let count = format.split(',').count();
        Some(Self { count, start: at("Start")?, end: at("End")?, text: at("Text")? })
    }
}

pub(super) fn read(text: &str) -> Vec<Cue> {
    let mut fields = Fields::of(Fields::USUAL);
    let mut cues = Vec::new();
    let begins = |line: &&str| line.trim().eq_ignore_ascii_case("[Events]");
    let events = text.lines().skip_while(|line| !begins(line)).skip(1);
    for line in events.take_while(|line| !line.trim_start().starts_with('[')) {
        if let Some(format) = line.strip_prefix("Format:") {
            fields = Fields::of(format);
        } else if let Some(event) = line.strip_prefix("Dialogue:") {
            cues.extend(fields.as_ref().and_then(|fields| read_event(event, fields)));
        }
    }
    cues
}

fn read_event(event: &str, fields: &Fields) -> Option<Cue> {
    // The text is the last field and may contain commas.
    let values: Vec<&str> = event.splitn(fields.count, ',').collect();
    let value = |at: usize| values.get(at).copied();
    let (start, end) = (parse_time(value(fields.start)?)?, parse_time(value(fields.end)?)?);
    let (mut plain, mut marks) = (PlainText::default(), Vec::new());
    let (mut next_word, mut draws) = (start, false);
    // Braces hold overrides, comments of the author, or both: neither is shown.
    for piece in split_blocks(value(fields.text)?, |_| true) {
        match piece {
            Piece::Text(_) if draws => {}
            Piece::Text(text) => plain.push(&without_escapes(text)),
            Piece::Mark(block) => {
                draws = drawing(block).unwrap_or(draws);
                if let Some(length) = karaoke(block) {
                    marks.push((next_word, plain.words()));
                    next_word = next_word.plus(length);
                }
            }
        }
    }
    let text = plain.trimmed().to_owned();
    let words = timed_words(&text, start, end, &marks);
    Some(Cue { start, end, text, words })
}

/// The escapes of line breaks, hard spaces and braces, and a backslash that begins none: writers
/// put a word joiner behind it.
const ESCAPES: [(&str, &str); 6] = [
    ("\\N", "\n"),
    ("\\n", " "),
    ("\\h", "\u{a0}"),
    ("\\{", "{"),
    ("\\}", "}"),
    ("\\\u{2060}", "\\"),
];

/// Replaces the escapes in one pass from left to right.
fn without_escapes(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        let (escape, shown) = ESCAPES
            .into_iter()
            .find(|(escape, _)| rest.starts_with(escape))
            .unwrap_or(("\\", "\\"));
        plain.push_str(shown);
        rest = &rest[escape.len()..];
    }
    plain.push_str(rest);
    plain
}

/// Writes a text so that [`without_escapes`] gives it back.
fn with_escapes(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        let before = escaped.ends_with('\\');
        match letter {
            '\n' => escaped.push_str("\\N"),
            '{' => escaped.push_str("\\{"),
            '}' => escaped.push_str("\\}"),
            'N' | 'n' | 'h' if before => {
                escaped.push('\u{2060}');
                escaped.push(letter);
            }
            _ => escaped.push(letter),
        }
    }
    escaped
}

/// The length that a block's `\k`, `\kf`, `\ko` or `\K` gives, in seconds.
fn karaoke(block: &str) -> Option<Ratio> {
    let tag = block.split('\\').skip(1).find(|tag| tag.starts_with(['k', 'K']))?;
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
        let text = with_escapes(&cue.text);
        format!("Dialogue: 0,{start},{end},Default,,0,0,0,,{text}\n")
    });
    format!("{HEAD}{}", events.collect::<String>())
}
