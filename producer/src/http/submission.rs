//! Submit calls over HTTP: the headers and the body of one, and the 202 that answers it.
//!
//! A call with an `Idempotency-Key` (as in the IETF draft) may be sent many times and counts once.

use std::{fmt::Display, sync::Arc};

use axum::{
    RequestExt,
    extract::{FromRequest, Request},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::Response,
};
use common::limits::MAX_IDEMPOTENCY_KEY_BYTES;
use utoipa::{
    IntoParams,
    openapi::path::{Parameter, ParameterIn},
};

use super::{
    answer::Document,
    body::JsonBody,
    caller::Caller,
    parameters::described,
    problem::{Problem, ProblemKind},
    state::Api,
    trace,
};
use crate::submit::calls::{AnswerOrigin, SubmitCall, Submitted};

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// Seconds after which a first read of an accepted job is worthwhile.
const FIRST_READ: HeaderValue = HeaderValue::from_static("1");

impl FromRequest<Arc<Api>> for SubmitCall {
    type Rejection = Problem;

    async fn from_request(mut request: Request, api: &Arc<Api>) -> Result<Self, Problem> {
        let Ok(Caller { tenant, .. }) = request.extract_parts_with_state(api).await;
        let (key, trace) = (read_key(request.headers()), trace::of(request.headers()));
        let JsonBody { document, length, memory } = JsonBody::from_request(request, api).await?;
        Ok(Self { tenant, key: key?, trace, document, length, memory })
    }
}

impl IntoParams for SubmitCall {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let key = "The same key and body answer the same again, for 24 hours, and submit nothing \
                   twice.";
        let trace = "The trace that the call belongs to (W3C Trace Context): the task messages \
                     and the workers' logs carry it.";
        vec![
            described(ParameterIn::Header, "Idempotency-Key", key),
            described(ParameterIn::Header, "traceparent", trace),
        ]
    }
}

fn read_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(KEY) else { return Ok(None) };
    // The draft has the key as a quoted string; most callers leave the quotes out.
    let key = value.to_str().unwrap_or_default().trim().trim_matches('"');
    if key.is_empty() || key.len() > MAX_IDEMPOTENCY_KEY_BYTES {
        let detail = format!(
            "`Idempotency-Key` must be 1 to {MAX_IDEMPOTENCY_KEY_BYTES} printable ASCII characters"
        );
        return Err(Problem::new(ProblemKind::InvalidHeader, detail));
    }
    Ok(Some(key.to_owned()))
}

/// Answers 202 for work that was stored in `collection`, such as `/v1/jobs`.
pub fn accepted(collection: &str, submitted: Submitted<impl Display>) -> Response {
    let mut response = Document::written(submitted.answer).with_status(StatusCode::ACCEPTED);
    let headers = response.headers_mut();
    headers.insert(header::RETRY_AFTER, FIRST_READ);
    if let Ok(location) = HeaderValue::from_str(&format!("{collection}/{}", submitted.id)) {
        headers.insert(header::LOCATION, location);
    }
    if submitted.origin == AnswerOrigin::Replayed {
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_with_and_without_quotes_and_within_its_bounds() {
        let read = |key: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(KEY, key.parse().expect("a header"));
            read_key(&headers).ok().flatten()
        };
        assert_eq!(read("k").as_deref(), Some("k"));
        assert_eq!(read("\"k\""), read("k"));
        for bad in ["", "\"\"", &"k".repeat(256)] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
