//! `/audio/transcriptions`: the words of a recording, with their times.

use std::path::Path;

use async_trait::async_trait;
use common::{
    error::{JobError, code},
    kinds::speech::{Word, estimated_words},
    provenance::{Provenance, Usage},
};
use reqwest::header::CONTENT_TYPE;
use serde_json::Value;

use super::{OpenAi, idempotency_key};
use crate::{
    context::{Context, HandlerError},
    providers::port::{Listener, Transcript},
};

/// The OpenAI service takes 25 MB; others take more.
const MAX_UPLOAD_BYTES: u64 = 100 << 20;
/// Two hours of words.
const MAX_ANSWER_BYTES: usize = 16 << 20;
/// Two hours of words.
const MAX_WORDS: usize = 30_000;
/// The notice for a service that reports the times of sentences only.
const TIMES_OF_SENTENCES: &str =
    "The model tells when each sentence is said; the times of words within it are estimated.";

#[async_trait]
impl Listener for OpenAi {
    fn name(&self) -> &str {
        self.guard.name()
    }

    async fn listen(
        &self,
        context: &Context,
        sound: &Path,
        language: Option<&str>,
    ) -> Result<Transcript, HandlerError> {
        let sound = read_sound(sound).await?;
        let boundary = format!("spool{}", uuid::Uuid::new_v4().simple());
        let mut fields = vec![
            ("model", self.config.transcription_model.as_str()),
            ("response_format", "verbose_json"),
            ("timestamp_granularities[]", "word"),
        ];
        fields.extend(language.map(|language| ("language", language)));
        let form = bytes::Bytes::from(form(&boundary, &fields, &sound));
        drop(sound);
        let key = idempotency_key(context, "words");
        let request = || {
            let kind = format!("multipart/form-data; boundary={boundary}");
            self.guard
                .post("/audio/transcriptions", &key)
                .header(CONTENT_TYPE, kind)
                .body(form.clone())
        };
        let body = self
            .guard
            .call(&context.lease.stop, request, |response| async {
                self.guard.json(response, MAX_ANSWER_BYTES).await
            })
            .await?;
        let bad = |what| {
            let detail = format!("the answer of provider `{}` {what}", self.guard.name());
            JobError::permanent(crate::providers::port::BAD_ANSWER, detail)
        };
        let (words, notice) = match of_segments(&body) {
            Some(words) => (words, Some(TIMES_OF_SENTENCES.to_owned())),
            None => (words(&body).map_err(bad)?, None),
        };
        let last = || words.iter().map(|word| word.end_ms).max();
        let sound_ms = millis(&body["duration"]).or_else(last).unwrap_or_default();
        let usage = Usage { sound_ms, ..Usage::default() };
        let provenance = self.provenance(&self.config.transcription_model, usage);
        Ok(Transcript { words, provenance: Provenance { notice, ..provenance } })
    }
}

async fn read_sound(path: &Path) -> Result<Vec<u8>, JobError> {
    let unreadable = |error| {
        JobError::transient(code::UNAVAILABLE, format!("the scratch folder can't be read: {error}"))
    };
    let size = tokio::fs::metadata(path).await.map_err(unreadable)?.len();
    if size > MAX_UPLOAD_BYTES {
        let detail = format!(
            "the recording has {size} bytes, and at most {MAX_UPLOAD_BYTES} are sent for \
             transcription: cut it"
        );
        return Err(JobError::caller(code::BAD_SOURCE, detail));
    }
    tokio::fs::read(path).await.map_err(unreadable)
}

/// Builds `multipart/form-data` by RFC 7578: the fields, then the file. Names and values are fixed
/// or checked, so none holds the boundary.
fn form(boundary: &str, fields: &[(&str, &str)], sound: &[u8]) -> Vec<u8> {
    let mut form = Vec::with_capacity(sound.len() + 1_024);
    for (name, value) in fields {
        form.extend(
            format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
            )
            .bytes(),
        );
    }
    // Services read the format from the file name's extension.
    let file = format!("name=\"file\"; filename=\"sound.{}\"", extension(sound));
    let head =
        format!("Content-Disposition: form-data; {file}\r\nContent-Type: application/octet-stream");
    form.extend(format!("--{boundary}\r\n{head}\r\n\r\n").bytes());
    form.extend_from_slice(sound);
    form.extend(format!("\r\n--{boundary}--\r\n").bytes());
    form
}

/// Returns the usual file extension of a sound, by its first bytes.
fn extension(sound: &[u8]) -> &'static str {
    match sound {
        [b'R', b'I', b'F', b'F', ..] => "wav",
        [b'I', b'D', b'3', ..] | [0xff, 0xe2..=0xff, ..] => "mp3",
        [b'O', b'g', b'g', b'S', ..] => "ogg",
        [b'f', b'L', b'a', b'C', ..] => "flac",
        [0x1a, 0x45, 0xdf, 0xa3, ..] => "webm",
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => "mp4",
        _ => "wav",
    }
}

