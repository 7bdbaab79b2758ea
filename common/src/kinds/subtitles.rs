//! `subtitles`: a subtitle file, of a recording (which a provider listens to), of a text (which is
//! spoken), or of words whose times are known.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    generated,
    source::{self, SRC},
    speech::{self, SpeechInput, Word},
    whole,
};
use crate::{
    bounds::{LANGUAGE, PROVIDER},
    document::{self, DocumentReader, Form, NumberBounds, choice, object},
    fault::Fault,
    kind::{KindSpec, Provider},
    plan::{Draft, OnFailure},
    provenance::Provenance,
};

/// Stored name of the kind.
pub const NAME: &str = "subtitles";

/// The kind.
pub const SPEC: KindSpec = KindSpec {
    timeout: Duration::from_secs(900),
    ..generated(NAME, 1, Provider::Transcription, plan, || document::schema::<SubtitlesInput>(NAME))
};

/// Two hours of fast speech.
const WORDS: NumberBounds = NumberBounds::new(0, 30_000, " words");
const CHARACTERS: NumberBounds = NumberBounds::new(8, 100, " characters");
const LINES: NumberBounds = NumberBounds::new(1, 4, " lines");

choice! {
    /// Format of a subtitle file.
    #[derive(Default, Serialize, Deserialize)]
    #[serde(rename_all = "lowercase")]
    pub enum FileFormat {
        /// SubRip.
        #[default]
        Srt = "srt",
        /// WebVTT.
        Vtt = "vtt",
        /// Advanced SubStation Alpha.
        Ass = "ass",
    }
}

object! {
    /// Input of a `subtitles` job. It has exactly one of `src`, `speech` and `words`.
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    pub struct SubtitlesInput {
        /// A recording, whose words a provider finds out.
        #[serde(skip_serializing_if = "Option::is_none")]
        src: Option<String> = "src" within SRC,
        /// A text to speak: the input of the kind `speech`.
        #[serde(skip_serializing_if = "Option::is_none")]
        speech: Option<SpeechInput> = "speech",
        /// Words with their times.
        #[serde(skip_serializing_if = "Option::is_none")]
        words: Option<Vec<Word>> = "words" within WORDS,
        /// Format of the file.
        format: FileFormat = "format" default FileFormat::Srt,
        /// Most characters of a line.
        max_characters: u32 = "maxCharacters" within CHARACTERS default 32,
        /// Most lines that show together.
        max_lines: u32 = "maxLines" within LINES default 2,
        /// Language of the recording, as a BCP 47 tag; found out by default.
        #[serde(skip_serializing_if = "Option::is_none")]
        language: Option<String> = "language" within LANGUAGE,
        /// One provider of the configuration, in place of the default chain.
        #[serde(skip_serializing_if = "Option::is_none")]
        provider: Option<String> = "provider" within PROVIDER,
    }
}

/// Output of a `subtitles` job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Subtitles {
    /// Text of the file.
    pub text: String,
    /// Format of the file.
    pub format: FileFormat,
    /// Every word with its time.
    pub words: Vec<Word>,
    /// Provider that listened or spoke.
    pub provenance: Provenance,
}

/// Reads an input. The error lists every fault.
pub fn parse(input: &Value) -> Result<SubtitlesInput, Vec<Fault>> {
    let mut reader = DocumentReader::default();
    reader.one_of(input, &["src", "speech", "words"]);
    let read = SubtitlesInput::read(input, &mut reader);
    if let Some(words) = read.as_ref().and_then(|read| read.words.as_ref()) {
        reader.within("words", |reader| check_order(words, reader));
    }
    let mut read = reader.finish(read)?;
    read.speech = read.speech.map(SpeechInput::with_voice);
    Ok(read)
}

fn check_order(words: &[Word], reader: &mut DocumentReader) {
    let mut before = 0;
    for (index, word) in words.iter().enumerate() {
        let mut fault = |member: &str, detail: &str| {
            reader.within(&index.to_string(), |reader| {
                reader.within(member, |reader| reader.fault::<()>(detail));
            });
        };
        if word.end_ms < word.start_ms {
            fault("endMs", "is before the start: give a later time");
        }
        if word.start_ms < before {
            fault("startMs", "is before that of the word above: sort the words by time");
        }
        before = word.start_ms;
    }
}

/// The recording or the speech first, then the file.
fn plan(input: &Value) -> Result<Vec<Draft>, Vec<Fault>> {
    let request = parse(input)?;
    let first = match (&request.src, &request.speech) {
        (Some(src), _) => {
            Some((source::NAME, json!({"src": src, "takenFor": source::TakenFor::Media})))
        }
        (_, Some(speech)) => Some((speech::NAME, whole(speech)?)),
        _ => None,
    };
    let mut only = Draft::only(NAME, whole(&request)?);
    let Some((kind, input)) = first else { return Ok(vec![only]) };
    only.needs.push((kind.to_owned(), OnFailure::Cancel));
    let first = Draft { name: kind.to_owned(), kind, input, needs: Vec::new(), result: false };
    Ok(vec![first, only])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds;

    #[test]
    fn exactly_one_input_is_given_and_its_faults_have_their_pointers() {
        let cases = [
            (json!({}), vec![""]),
            (json!({"src": "ftp://x", "words": []}), vec!["", "/src"]),
            (json!({"speech": {"text": " ", "rate": 1}}), vec!["/speech/text", "/speech/rate"]),
            (
                json!({"words": [
                    {"word": "a", "startMs": 5, "endMs": 2},
                    {"word": "b", "startMs": 1, "endMs": 2},
                ]}),
                vec!["/words/0/endMs", "/words/1/startMs"],
            ),
            (json!({"words": [{"word": "a"}]}), vec!["/words/0/startMs", "/words/0/endMs"]),
            (json!({"src": 5, "speech": null, "format": "SRT"}), vec!["/src", "/format"]),
            (
                json!({"words": [], "maxCharacters": 1, "maxLines": 9}),
                vec!["/maxCharacters", "/maxLines"],
            ),
        ];
        for (input, pointers) in cases {
            let faults = parse(&input).expect_err("faults");
            assert_eq!(kinds::pointers(&faults), pointers, "{input}");
        }
    }

    #[test]
    fn a_recording_is_fetched_and_a_text_spoken_first() {
        let kinds = |input| {
            plan(&input).expect("a plan").iter().map(|draft| draft.kind).collect::<Vec<_>>()
        };
        assert_eq!(kinds(json!({"src": "https://a/b.mp3"})), [source::NAME, NAME]);
        assert_eq!(kinds(json!({"speech": {"text": "Hello"}})), [speech::NAME, NAME]);
        assert_eq!(kinds(json!({"words": []})), [NAME]);
        let spoken = plan(&json!({"speech": {"text": "潮汐"}})).expect("a plan");
        assert_eq!(
            (&spoken[0].input["voice"], &spoken[1].input["speech"]["voice"]),
            (&json!("cmn"), &json!("cmn"))
        );
    }
}
