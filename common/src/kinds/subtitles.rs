//! `subtitles`: a file of what is said and when: of a recording (which a provider listens to), of a text (which is spoken), or of
//! words whose times are known.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    checks::Checks,
    generated, read, source,
    speech::{self, SpeechInput, Word},
    whole,
};
use crate::{
    fault::Fault,
    kind::{KindSpec, Provider},
    plan::{Draft, OnFailure},
    provenance::Provenance,
};

/// The stored name.
pub const NAME: &str = "subtitles";

/// The kind.
pub const SPEC: KindSpec = KindSpec {
    timeout: Duration::from_secs(900),
    ..generated(NAME, 1, Provider::Transcription, plan)
};

/// The most words: two hours of fast speech.
const MAX_WORDS: usize = 30_000;

/// A kind of file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileFormat {
    /// SubRip.
    #[default]
    Srt,
    /// WebVTT.
    Vtt,
    /// Advanced SubStation Alpha.
    Ass,
}

/// What is asked for. Exactly one of `src`, `speech` and `words` is given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SubtitlesInput {
    /// A recording to listen to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub src: Option<String>,
    /// A text to speak: the input of the kind `speech`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speech: Option<SpeechInput>,
    /// Words with their times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<Vec<Word>>,
    /// The kind of file; `srt` unless said.
    #[serde(default)]
    pub format: FileFormat,
    /// The most characters of a line, 8 to 100.
    #[serde(default = "default_characters")]
    pub max_characters: u32,
    /// The most lines that show together, 1 to 4.
    #[serde(default = "default_lines")]
    pub max_lines: u32,
    /// The language of the recording, as a BCP 47 tag; found out unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// One provider of the configuration, instead of the usual ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
}

fn default_characters() -> u32 {
    32
}

fn default_lines() -> u32 {
    2
}

/// What the kind answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subtitles {
    /// The file's text.
    pub text: String,
    /// The kind of file.
    pub format: FileFormat,
    /// Every word with its time.
    pub words: Vec<Word>,
    /// Who listened or spoke.
    pub provenance: Provenance,
}

/// Reads an input, with all its faults.
pub fn parse(input: &Value) -> Result<SubtitlesInput, Vec<Fault>> {
    let mut request: SubtitlesInput = read(input)?;
    let mut checks = Checks::default();
    let given = [request.src.is_some(), request.speech.is_some(), request.words.is_some()];
    if given.into_iter().filter(|given| *given).count() != 1 {
        checks.fault("", "needs one thing to make subtitles of: give `src`, `speech` or `words`, and only one of them");
    }
    if let Some(Err(detail)) = request.src.as_deref().map(source::check_src) {
        checks.fault("/src", detail);
    }
    match input.get("speech").map(speech::parse) {
        Some(Ok(speech)) => request.speech = Some(speech),
        Some(Err(faults)) => faults
            .into_iter()
            .map(|fault| fault.under("/speech"))
            .for_each(|fault| checks.add(fault)),
        None => {}
    }
    check_words(&mut checks, request.words.as_deref().unwrap_or_default());
    checks.within("/maxCharacters", request.max_characters, 8, 100);
    checks.within("/maxLines", request.max_lines, 1, 4);
    if let Some(language) = &request.language {
        checks.language(language);
    }
    checks.provider(request.provider.as_ref());
    checks.of(request)
}

fn check_words(checks: &mut Checks, words: &[Word]) {
    if words.len() > MAX_WORDS {
        return checks
            .fault("/words", format!("has {} words: at most {MAX_WORDS} are taken", words.len()));
    }
    let mut before = 0;
    for (index, word) in words.iter().enumerate() {
        checks.short(format!("/words/{index}/word"), &word.word, 200);
        if word.end_ms < word.start_ms {
            checks.fault(format!("/words/{index}/endMs"), "is before the start: give a later time");
        }
        if word.start_ms < before {
            checks.fault(
                format!("/words/{index}/startMs"),
                "is before that of the word above: sort them by time",
            );
        }
        before = word.start_ms;
    }
}

/// What is listened to or spoken first, then the file.
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

    #[test]
    fn one_thing_is_to_be_given_and_its_faults_keep_their_place() {
        let cases = [
            (json!({}), vec![""]),
            (json!({"src": "ftp://x", "words": []}), vec!["", "/src"]),
            (json!({"speech": {"text": " ", "rate": 1}}), vec!["/speech/text", "/speech/rate"]),
            (
                json!({"words": [{"word": "a", "startMs": 5, "endMs": 2}, {"word": "b", "startMs": 1, "endMs": 2}]}),
                vec!["/words/0/endMs", "/words/1/startMs"],
            ),
            (
                json!({"words": [], "maxCharacters": 1, "maxLines": 9}),
                vec!["/maxCharacters", "/maxLines"],
            ),
        ];
        for (input, pointers) in cases {
            let faults = parse(&input).expect_err("faults");
            assert_eq!(
                faults.iter().map(|fault| fault.pointer.as_str()).collect::<Vec<_>>(),
                pointers,
                "{input}"
            );
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