/// Reads the words of a response, sorted, each with an end that is not before its start. A missing
/// time is taken from the word before: some models give no time for a number.
fn words(body: &Value) -> Result<Vec<Word>, String> {
    let listed = listed(body)?;
    if listed.len() > MAX_WORDS {
        return Err(format!("has {} words: at most {MAX_WORDS} are taken", listed.len()));
    }
    if !listed.is_empty() && listed.iter().all(|word| word["start"].is_null()) {
        return Err("has `words` without times: the model must know the times of words".to_owned());
    }
    let mut before = 0;
    let word = |value: &&Value| {
        // Line breaks are removed, because they would add lines to a subtitle file.
        let text = value["word"].as_str().or_else(|| value["text"].as_str())?;
        let text = crate::context::clean(text).replace('\n', " ");
        let start_ms = time(&value["start"], before)?;
        let end_ms = time(&value["end"], start_ms)?.max(start_ms);
        before = end_ms;
        Some(Word { word: text.trim().chars().take(200).collect(), start_ms, end_ms })
    };
    let mut words: Vec<Word> = listed
        .iter()
        .map(word)
        .collect::<Option<_>>()
        .ok_or("has a word without text, start or end")?;
    words.retain(|word| !word.word.is_empty());
    words.sort_by_key(|word| word.start_ms);
    Ok(words)
}

/// Finds the list of words: at the top of the response, or inside its segments. It is empty if
/// nothing was said.
fn listed(body: &Value) -> Result<Vec<&Value>, String> {
    let mut found: Vec<&Value> = body["words"].as_array().into_iter().flatten().collect();
    if found.is_empty() {
        let segments = body["segments"].as_array().into_iter().flatten();
        found = segments.filter_map(|segment| segment["words"].as_array()).flatten().collect();
    }
    let silent = body["text"].as_str().is_some_and(|text| text.trim().is_empty());
    match found.is_empty() && !silent && !body["words"].is_array() {
        true => Err("has no `words`: the model must know the times of words".to_owned()),
        false => Ok(found),
    }
}

/// Estimates the words of a response with times of segments only, as LocalAI and whisper.cpp send
/// it. Returns nothing if there are times of words.
fn of_segments(body: &Value) -> Option<Vec<Word>> {
    let segments = body["segments"].as_array().filter(|segments| !segments.is_empty())?;
    let has_words =
        |value: &Value| value["words"].as_array().is_some_and(|words| !words.is_empty());
    if has_words(body) || segments.iter().any(has_words) {
        return None;
    }
    let mut words = Vec::new();
    for segment in segments {
        let text = crate::context::clean(segment["text"].as_str()?);
        let (start, end) = (millis(&segment["start"])?, millis(&segment["end"])?);
        let shared =
            estimated_words(&text, end.saturating_sub(start)).into_iter().map(|word| Word {
                word: word.word.chars().take(200).collect(),
                start_ms: start + word.start_ms,
                end_ms: start + word.end_ms,
            });
        words.extend(shared);
    }
    words.sort_by_key(|word| word.start_ms);
    (words.len() <= MAX_WORDS).then_some(words)
}

fn time(seconds: &Value, otherwise: u64) -> Option<u64> {
    if seconds.is_null() { Some(otherwise) } else { millis(seconds) }
}

/// Converts seconds, up to a day, to milliseconds. Some services send the number as a string.
fn millis(seconds: &Value) -> Option<u64> {
    let number = seconds.as_f64().or_else(|| seconds.as_str()?.parse().ok());
    let seconds = number.filter(|seconds| (0.0..=86_400.0).contains(seconds))?;
    Some((seconds * 1_000.0).round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn words_come_sorted_and_clean() {
        let body = json!({"words": [
            {"word": " b\u{7}", "start": 0.5, "end": 0.2},
            {"word": "a\n\n2", "start": 0.1, "end": 0.4},
        ]});
        let word = |word: &str, start_ms, end_ms| Word { word: word.into(), start_ms, end_ms };
        assert_eq!(words(&body), Ok(vec![word("a  2", 100, 400), word("b", 500, 500)]));
        let nested = json!({"words": null, "segments": [
            {"words": [{"text": "a", "start": 0.5, "end": 0.75}, {"word": "7", "start": null}]},
            {"words": [{"word": "b", "start": 1, "end": 1.5}]},
        ]});
        assert_eq!(
            words(&nested),
            Ok(vec![word("a", 500, 750), word("7", 750, 750), word("b", 1_000, 1_500)])
        );
        let whole = json!({"text": "a b c", "words": null, "segments": [
            {"start": 0.5, "end": 1.1, "text": " a b"},
            {"start": 2, "end": 2.5, "text": "c\u{7}\n"},
        ]});
        assert_eq!(
            of_segments(&whole),
            Some(vec![word("a", 500, 800), word("b", 800, 1_100), word("c", 2_000, 2_500)])
        );
        assert_eq!(
            (of_segments(&nested), of_segments(&json!({"segments": [{"text": "a"}]}))),
            (None, None)
        );
        assert_eq!(words(&json!({"text": " ", "segments": []})), Ok(vec![]), "nothing was said");
        let untimed = json!({"words": [{"word": "a"}, {"word": "b", "start": null}]});
        assert!(words(&untimed).is_err_and(|what| what.contains("without times")));
        for bad in [
            json!({}),
            json!({"text": "a", "words": null}),
            json!({"words": [{}]}),
            json!({"words": [{"word": "a", "start": -1, "end": 2}]}),
        ] {
            assert!(words(&bad).is_err(), "{bad}");
        }
    }
}
