//! Idempotent calls: a call that may be sent many times and counts once (the IETF draft's
//! `Idempotency-Key`).

use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::Response,
};
use common::{
    id::{Digest, TenantId},
    key::canonical,
    limits::MAX_IDEMPOTENCY_KEY_BYTES,
    submission::{Acceptance, Idempotency, Submission, Work},
};
use serde_json::Value;

use super::{
    Api,
    answer::Document,
    problem::{Problem, What},
};

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// Seconds after which a first read of an accepted job is worthwhile.
const FIRST_LOOK: HeaderValue = HeaderValue::from_static("1");

/// A caller's key with the fingerprint of its request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    key: String,
    fingerprint: Digest,
}

impl Key {
    /// The key itself.
    pub fn name(&self) -> &str {
        &self.key
    }

    /// Reads the key of a call, if it has one. The fingerprint covers the route and the document,
    /// whatever the document's spelling.
    pub fn read(
        headers: &HeaderMap,
        route: &str,
        document: &Value,
    ) -> Result<Option<Self>, Problem> {
        let Some(value) = headers.get(KEY) else { return Ok(None) };
        // The draft has the key as a quoted string; most callers leave the quotes out.
        let key = value.to_str().unwrap_or_default().trim().trim_matches('"');
        if key.is_empty() || key.len() > MAX_IDEMPOTENCY_KEY_BYTES {
            let detail = format!(
                "`Idempotency-Key` must be 1 to {MAX_IDEMPOTENCY_KEY_BYTES} printable ASCII characters"
            );
            return Err(Problem::new(What::InvalidHeader, detail));
        }
        let fingerprint = Digest::of(format!("{route}\n{}", canonical(document)).as_bytes());
        Ok(Some(Self { key: key.to_owned(), fingerprint }))
    }
}

/// Stores the work and answers 202: with `answer`, or with the stored answer of the same call.
pub async fn submit(
    api: &Api,
    tenant: TenantId,
    key: Option<Key>,
    work: Work,
    answer: Document,
    location: String,
) -> Result<Response, Problem> {
    let idempotency = key.map(|Key { key, fingerprint }| {
        let answer = String::from_utf8_lossy(answer.body()).into_owned();
        Idempotency { key, fingerprint, answer }
    });
    let named = idempotency.as_ref().map(|idempotency| idempotency.key.clone()).unwrap_or_default();
    match api.submitter.submit(Submission { tenant, idempotency, work }).await? {
        Acceptance::Stored => Ok(accepted(answer, &location)),
        Acceptance::Replayed(before) => {
            let mut response =
                accepted(Document::written(before.clone()), &relocated(&location, &before));
            response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
            Ok(response)
        }
        Acceptance::KeyReused => {
            let detail = format!(
                "`Idempotency-Key: {named}` was used for another request: send that one, or use a new key"
            );
            Err(Problem::new(What::IdempotencyKeyReused, detail))
        }
    }
}

/// Answers 202 for accepted work, with where to look and when.
pub fn accepted(answer: Document, location: &str) -> Response {
    let mut response = answer.with_status(StatusCode::ACCEPTED);
    let headers = response.headers_mut();
    headers.insert(header::RETRY_AFTER, FIRST_LOOK);
    if let Ok(location) = HeaderValue::from_str(location) {
        headers.insert(header::LOCATION, location);
    }
    response
}

/// Builds the location of a replayed answer: the same collection, with the id of the stored answer.
fn relocated(location: &str, answer: &str) -> String {
    let answer: Value = serde_json::from_str(answer).unwrap_or_default();
    match (location.rsplit_once('/'), answer["id"].as_str()) {
        (Some((collection, _)), Some(id)) => format!("{collection}/{id}"),
        _ => location.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_key_stands_for_route_and_document_however_spelled() {
        let read = |key: &str, route, document: Value| {
            let mut headers = HeaderMap::new();
            headers.insert(KEY, key.parse().expect("a header"));
            Key::read(&headers, route, &document).ok().flatten()
        };
        let one = read("k", "a", json!({"x": 1, "y": 2}));
        assert_eq!(one, read("\"k\"", "a", json!({"y": 2, "x": 1})));
        assert_ne!(one, read("k", "b", json!({"x": 1, "y": 2})));
        assert_ne!(one, read("k", "a", json!({"x": 1, "y": 3})));
        for bad in ["", "\"\"", &"k".repeat(256)] {
            assert_eq!(read(bad, "a", json!({})), None, "{bad}");
        }
    }

    #[test]
    fn a_replayed_answer_points_at_its_own_job() {
        assert_eq!(relocated("/v1/jobs/new", r#"{"id":"old"}"#), "/v1/jobs/old");
    }
}
