//! Speaks text without a network, by espeak-ng.
//!
//! Its voices are plain, but always available, about a hundred times faster than real time, and the
//! same to the sample in each process. (Within one process, its memory of the last text shifts
//! times by a millisecond; the sandbox speaks one text a process.) It reports the time of each
//! word, so captions need no recognition.

mod ffi;
mod words;

pub use crate::protocol::{SpeechOutput, SpokenText, TimedWord};
use crate::{MediaError, Result};
use std::ffi::CString;
use std::path::Path;

/// About an hour at the default rate. It also bounds the memory of one synthesis.
const MAX_CHARACTERS: usize = 50_000;
/// espeak-ng's range, in words a minute.
const RATES: std::ops::RangeInclusive<u32> = 80..=450;
/// espeak-ng's range.
const PITCHES: std::ops::RangeInclusive<u32> = 0..=99;
/// No voice has a longer name.
const MAX_VOICE_LENGTH: usize = 64;

/// Speaks into a WAV file: one channel, 16 bits, 22,050 Hz.
///
/// # Errors
/// Bad input if there is nothing to say, or no such voice; unsupported if espeak-ng's data are not
/// installed.
pub fn speak(speech: &SpokenText, out: &Path) -> Result<SpeechOutput> {
    let text = checked_text(&speech.text)?;
    let voice = checked_voice(&speech.voice)?;
    check_range("rate", speech.rate, &RATES)?;
    check_range("pitch", speech.pitch, &PITCHES)?;
    let mut synthesizer = ffi::Synthesizer::take().ok_or_else(|| {
        MediaError::Unsupported(
            "espeak-ng's voices are not installed: install the package espeak-ng-data".into(),
        )
    })?;
    if !synthesizer.set_voice(&voice) {
        return Err(no_voice(&speech.voice));
    }
    synthesizer.set_rate_and_pitch(speech.rate, speech.pitch);
    let spoken = synthesizer
        .speak(&text)
        .ok_or_else(|| MediaError::Internal("espeak-ng failed to speak the text".into()))?;
    if spoken.samples.is_empty() {
        return Err(MediaError::BadInput(
            "the text has nothing in it that the voice can say".into(),
        ));
    }
    let sample_rate = synthesizer.sample_rate();
    std::fs::write(out, wav(&spoken.samples, sample_rate))
        .map_err(|error| MediaError::from_io(format_args!("writing {}", out.display()), &error))?;
    let duration_ms = spoken.samples.len() as u64 * 1000 / u64::from(sample_rate);
    Ok(SpeechOutput {
        duration_ms,
        sample_rate,
        words: words::timed_words(&speech.text, &spoken.words, &spoken.samples, sample_rate),
    })
}

fn checked_text(text: &str) -> Result<CString> {
    let length = text.chars().count();
    if length > MAX_CHARACTERS {
        return Err(MediaError::BadInput(format!(
            "the text has {length} characters and may have {MAX_CHARACTERS}: split it"
        )));
    }
    if !text.chars().any(char::is_alphanumeric) {
        return Err(MediaError::BadInput(
            "the text has no letter and no digit, so there is nothing to say".into(),
        ));
    }
    CString::new(text)
        .map_err(|_| MediaError::BadInput("the text holds a NUL character: take it out".into()))
}

/// The library also takes the name as a path, so characters that could lead elsewhere are refused.
fn checked_voice(voice: &str) -> Result<CString> {
    let plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '+' | ' ' | '(' | ')');
    let fine = !voice.is_empty() && voice.len() <= MAX_VOICE_LENGTH && voice.chars().all(plain);
    match CString::new(voice) {
        Ok(name) if fine => Ok(name),
        _ => Err(no_voice(voice)),
    }
}

fn no_voice(voice: &str) -> MediaError {
    let shown: String = voice.chars().take(MAX_VOICE_LENGTH).collect();
    MediaError::BadInput(format!(
        "there is no voice \"{shown}\": use a language such as en, en-us, de, fr-fr or es, \
         with a variant if needed as in en+f3; `espeak-ng --voices` lists the languages, \
         `espeak-ng --voices=variant` the variants"
    ))
}

