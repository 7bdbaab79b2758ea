//! Reads the responses of providers: bodies of bounded size, and refusals as errors. An error says
//! whether a retry may help and what the operator must mend, and holds no secret.

use std::{path::Path, time::Duration};

use backing::clock::SystemClock;
use bytes::{Bytes, BytesMut};
use common::{
    error::{JobError, code},
    json,
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
    guard::{CallFailure, Guard, LONGEST_PAUSE},
    port::{BAD_ANSWER, unwritten},
};

/// Longest excerpt of a provider's own error text, in characters.
const SENTENCE: usize = 300;
/// The OpenAI service sends it beside `Retry-After`.
const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");
/// A longer `Retry-After` is ignored.
const A_YEAR_MS: f64 = 365.0 * 86_400.0 * 1_000.0;
/// Most bytes that are read of an error's body.
const MAX_ERROR_BYTES: usize = 16 * 1024;

impl Guard {
    /// Converts a response without a success status to a failure.
    pub(super) async fn refused(&self, response: Response) -> CallFailure {
        let (status, wait) =
            (response.status(), requested_wait(response.headers(), SystemClock.now()));
        let body = self.bytes(response, MAX_ERROR_BYTES).await.unwrap_or_default();
        let sentence =
            format!("provider `{}` answered {status}{}", self.name(), self.sentence(&body));
        let transient = |unhealthy| {
            let error = JobError::transient(code::UNAVAILABLE, sentence.as_str()).after(wait);
            CallFailure { error: Box::new(error), retry: wait <= LONGEST_PAUSE, unhealthy }
        };
        match status {
            // A wait does not refill an account.
            StatusCode::TOO_MANY_REQUESTS
                if code_of(&body).as_deref() == Some("insufficient_quota") =>
            {
                CallFailure::permanent(JobError::permanent("provider_refused", sentence))
            }
            StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT | StatusCode::CONFLICT => {
                transient(false)
            }
            // A retry does not help: some services offer only a part of the protocol.
            StatusCode::NOT_IMPLEMENTED => {
                CallFailure::permanent(JobError::permanent("provider_refused", sentence))
            }
            status if status.is_server_error() => transient(true),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                CallFailure::permanent(JobError::permanent(
                    "provider_refused",
                    format!("{sentence}: check the API key in the configuration"),
                ))
            }
            // A redirect that is followed would carry the key to another host.
            status if status.is_redirection() => CallFailure::permanent(JobError::permanent(
                "provider_refused",
                format!(
                    "{sentence}, which is not followed: set `base_url` to where the service is"
                ),
            )),
            _ => CallFailure::permanent(JobError::permanent("provider_refused", sentence)),
        }
    }

    /// Returns the error text in a body, short and without the key.
    fn sentence(&self, body: &[u8]) -> String {
        json::parse(body).map(|body| self.excerpt(&body)).unwrap_or_default()
    }

    fn excerpt(&self, body: &Value) -> String {
        sentence_of(body).map(|text| format!(": {}", self.shown(text))).unwrap_or_default()
    }

    /// Prepares a provider's text for an error: one short line without the key, since providers may
    /// repeat a key that they refuse. A model's text is content and stays as it is: a key may be a
    /// plain word, such as the `none` of services that need no key.
    pub fn shown(&self, text: &str) -> String {
        let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let redacted = match self.key() {
            Some(key) => key.redact(&plain),
            None => plain,
        };
        redacted.chars().take(SENTENCE).collect()
    }

    pub(super) fn unreachable(&self, error: reqwest::Error) -> JobError {
        let error = error.without_url();
        let causes =
            std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
        let sentences: Vec<String> = causes.map(ToString::to_string).collect();
        JobError::transient(
            code::UNAVAILABLE,
            format!(
                "provider `{}` can't be used: {}",
                self.name(),
                self.shown(&sentences.join(": "))
            ),
        )
    }

    /// Reads a body of at most `most` bytes.
    pub async fn bytes(&self, response: Response, most: usize) -> Result<Bytes, CallFailure> {
        let (mut body, mut whole) = (self.body(response, most)?, BytesMut::new());
        while let Some(piece) = body.next().await? {
            whole.extend_from_slice(&piece);
        }
        Ok(whole.freeze())
    }

    /// Writes a body of at most `most` bytes to a file, so that long sounds are not held in memory.
    /// Returns its size.
    pub async fn save(
        &self,
        response: Response,
        most: usize,
        path: &Path,
    ) -> Result<usize, CallFailure> {
        let unsaved = |error| CallFailure::permanent(unwritten(error));
        let mut body = self.body(response, most)?;
        let (mut file, mut size) = (File::create(path).await.map_err(unsaved)?, 0);
        while let Some(piece) = body.next().await? {
            size += piece.len();
            file.write_all(&piece).await.map_err(unsaved)?;
        }
        file.flush().await.map_err(unsaved)?;
        Ok(size)
    }

    /// Reads a body of JSON.
    pub async fn json(&self, response: Response, most: usize) -> Result<Value, CallFailure> {
        let body = self.bytes(response, most).await?;
        json::parse(&body).map_err(|refusal| self.bad_answer(&refusal.to_string()))
    }

    /// Returns the media type of a response, without its parameters.
    pub fn media_type(response: &Response) -> String {
        let header = response
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        header.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// Returns the failure for a reply that cannot be used. A retry would not help.
    pub fn bad_answer(&self, what: &str) -> CallFailure {
        CallFailure::permanent(JobError::permanent(
            BAD_ANSWER,
            format!("the answer of provider `{}` {}", self.name(), self.shown(what)),
        ))
    }

    /// Returns the failure for a reply that ended in an error of the provider.
    pub fn broken_off(&self, error: &Value) -> CallFailure {
        let detail =
            format!("provider `{}` broke off its answer{}", self.name(), self.excerpt(error));
        CallFailure::transient(JobError::transient(code::UNAVAILABLE, detail))
    }

    /// Returns the failure for a reply that was cut off.
    pub fn cut(&self) -> CallFailure {
        let detail = format!("the answer of provider `{}` broke off before its end", self.name());
        CallFailure::transient(JobError::transient(code::UNAVAILABLE, detail))
    }
}

