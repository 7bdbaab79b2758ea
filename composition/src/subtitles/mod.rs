//! Reads and writes subtitles: SRT, WebVTT and ASS, as cues with exact times.
//!
//! A cue has what a caption can show: lines, their times, and the times of words if the file has
//! them (WebVTT's inline timestamps, ASS karaoke). Positions, colours and drawings are dropped,
//! because captions have a style of their own.

mod ass;
mod markup;
mod phrases;
mod srt;
mod vtt;
mod words;

pub use phrases::phrases;
pub use words::{Grouping, cues_from_words};

use crate::plan::Ratio;
use serde::{Deserialize, Serialize};

/// Lines of text that show together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cue {
    /// The time at which they appear, in seconds.
    pub start: Ratio,
    /// The time at which they disappear, in seconds; after `start`.
    pub end: Ratio,
    /// The lines, separated by `
    /// `.
    pub text: String,
    /// The times of the words, if known: the words of `text` in order, split at white space.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<Word>,
}

/// A word and the times at which it is spoken, in seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Word {
    /// The word, with its punctuation.
    pub text: String,
    pub start: Ratio,
    pub end: Ratio,
}

/// Subtitle file formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Format {
    /// SubRip.
    Srt,
    /// WebVTT.
    Vtt,
    /// Advanced SubStation Alpha.
    Ass,
}

/// Cues of one file: over two hours of fast speech.
const MAX_CUES: usize = 30_000;

/// Reads a file of any format, which is recognised by its beginning. Cues are sorted by start;
/// empty ones and those that end before they begin are skipped.
///
/// ```
/// use composition::plan::Ratio;
/// use composition::subtitles;
///
/// let cues = subtitles::read("1\n00:00:01,500 --> 00:00:03,000\nHello\n").expect("cues");
/// assert_eq!(cues[0].text, "Hello");
/// assert_eq!(cues[0].end, Ratio::whole(3));
/// ```
///
/// # Errors
/// A sentence for the caller if the file has no cue or too many.
pub fn read(text: &str) -> Result<Vec<Cue>, String> {
    let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace('\r', "\n");
    let mut cues = match format_of(&text) {
        Format::Vtt => vtt::read(&text),
        Format::Ass => ass::read(&text),
        Format::Srt => srt::read(&text),
    };
    cues.retain(|cue| cue.start < cue.end && !cue.text.trim().is_empty());
    cues.sort_by_key(|cue| cue.start);
    match cues.len() {
        0 => Err("holds no cue that can be read: give SRT, WebVTT or ASS in UTF-8".to_owned()),
        1..=MAX_CUES => Ok(cues),
        many => Err(format!("holds {many} cues: at most {MAX_CUES} are taken")),
    }
}

/// The format of a subtitle file; SRT if nothing points to another.
///
/// ```
/// use composition::subtitles::{Format, format_of};
///
/// assert_eq!(format_of("WEBVTT\n\n00:01.000 --> 00:02.000\nHello\n"), Format::Vtt);
/// ```
pub fn format_of(text: &str) -> Format {
    let text = text.trim_start_matches('\u{feff}').trim_start();
    if text.starts_with("WEBVTT") {
        Format::Vtt
    } else if text.contains("[Script Info]") || text.contains("[Events]") {
        Format::Ass
    } else {
        Format::Srt
    }
}

/// Writes cues as a file.
///
/// ```
/// use composition::subtitles::{self, Format};
///
/// let cues = subtitles::read("1\n00:00:01,500 --> 00:00:03,000\nHello\n").expect("cues");
/// let vtt = subtitles::write(&cues, Format::Vtt);
/// assert_eq!(vtt, "WEBVTT\n\n00:00:01.500 --> 00:00:03.000\nHello\n");
/// ```
pub fn write(cues: &[Cue], format: Format) -> String {
    match format {
        Format::Srt => srt::write(cues),
        Format::Vtt => vtt::write(cues),
        Format::Ass => ass::write(cues),
    }
}