fn check_range(field: &str, value: u32, range: &std::ops::RangeInclusive<u32>) -> Result<()> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(MediaError::BadInput(format!(
        "{field} is {value} and must be {} to {}",
        range.start(),
        range.end()
    )))
}

/// Returns a RIFF WAVE file of 16-bit PCM with one channel.
fn wav(samples: &[i16], sample_rate: u32) -> Vec<u8> {
    let size = u32::try_from(samples.len() * 2).unwrap_or(u32::MAX);
    let mut bytes = Vec::with_capacity(44 + samples.len() * 2);
    bytes.extend(b"RIFF");
    bytes.extend(size.saturating_add(36).to_le_bytes());
    bytes.extend(b"WAVEfmt ");
    bytes.extend(16_u32.to_le_bytes());
    // PCM, one channel.
    bytes.extend(1_u16.to_le_bytes());
    bytes.extend(1_u16.to_le_bytes());
    bytes.extend(sample_rate.to_le_bytes());
    bytes.extend((sample_rate * 2).to_le_bytes());
    bytes.extend(2_u16.to_le_bytes());
    bytes.extend(16_u16.to_le_bytes());
    bytes.extend(b"data");
    bytes.extend(size.to_le_bytes());
    bytes.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    bytes
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn said(text: &str, voice: &str) -> Result<(SpeechOutput, Vec<u8>)> {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("speech.wav");
        let speech = SpokenText { text: text.into(), voice: voice.into(), rate: 175, pitch: 50 };
        let output = speak(&speech, &out)?;
        Ok((output, std::fs::read(out).unwrap()))
    }

    #[test]
    fn every_word_of_a_text_gets_its_time() {
        let text = "Good morning, world. In 1984 there were 1,234 dogs of the “best” kind — \
            weren't there?";
        let (output, bytes) = said(text, "en-us").unwrap();
        let words: Vec<&str> = output.words.iter().map(|word| word.word.as_str()).collect();
        let expected = [
            "Good",
            "morning,",
            "world.",
            "In",
            "1984",
            "there",
            "were",
            "1,234",
            "dogs",
            "of",
            "the",
            "“best”",
            "kind —",
            "weren't",
            "there?",
        ];
        assert_eq!(words, expected);
        for pair in output.words.windows(2) {
            assert!(pair[0].end_ms <= pair[1].start_ms, "{pair:?}");
            assert!(pair[0].start_ms < pair[0].end_ms, "{pair:?}");
        }
        let last = output.words.last().unwrap();
        assert!(last.end_ms <= output.duration_ms && last.end_ms > output.duration_ms * 8 / 10);
        let pause = &output.words[2..4];
        assert!(pause[1].start_ms - pause[0].end_ms > 100, "a pause follows a sentence: {pause:?}");
        for word in &output.words {
            let first = word.word.chars().next();
            assert_eq!(text.chars().nth(word.char_offset), first);
        }
        let samples = (bytes.len() as u64 - 44) / 2;
        assert_eq!(samples * 1000 / u64::from(output.sample_rate), output.duration_ms);
    }

    #[test]
    fn an_unknown_voice_is_refused_with_a_hint_to_the_list() {
        for voice in ["zz-nowhere", "", "../../../etc/passwd", "en/../../x", "en\0"] {
            let error = said("Hello", voice).map(|_| ()).unwrap_err();
            assert!(matches!(error, MediaError::BadInput(_)), "{voice}");
            assert!(error.to_string().contains("--voices"), "{error}");
        }
    }

    #[test]
    fn texts_without_words_are_refused() {
        for text in ["", " \n\t", "…—!", "a\0b"] {
            assert!(matches!(said(text, "en"), Err(MediaError::BadInput(_))), "{text:?}");
        }
        let long = "a ".repeat(MAX_CHARACTERS);
        assert!(matches!(said(&long, "en"), Err(MediaError::BadInput(_))));
    }

    #[test]
    fn markup_is_spoken_and_not_interpreted() {
        let (plain, _) = said("stop", "en").unwrap();
        let (marked, _) = said("<break time=\"9s\"/> stop", "en").unwrap();
        assert!(marked.duration_ms < plain.duration_ms + 6_000);
    }
}