/// Finds the error text in a body, in any of the places that services use: the protocol's own, that
/// of older vLLM versions, and those of services built on FastAPI.
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

/// Returns the error code in a body.
fn code_of(body: &[u8]) -> Option<String> {
    let body = json::parse(body).ok()?;
    body["error"]["code"].as_str().or_else(|| body["error"]["type"].as_str()).map(str::to_owned)
}

/// Returns the wait that `Retry-After` asks for, in seconds or as a date. A date is compared with
/// the response's own date, so that clocks need not agree, or with `now` if the response has none.
/// Some services send a more exact header in milliseconds, which is preferred.
fn requested_wait(headers: &HeaderMap, now: Timestamp) -> Duration {
    let text =
        |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let count =
        |text: &str| text.parse::<f64>().ok().filter(|count| (0.0..=A_YEAR_MS).contains(count));
    if let Some(ms) = text(RETRY_AFTER_MS).and_then(count) {
        return Duration::from_secs_f64(ms / 1_000.0);
    }
    let Some(wait) = text(RETRY_AFTER) else { return Duration::ZERO };
    if let Some(seconds) = count(wait) {
        return Duration::from_secs_f64(seconds);
    }
    let date = |text: &str| jiff::fmt::rfc2822::parse(text).ok().map(|date| date.timestamp());
    let now = text(DATE).and_then(date).unwrap_or(now);
    date(wait)
        .and_then(|then| Duration::try_from(then.duration_since(now)).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_text_is_found_wherever_a_service_puts_it() {
        for body in [
            serde_json::json!({"error": {"code": 400, "message": "no such model", "type": ""}}),
            serde_json::json!({"error": "no such model"}),
            serde_json::json!({"object": "error", "message": "no such model", "code": 404}),
            serde_json::json!({"detail": "no such model"}),
            serde_json::json!({"detail": {"error": "invalid", "message": "no such model"}}),
            serde_json::json!({"detail": [{"loc": ["body", "model"], "msg": "no such model"}]}),
        ] {
            assert_eq!(sentence_of(&body), Some("no such model"), "{body}");
        }
        assert_eq!(sentence_of(&serde_json::json!({"error": null})), None);
    }

    #[test]
    fn retry_after_is_read_as_seconds_or_as_a_date() {
        let local = "1999-12-31T23:59:00Z".parse().expect("a time");
        let read = |pairs: &[(HeaderName, &str)]| {
            let header =
                |(name, text): &(HeaderName, &str)| (name.clone(), text.parse().expect("a header"));
            requested_wait(&pairs.iter().map(header).collect(), local)
        };
        let of = |wait: &str, now: &str| read(&[(RETRY_AFTER, wait), (DATE, now)]);
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