/// Seconds from `1:02:03.450`, `02:03,450` or `3.45`; none if it is not a time.
fn parse_time(text: &str) -> Option<Ratio> {
    let text = text.trim().replace(',', ".");
    let (clock, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let mut seconds = 0_i64;
    for part in clock.split(':') {
        let digits =
            !part.is_empty() && part.len() <= 5 && part.bytes().all(|byte| byte.is_ascii_digit());
        let number = digits.then(|| part.parse::<i64>().ok()).flatten()?;
        seconds = seconds.checked_mul(60)?.checked_add(number)?;
    }
    if seconds > 1_000_000
        || fraction.len() > 9
        || !fraction.bytes().all(|byte| byte.is_ascii_digit())
    {
        return None;
    }
    let part = if fraction.is_empty() { 0 } else { fraction.parse::<i64>().ok()? };
    let den = 10_i64.pow(fraction.len() as u32);
    Ratio::new(seconds * den + part, den).ok()
}

/// A time such as `00:01:02.345`, with the given mark before `places` decimals.
fn format_time(time: Ratio, mark: char, places: u32) -> String {
    let unit = 10_i64.pow(places);
    let total = time.times(Ratio::whole(unit)).round_half_up().max(0);
    let (seconds, part) = (total / unit, total % unit);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let hour_digits = if places == 2 { 1 } else { 2 };
    format!(
        "{hours:0hour_digits$}:{minutes:02}:{seconds:02}{mark}{part:0places$}",
        places = places as usize
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(thousandths: i64) -> Ratio {
        Ratio::new(thousandths, 1000).expect("a time")
    }

    fn times_and_texts(cues: &[Cue]) -> Vec<(Ratio, Ratio, &str)> {
        cues.iter().map(|cue| (cue.start, cue.end, cue.text.as_str())).collect()
    }

    const SRT: &str = "\u{feff}1\r\n00:00:01,000 --> 00:00:02,500\r\n<i>Hello</i>\r\n\
        {\\an8}there\r\n\r\n2\r\n0:00:03.5 --> 0:00:04\r\n2 < 3 & 4\r\n";
    const VTT: &str = "WEBVTT - a title\n\nNOTE\nnot --> this\n\nSTYLE\n::cue { color: red }\n\n\
        first\n00:01.000 --> 00:02.500 align:start\n<v Ann>Hello\nthere\n\n\
        00:03.500 --> 00:04.000\n2 &lt; 3 &amp; 4\n";
    const ASS: &str = "[Script Info]\nTitle: x\n\n[Events]\n\
        Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n\
        Dialogue: 0,0:00:01.00,0:00:02.50,Default,,0,0,0,,{\\i1}Hello\\Nthere\n\
        Comment: 0,0:00:01.00,0:00:02.50,Default,,0,0,0,,no\n\
        Dialogue: 0,0:00:03.50,0:00:04.00,Default,,0,0,0,,2 < 3 & 4\n";

    #[test]
    fn the_same_cues_are_read_from_srt_vtt_and_ass() {
        for text in [SRT, VTT, ASS] {
            let cues = read(text).expect("cues");
            let want =
                vec![(at(1000), at(2500), "Hello\nthere"), (at(3500), at(4000), "2 < 3 & 4")];
            assert_eq!(times_and_texts(&cues), want, "{text}");
        }
    }

    #[test]
    fn written_files_are_read_back_unchanged() {
        let cues = read(SRT).expect("cues");
        for format in [Format::Srt, Format::Vtt, Format::Ass] {
            let written = write(&cues, format);
            assert_eq!(format_of(&written), format);
            assert_eq!(read(&written).as_ref(), Ok(&cues), "{written}");
        }
    }

    #[test]
    fn word_times_are_read_from_vtt_and_ass() {
        let vtt = "WEBVTT\n\n00:01.000 --> 00:03.000\nOne <00:01.500><c>two</c> <00:02.000>three\n";
        let ass = "[Events]\nFormat: Start, End, Text\n\
            Dialogue: 0:00:01.00,0:00:03.00,{\\k50}One {\\kf50}two {\\k100}three\n";
        for text in [vtt, ass] {
            let cues = read(text).expect("cues");
            let words: Vec<_> = cues[0]
                .words
                .iter()
                .map(|word| (word.text.as_str(), word.start, word.end))
                .collect();
            let want = [
                ("One", at(1000), at(1500)),
                ("two", at(1500), at(2000)),
                ("three", at(2000), at(3000)),
            ];
            assert_eq!(words, want, "{text}");
            assert_eq!(cues[0].text, "One two three");
        }
    }

    #[test]
    fn character_references_in_srt_become_characters() {
        let cues =
            read("1\n00:00:01,000 --> 00:00:02,000\n<i>Tom &amp; Ann</i> &lt;3\n").expect("a cue");
        assert_eq!(cues[0].text, "Tom & Ann <3");
    }

    #[test]
    fn files_without_cues_are_refused() {
        for text in
            ["", "hello", "WEBVTT\n", "[Events]\n", "00:00:02,000 --> 00:00:01,000\nbackwards\n"]
        {
            assert!(read(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(
            head in "(WEBVTT\n|\\[Events\\]\nFormat: Start, Text, End\n)?",
            body in "[-0-9:,.<>{}\\\\a-zé&; \n\"kN]{0,300}",
        ) {
            let text = head + &body;
            let _ = read(&text);
        }
    }
}
