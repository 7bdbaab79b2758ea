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
use words::without_separators;
pub use words::{Grouping, cues_from_words};
pub(crate) use words::{is_wide, joined};

use crate::limits::{MAX_CUES, MAX_PROSE};
use crate::mandatory_breaks::with_line_feeds;
use crate::plan::Ratio;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Lines of text that show together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cue {
    /// The time at which they appear, in seconds.
    pub start: Ratio,
    /// The time at which they disappear, in seconds; after `start`.
    pub end: Ratio,
    /// The lines, separated by `\n`.
    pub text: String,
    /// The times of the words, if known: the words of `text` in order, split where
    /// [`separates_words`](crate::plan::separates_words) says.
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

/// Reads a file of any format, which is recognised by its beginning. Cues are sorted by start;
/// empty ones and those that end before they begin are skipped. Time and memory grow with the
/// length of the text, whatever is in it.
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
/// A sentence for the caller if the file has no cue, too many, or too long a one.
pub fn read(text: &str) -> Result<Vec<Cue>, String> {
    let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace('\r', "\n");
    let mut cues = match format_of(&text) {
        Format::Vtt => vtt::read(&text),
        Format::Ass => ass::read(&text),
        Format::Srt => srt::read(&text),
    };
    cues.retain(|cue| cue.start < cue.end && !cue.text.trim().is_empty());
    cues.sort_by_key(|cue| cue.start);
    for cue in &mut cues {
        let characters = cue.text.chars().count();
        if characters > MAX_PROSE {
            let at = format_time(cue.start, '.', 3);
            return Err(format!(
                "holds {characters} characters in the cue at {at}: at most {MAX_PROSE} are taken"
            ));
        }
        if let Cow::Owned(text) = with_line_feeds(&cue.text) {
            cue.text = text;
        }
    }
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
    let is_section = |line: &str| {
        ["[Script Info]", "[Events]"].iter().any(|name| line.trim().eq_ignore_ascii_case(name))
    };
    if text.starts_with("WEBVTT") {
        Format::Vtt
    } else if text.lines().take_while(|line| !line.contains("-->")).any(is_section) {
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
    let plain = |cue: &Cue| {
        let text = without_separators(&with_line_feeds(&cue.text));
        Cue { start: cue.start, end: cue.end, text, words: Vec::new() }
    };
    let cues: Vec<Cue> = cues.iter().map(plain).collect();
    match format {
        Format::Srt => srt::write(&cues),
        Format::Vtt => vtt::write(&cues),
        Format::Ass => ass::write(&cues),
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

    /// The text that a file in one of the three formats shows for a single cue.
    fn shown(format: Format, text: &str) -> String {
        let head = match format {
            Format::Srt => "1\n00:00:01,000 --> 00:00:03,000\n",
            Format::Vtt => "WEBVTT\n\n00:01.000 --> 00:03.000\n",
            Format::Ass => "[Events]\nFormat: Start, End, Text\nDialogue: 0:00:01.00,0:00:03.00,",
        };
        let cues = read(&format!("{head}{text}\n"));
        cues.map_or_else(|_| String::new(), |cues| cues[0].text.clone())
    }

    #[test]
    fn character_references_become_characters_once() {
        for (written, want) in [
            ("<i>Tom &amp; Ann</i> &lt;3", "Tom & Ann <3"),
            ("there&#39;s &quot;so&quot; much, it&apos;s", "there's \"so\" much, it's"),
            ("caf&eacute; &hellip; &NotEqualTilde;", "café … ≂̸"),
            ("it&#x2019;s &#8220;x&#8221; &#146;", "it’s “x” ’"),
            ("a &amp;lt; b", "a &lt; b"),
            ("AT&T & R&D &unknown;", "AT&T & R&D &unknown;"),
            ("&lt;b&gt;", "<b>"),
        ] {
            assert_eq!(shown(Format::Srt, written), want);
            assert_eq!(shown(Format::Vtt, written), want);
        }
        assert_eq!(shown(Format::Srt, "?a=1&copy=2"), "?a=1&copy=2");
    }

    #[test]
    fn srt_shows_angle_brackets_that_format_nothing() {
        for said in [
            "or a MyValue<String> like before",
            "Press <Enter> to go on",
            "if a<b and c>d then",
            "Ann <ann@example.com>",
            "2 < 3 > 1 <> <<",
        ] {
            assert_eq!(shown(Format::Srt, said), said);
        }
        for (written, want) in [
            ("Hello<br>there<BR />you", "Hello\nthere\nyou"),
            ("<font color=\"#ff0\" size=9>Red</font> <I>x</I> <u >y</u>", "Red x y"),
            ("<c.colorE5E5E5>a <00:00:01.500>b</c>", "a b"),
            ("{\\an8}up {not a mark} {\\p1}m 0 0 l 9 9{\\p0}", "up {not a mark}"),
        ] {
            assert_eq!(shown(Format::Srt, written), want);
        }
    }

    #[test]
    fn vtt_shows_no_tag_and_keeps_its_blocks_apart() {
        assert_eq!(
            shown(Format::Vtt, "<v Ann Lee><c.yellow.bg_blue>Hello</c> <x>you</x> <.a>1</> < 2"),
            "Hello you 1 < 2"
        );
        assert_eq!(shown(Format::Vtt, "Hello<br>there\n\nNOTE no\n\nnor this"), "Hello\nthere");
        let named = "WEBVTT\n\nNOTEBOOK\n00:01.000 --> 00:02.000\nHello\n";
        assert_eq!(read(named).expect("cues")[0].text, "Hello");
    }

    #[test]
    fn ass_shows_neither_comments_nor_drawings() {
        for (written, want) in [
            ("Hello {note to the translator}you", "Hello you"),
            ("{\\p1\\pos(1,1)}m 0 0 l 9 0 9 9{\\p0}Hello", "Hello"),
            ("{\\pos(5,5)\\pbo2}Hello{\\k50}", "Hello"),
            ("{\\an7\\p1}m 0 0 l 100 0", ""),
            ("a\\Nb\\nc\\hd {unclosed", "a\nb c\u{a0}d {unclosed"),
            ("\\{braces\\} and \\\u{2060}N", "{braces} and \\N"),
        ] {
            assert_eq!(shown(Format::Ass, written), want);
        }
    }

    #[test]
    fn blank_lines_lose_no_text_and_missing_ones_show_no_numbers() {
        let next = "2\n00:00:05,000 --> 00:00:06,000\nnext\n";
        for (text, want) in [
            ("Hello\n\nthere\n\n", "Hello\nthere"),
            ("Hello\n", "Hello"),
            ("Hello\n\n \n", "Hello"),
            ("42\n", "42"),
            ("42\n\n", "42"),
        ] {
            let file = format!("1\n00:00:01,000 --> 00:00:03,000\n{text}{next}");
            let want = vec![(at(1000), at(3000), want), (at(5000), at(6000), "next")];
            let cues = read(&file).expect("cues");
            assert_eq!(times_and_texts(&cues), want, "{file}");
            let vtt = read(&format!("WEBVTT\n\n{}", file.replace("\n\n", "\n"))).expect("cues");
            assert_eq!(times_and_texts(&vtt), want, "{file}");
        }
        let unread = "00:00:01,000 --> 00:00:02,000\na\n2\n00:00:03,0x --> 00:00:04\nb\n";
        assert_eq!(read(unread).expect("a cue").len(), 1);
    }

    #[test]
    fn every_line_break_is_one() {
        for (index, mark) in
            ["\n", "\r\n", "\r", "\u{2028}", "\u{2029}", "\u{85}", "\u{b}"].into_iter().enumerate()
        {
            let said = format!("Hello{mark}there");
            for format in [Format::Srt, Format::Vtt] {
                assert_eq!(shown(format, &said), "Hello\nthere", "{format:?} {index}");
            }
            let cue = Cue { start: at(0), end: at(1000), text: said, words: Vec::new() };
            for format in [Format::Srt, Format::Vtt, Format::Ass] {
                let written = write(std::slice::from_ref(&cue), format);
                assert_eq!(read(&written).expect("a cue")[0].text, "Hello\nthere", "{written:?}");
            }
        }
    }

    #[test]
    fn a_cue_longer_than_any_text_is_refused_with_its_time() {
        let long = format!("1\n00:00:01,000 --> 00:00:03,000\n{}\n", "word ".repeat(MAX_PROSE));
        let refused = read(&long).expect_err("too long");
        assert!(refused.contains("00:00:01.000") && refused.contains("20000"), "{refused}");
    }

    /// CPU time of this thread while it reads a text.
    fn cost(text: &str) -> std::time::Duration {
        let spent = || {
            let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
            std::time::Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
        };
        let before = spent();
        let _ = read(text);
        spent() - before
    }

    #[test]
    fn twice_the_text_costs_about_twice_the_time() {
        let srt = "1\n00:00:01,000 --> 00:00:03,000\n";
        let vtt = "WEBVTT\n\n00:01.000 --> 00:03.000\n";
        let ass = "[Events]\nFormat: Start, End, Text\nDialogue: 0:00:01.00,0:00:03.00,";
        for (head, repeated) in [
            (srt, "<"),
            (srt, "<a"),
            (srt, "{"),
            (srt, "{\\"),
            (srt, "&"),
            (srt, "1\n"),
            (srt, "00:00:01,000 --> 00:00:03,000\n"),
            (vtt, "<"),
            (vtt, "<00:01.500>"),
            (vtt, "<00:01.500>a "),
            (vtt, "&#"),
            (vtt, "\n\n"),
            (ass, "{"),
            (ass, "{}"),
            (ass, "{\\k1}"),
            (ass, "{\\k1}a "),
            (ass, "\\p1"),
            ("[Events]\nFormat: ", "a,"),
            ("", "-->"),
        ] {
            let text = |count: usize| format!("{head}{}", repeated.repeat(count));
            let (once, twice) = (cost(&text(40_000)), cost(&text(80_000)));
            // Four times is what a quadratic reader takes; a little on top for a busy machine.
            let bound = once * 3 + std::time::Duration::from_millis(40);
            assert!(twice < bound, "{repeated:?}: {once:?}, then {twice:?}");
        }
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
