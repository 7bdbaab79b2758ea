//! Reads what a provider sends: bodies of bounded size, and refusals as errors that say who may ask again, whom to tell, and no secret.

use std::{path::Path, time::Duration};

use backing::clock::SystemClock;
use bytes::{Bytes, BytesMut};
use common::{
    error::{JobError, code},
    port::clock::Clock,
};
use jiff::Timestamp;
use reqwest::{
    Response, StatusCode,
    header::{CONTENT_TYPE, DATE, HeaderMap, HeaderName, RETRY_AFTER},
};
use serde_json::Value;
use tokio::{fs::File, io::AsyncWriteExt};

use super::{
    guard::{Failure, Guard, HELD_AT_MOST},
    port::{BAD_ANSWER, unwritten},
};

/// What is shown of a provider's own sentence.
const SENTENCE: usize = 300;
/// As the OpenAI service says it beside `Retry-After`.
const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");
/// A longer wish is nonsense.
const A_YEAR_MS: f64 = 365.0 * 86_400.0 * 1_000.0;
/// What is read of an error's body.
const MAX_ERROR_BYTES: usize = 16 * 1024;

impl Guard {
    /// A status that is no success: who may be asked again, and what the operator must mend.
    pub(super) async fn refused(&self, response: Response) -> Failure {
        let (status, wait) =
            (response.status(), asked_to_wait(response.headers(), SystemClock.now()));
        let body = self.bytes(response, MAX_ERROR_BYTES).await.unwrap_or_default();
        let said = format!("provider `{}` answered {status}{}", self.name(), self.sentence(&body));
        let passing = |unwell| {
            let error = JobError::transient(code::UNAVAILABLE, said.as_str()).after(wait);
            Failure { error: Box::new(error), again: wait <= HELD_AT_MOST, unwell }
        };
        match status {
            // Waiting does not fill an account.
            StatusCode::TOO_MANY_REQUESTS
                if code_of(&body).as_deref() == Some("insufficient_quota") =>
            {
                Failure::lasting(JobError::permanent("provider_refused", said))
            }
            StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT | StatusCode::CONFLICT => {
                passing(false)
            }
            // It never will: some services offer only a part of the protocol.
            StatusCode::NOT_IMPLEMENTED => {
                Failure::lasting(JobError::permanent("provider_refused", said))
            }
            status if status.is_server_error() => passing(true),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Failure::lasting(JobError::permanent(
                    "provider_refused",
                    format!("{said}: check the API key in the configuration"),
                ))
            }
            // It would be followed with the key, to wherever it leads.
            status if status.is_redirection() => Failure::lasting(JobError::permanent(
                "provider_refused",
                format!("{said}, which is not followed: set `base_url` to where the service is"),
            )),
            _ => Failure::lasting(JobError::permanent("provider_refused", said)),
        }
    }

    /// The sentence in an error's body, short and without the key.
    fn sentence(&self, body: &[u8]) -> String {
        serde_json::from_slice(body).map(|body| self.said(&body)).unwrap_or_default()
    }

    fn said(&self, body: &Value) -> String {
        sentence_of(body).map(|said| format!(": {}", self.shown(said))).unwrap_or_default()
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
        let causes =
            std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
        let said: Vec<String> = causes.map(ToString::to_string).collect();
        JobError::transient(
            code::UNAVAILABLE,
            format!("provider `{}` can't be used: {}", self.name(), self.shown(&said.join(": "))),
        )
    }

    /// A body of at most `most` bytes.
    pub async fn bytes(&self, response: Response, most: usize) -> Result<Bytes, Failure> {
        let (mut body, mut whole) = (self.body(response, most)?, BytesMut::new());
        while let Some(piece) = body.next().await? {
            whole.extend_from_slice(&piece);
        }
        Ok(whole.freeze())
    }

    /// A body of at most `most` bytes, into a file, so that long sounds do not pile up in memory. Its size.
    pub async fn save(
        &self,
        response: Response,
        most: usize,
        path: &Path,
    ) -> Result<usize, Failure> {
        let unsaved = |error| Failure::lasting(unwritten(error));
        let mut body = self.body(response, most)?;
        let (mut file, mut size) = (File::create(path).await.map_err(unsaved)?, 0);
        while let Some(piece) = body.next().await? {
            size += piece.len();
            file.write_all(&piece).await.map_err(unsaved)?;
        }
        file.flush().await.map_err(unsaved)?;
        Ok(size)
    }

    /// A body of JSON.
    pub async fn json(&self, response: Response, most: usize) -> Result<Value, Failure> {
        let body = self.bytes(response, most).await?;
        serde_json::from_slice(&body)
            .map_err(|error| self.bad_answer(&format!("is not JSON: {error}")))
    }

    /// The media type of an answer, without its parameters.
    pub fn media_type(response: &Response) -> String {
        let header = response
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
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

/// What an error's body says, wherever its service puts it: the protocol's own, vLLM's of old, and those that are built on FastAPI.
fn sentence_of(body: &Value) -> Option<&str> {
    let places = [
        "/error/message",
        "/error",
        "/message",
        "/detail/message",
        "/detail/error",
        "/detail/0/msg",
        "/detail",
        "/msg",
    ];
    places.into_iter().find_map(|place| body.pointer(place)?.as_str())
}

/// The code in an error's body.
fn code_of(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    body["error"]["code"].as_str().or_else(|| body["error"]["type"].as_str()).map(str::to_owned)
}

/// What `Retry-After` asks for: seconds, or a date, which is counted from the answer's own so that clocks need not agree; where it has none, from
/// `now`. Some services say it in milliseconds besides, and more exactly.
fn asked_to_wait(headers: &HeaderMap, now: Timestamp) -> Duration {
    let text =
        |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let count =
        |text: &str| text.parse::<f64>().ok().filter(|count| (0.0..=A_YEAR_MS).contains(count));
    if let Some(ms) = text(RETRY_AFTER_MS).and_then(count) {
        return Duration::from_secs_f64(ms / 1_000.0);
    }
    let Some(asked) = text(RETRY_AFTER) else { return Duration::ZERO };
    if let Some(seconds) = count(asked) {
        return Duration::from_secs_f64(seconds);
    }
    let date = |text: &str| jiff::fmt::rfc2822::parse(text).ok().map(|date| date.timestamp());
    let now = text(DATE).and_then(date).unwrap_or(now);
    date(asked)
        .and_then(|then| Duration::try_from(then.duration_since(now)).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_it_says_wherever_its_service_puts_it() {
        for body in [
            serde_json::json!({"error": {"code": 400, "message": "no such model", "type": ""}}),
            serde_json::json!({"error": "no such model"}),
            serde_json::json!({"object": "error", "message": "no such model", "code": 404}),
            serde_json::json!({"detail": "no such model"}),
            serde_json::json!({"detail": {"error": "validation_error", "message": "no such model"}}),
            serde_json::json!({"detail": [{"loc": ["body", "model"], "msg": "no such model"}]}),
        ] {
            assert_eq!(sentence_of(&body), Some("no such model"), "{body}");
        }
        assert_eq!(sentence_of(&serde_json::json!({"error": null})), None);
    }

    #[test]
    fn a_wish_to_wait_is_read_as_seconds_or_as_a_date() {
        let ours = "1999-12-31T23:59:00Z".parse().expect("a time");
        let read = |pairs: &[(HeaderName, &str)]| {
            let header =
                |(name, text): &(HeaderName, &str)| (name.clone(), text.parse().expect("a header"));
            asked_to_wait(&pairs.iter().map(header).collect(), ours)
        };
        let of = |asked: &str, now: &str| read(&[(RETRY_AFTER, asked), (DATE, now)]);
        let now = "Fri, 31 Dec 1999 23:59:50 GMT";
        assert_eq!(
            read(&[(RETRY_AFTER, "Fri, 31 Dec 1999 23:59:59 GMT")]),
            Duration::from_secs(59),
            "by our clock"
        );
        assert_eq!(of("1.5", now), Duration::from_millis(1_500));
        assert_eq!(
            read(&[(RETRY_AFTER, "2"), (RETRY_AFTER_MS, "1250")]),
            Duration::from_millis(1_250)
        );
        assert_eq!(of("7", now), Duration::from_secs(7));
        assert_eq!(of("Fri, 31 Dec 1999 23:59:59 GMT", now), Duration::from_secs(9));
        for nonsense in ["soon", "-3", "NaN", "inf", "1e300", "Fri, 31 Dec 1999 23:59:40 GMT"] {
            assert_eq!(of(nonsense, now), Duration::ZERO, "{nonsense}");
        }
    }
}
