//! `/audio/transcriptions`: the words of a recording with their times.

use std::path::Path;

use async_trait::async_trait;
use common::{
    error::{JobError, code},
    kinds::{made::Usage, speech::Word},
};
use reqwest::header::CONTENT_TYPE;
use serde_json::Value;

use super::{OpenAi, idempotency_key};
use crate::{
    kinds::{Context, Ended},
    providers::{Heard, Listener},
};

/// What the protocol's own service takes is 25 MB; others take more.
const MAX_UPLOAD_BYTES: u64 = 100 << 20;
/// Two hours of words.
const MAX_ANSWER_BYTES: usize = 16 << 20;
/// The same, counted.
const MAX_WORDS: usize = 30_000;

#[async_trait]
impl Listener for OpenAi {
    fn name(&self) -> &str {
        self.guard.name()
    }

    async fn listen(&self, context: &Context, sound: &Path, language: Option<&str>) -> Result<Heard, Ended> {
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
            self.guard.post("/audio/transcriptions", &key).header(CONTENT_TYPE, kind).body(form.clone())
        };
        let body = self
            .guard
            .call(&context.lease.stop, request, |response| async { self.guard.json(response, MAX_ANSWER_BYTES).await })
            .await?;
        let words = words(&body).map_err(|what| {
            JobError::permanent(
                crate::providers::BAD_ANSWER,
                format!("the answer of provider `{}` {what}", self.guard.name()),
            )
        })?;
        let usage = Usage { sound_ms: millis(&body["duration"]).unwrap_or_default(), ..Usage::default() };
        Ok(Heard { words, made: self.made(&self.config.transcription_model, usage) })
    }
}

async fn read_sound(path: &Path) -> Result<Vec<u8>, JobError> {
    let unreadable =
        |error| JobError::transient(code::UNAVAILABLE, format!("the scratch folder can't be read: {error}"));
    let size = tokio::fs::metadata(path).await.map_err(unreadable)?.len();
    if size > MAX_UPLOAD_BYTES {
        let detail = format!(
            "the recording has {size} bytes, and at most {MAX_UPLOAD_BYTES} are sent to be listened to: cut it"
        );
        return Err(JobError::caller(code::BAD_SOURCE, detail));
    }
    tokio::fs::read(path).await.map_err(unreadable)
}

/// `multipart/form-data` by RFC 7578: fields, then the file. The fields are ours or checked names, and hold no boundary.
fn form(boundary: &str, fields: &[(&str, &str)], sound: &[u8]) -> Vec<u8> {
    let mut form = Vec::with_capacity(sound.len() + 1_024);
    for (name, value) in fields {
        form.extend(
            format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").bytes(),
        );
    }
    // Services tell the format by the name's ending.
    let file = format!("name=\"file\"; filename=\"sound.{}\"", ending(sound));
    let head = format!("Content-Disposition: form-data; {file}\r\nContent-Type: application/octet-stream");
    form.extend(format!("--{boundary}\r\n{head}\r\n\r\n").bytes());
    form.extend_from_slice(sound);
    form.extend(format!("\r\n--{boundary}--\r\n").bytes());
    form
}

/// The usual ending of a file's name, by its first bytes.
fn ending(sound: &[u8]) -> &'static str {
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

/// The words of an answer, sorted, none ending before it begins.
fn words(body: &Value) -> Result<Vec<Word>, String> {
    let listed = body["words"].as_array().ok_or("has no `words`: the model must know the times of words")?;
    if listed.len() > MAX_WORDS {
        return Err(format!("has {} words: at most {MAX_WORDS} are taken", listed.len()));
    }
    let word = |value: &Value| {
        // A word is one line: one of several would write lines of its own into a file of subtitles.
        let text = crate::kinds::clean(value["word"].as_str()?).replace('\n', " ");
        let start_ms = millis(&value["start"])?;
        let end_ms = millis(&value["end"])?.max(start_ms);
        Some(Word { word: text.trim().chars().take(200).collect(), start_ms, end_ms })
    };
    let mut words: Vec<Word> =
        listed.iter().map(word).collect::<Option<_>>().ok_or("has a word without text, start or end")?;
    words.retain(|word| !word.word.is_empty());
    words.sort_by_key(|word| word.start_ms);
    Ok(words)
}

/// Seconds as milliseconds, where they are a time of day or less.
fn millis(seconds: &Value) -> Option<u64> {
    let seconds = seconds.as_f64().filter(|seconds| (0.0..=86_400.0).contains(seconds))?;
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
        for bad in [json!({}), json!({"words": [{}]}), json!({"words": [{"word": "a", "start": -1, "end": 2}]})] {
            assert!(words(&bad).is_err(), "{bad}");
        }
    }
}
