//! Reads what a provider sends: bodies of bounded size, and refusals as errors that say who may ask again, whom to tell, and no secret.

use std::{path::Path, time::Duration};

use bytes::{Bytes, BytesMut};
use common::error::{JobError, code};
use futures::StreamExt;
use reqwest::{
    Response, StatusCode,
    header::{CONTENT_TYPE, DATE, HeaderMap, HeaderName, RETRY_AFTER},
};
use serde_json::Value;
use tokio::{fs::File, io::AsyncWriteExt};

use super::{
    BAD_ANSWER,
    guard::{Failure, Guard, HELD_AT_MOST},
    unwritten,
};

/// What is shown of a provider's own sentence.
const SENTENCE: usize = 300;
/// What is read of an error's body.
const MAX_ERROR_BYTES: usize = 16 * 1024;

impl Guard {
    /// A status that is no success: who may be asked again, and what the operator must mend.
    pub(super) async fn refused(&self, response: Response) -> Failure {
        let (status, wait) = (response.status(), asked_to_wait(response.headers()));
        let body = self.bytes(response, MAX_ERROR_BYTES).await.unwrap_or_default();
        let said = format!("provider `{}` answered {status}{}", self.name(), self.sentence(&body));
        let passing = |unwell| {
            let error = JobError::transient(code::UNAVAILABLE, said.as_str()).after(wait);
            Failure { error, again: wait <= HELD_AT_MOST, unwell }
        };
        match status {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT | StatusCode::CONFLICT => passing(false),
            status if status.is_server_error() => passing(true),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Failure::lasting(JobError::permanent(
                "provider_refused",
                format!("{said}: check the API key in the configuration"),
            )),
            _ => Failure::lasting(JobError::permanent("provider_refused", said)),
        }
    }

    /// The sentence in an error's body, short and without the key.
    fn sentence(&self, body: &[u8]) -> String {
        serde_json::from_slice(body).map(|body| self.said(&body)).unwrap_or_default()
    }

    fn said(&self, body: &Value) -> String {
        let message = || body.pointer("/error/message").or_else(|| body.get("error")).or_else(|| body.get("message"));
        message().and_then(Value::as_str).map(|said| format!(": {}", self.shown(said))).unwrap_or_default()
    }

    /// A text of the provider's without the key, which some repeat.
    pub fn redacted(&self, text: String) -> String {
        match self.key() {
            Some(key) => key.redact(&text),
            None => text,
        }
    }

    /// A text of the provider's as it may stand in an error.
    pub fn shown(&self, text: &str) -> String {
        let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        self.redacted(plain).chars().take(SENTENCE).collect()
    }

    pub(super) fn unreachable(&self, error: reqwest::Error) -> JobError {
        let error = error.without_url();
        let causes = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
        let said: Vec<String> = causes.map(ToString::to_string).collect();
        JobError::transient(
            code::UNAVAILABLE,
            format!("provider `{}` can't be used: {}", self.name(), self.shown(&said.join(": "))),
        )
    }

    /// A body of at most `most` bytes.
    pub async fn bytes(&self, response: Response, most: usize) -> Result<Bytes, Failure> {
        if let Some(failure) = self.too_large(&response, most) {
            return Err(failure);
        }
        let mut body = BytesMut::new();
        let mut chunks = response.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|error| Failure::passing(self.unreachable(error)))?;
            if body.len() + chunk.len() > most {
                return Err(self.bad_answer(&format!("is larger than {most} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }

    /// A body of at most `most` bytes, into a file, so that long sounds do not pile up in memory. Its size.
    pub async fn save(&self, response: Response, most: usize, path: &Path) -> Result<usize, Failure> {
        if let Some(failure) = self.too_large(&response, most) {
            return Err(failure);
        }
        let unsaved = |error| Failure::lasting(unwritten(error));
        let (mut file, mut size) = (File::create(path).await.map_err(unsaved)?, 0);
        let mut chunks = response.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|error| Failure::passing(self.unreachable(error)))?;
            size += chunk.len();
            if size > most {
                return Err(self.bad_answer(&format!("is larger than {most} bytes")));
            }
            file.write_all(&chunk).await.map_err(unsaved)?;
        }
        file.flush().await.map_err(unsaved)?;
        Ok(size)
    }

    /// A body that says of itself that it is too large; what says nothing is counted as it comes.
    fn too_large(&self, response: &Response, most: usize) -> Option<Failure> {
        let length = response.content_length().filter(|length| *length > most as u64)?;
        Some(self.bad_answer(&format!("is larger than {most} bytes: it has {length}")))
    }

    /// A body of JSON.
    pub async fn json(&self, response: Response, most: usize) -> Result<Value, Failure> {
        let body = self.bytes(response, most).await?;
        serde_json::from_slice(&body).map_err(|error| self.bad_answer(&format!("is not JSON: {error}")))
    }

    /// The media type of an answer, without its parameters.
    pub fn media_type(response: &Response) -> String {
        let header = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        header.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// An answer that can't be used, whoever asks again.
    pub fn bad_answer(&self, what: &str) -> Failure {
        Failure::lasting(JobError::permanent(
            BAD_ANSWER,
            format!("the answer of provider `{}` {}", self.name(), self.shown(what)),
        ))
    }

    /// An answer that ended in an error of the provider's.
    pub fn broken_off(&self, error: &Value) -> Failure {
        let detail = format!("provider `{}` broke off its answer{}", self.name(), self.said(error));
        Failure::passing(JobError::transient(code::UNAVAILABLE, detail))
    }

    /// An answer that broke off.
    pub fn cut(&self) -> Failure {
        let detail = format!("the answer of provider `{}` broke off before its end", self.name());
        Failure::passing(JobError::transient(code::UNAVAILABLE, detail))
    }
}

/// What `Retry-After` asks for: seconds, or a date, which is counted from the answer's own so that clocks need not agree.
fn asked_to_wait(headers: &HeaderMap) -> Duration {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let date = |text: &str| jiff::fmt::rfc2822::parse(text).ok().map(|date| date.timestamp());
    let Some(asked) = text(RETRY_AFTER) else { return Duration::ZERO };
    if let Ok(seconds) = asked.parse() {
        return Duration::from_secs(seconds);
    }
    let span = date(asked).zip(text(DATE).and_then(date)).map(|(then, now)| then.duration_since(now));
    span.and_then(|span| Duration::try_from(span).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_to_wait_is_read_as_seconds_or_as_a_date() {
        let of = |asked: &str, now: &str| {
            let pairs = [(RETRY_AFTER, asked), (DATE, now)];
            asked_to_wait(&pairs.into_iter().map(|(name, text)| (name, text.parse().expect("a header"))).collect())
        };
        let now = "Fri, 31 Dec 1999 23:59:50 GMT";
        assert_eq!(of("7", now), Duration::from_secs(7));
        assert_eq!(of("Fri, 31 Dec 1999 23:59:59 GMT", now), Duration::from_secs(9));
        for nonsense in ["soon", "-3", "Fri, 31 Dec 1999 23:59:40 GMT"] {
            assert_eq!(of(nonsense, now), Duration::ZERO, "{nonsense}");
        }
    }
}
