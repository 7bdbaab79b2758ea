//! Request ids: the caller's `x-request-id` if it is well formed, otherwise a new one. The id is in
//! the answer, in the log and in every problem, which is written here.

use axum::{
    extract::Request,
    http::{HeaderName, HeaderValue},
    middleware::Next,
    response::Response,
};
use common::trace::TraceParent;
use tracing::Instrument;
use uuid::Uuid;

use crate::http::{problem::Problem, trace};

const HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// Room for a UUID, a trace id, and the prefixes of proxies.
const MAX_LENGTH: usize = 128;

/// Gives the request and its response the id.
pub async fn layer(request: Request, next: Next) -> Response {
    let id = request.headers().get(HEADER).and_then(well_formed).unwrap_or_else(fresh);
    let text = id.to_str().unwrap_or_default().to_owned();
    let trace = trace::of(request.headers());
    let trace = trace.as_ref().map(TraceParent::trace);
    let (method, path) = (request.method(), request.uri().path());
    let span = tracing::info_span!("request", id = text, %method, path, trace);
    let mut response = next.run(request).instrument(span).await;
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        let rendered = problem.render(&text);
        // Headers that other layers added (`Allow`, timings) stay.
        let empty = std::mem::replace(&mut response, rendered);
        for (name, value) in empty.headers() {
            response.headers_mut().entry(name).or_insert_with(|| value.clone());
        }
    }
    response.headers_mut().insert(HEADER, id);
    response
}

fn fresh() -> HeaderValue {
    HeaderValue::from_str(&Uuid::now_v7().to_string()).unwrap_or(HeaderValue::from_static("none"))
}

/// Accepts letters, digits and the punctuation of ids only: the id goes into logs and pages as it
/// is.
fn well_formed(value: &HeaderValue) -> Option<HeaderValue> {
    let bytes = value.as_bytes();
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(byte);
    (!bytes.is_empty() && bytes.len() <= MAX_LENGTH && bytes.iter().all(plain))
        .then(|| value.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_short_id_is_taken_over() {
        let kept =
            |text: &str| well_formed(&HeaderValue::from_str(text).expect("a header")).is_some();
        assert!(kept("01932b6e-7f00-7abc-8def-0123456789ab") && kept("Root=1-67/x:y"));
        assert!(!kept("") && !kept("a b") && !kept("<script>") && !kept(&"a".repeat(129)));
    }
}
