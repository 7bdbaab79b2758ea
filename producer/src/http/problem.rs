//! Errors as RFC 9457 problem details, and the one table of them.
//!
//! A [`Problem`] travels to the outermost layer as an extension of an empty response and is written
//! there, because only there the request's id is known for certain (`middleware::request_id`).

use axum::{
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use common::{
    error::{JobError, code},
    fault::Fault,
    port::PortError,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{offload::OffloadError, submit::calls::SubmitError};

/// The kinds of problems. The word of each ends its `type`, `/problems/{word}`, where a page says
/// more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemKind {
    MalformedJson,
    /// Members of the body have faults.
    InvalidInput,
    UnknownKind,
    InvalidQuery,
    InvalidHeader,
    /// The body is not declared as JSON.
    UnsupportedMediaType,
    TooLarge,
    /// The body arrived too slowly.
    TooSlow,
    NotFound,
    MethodNotAllowed,
    /// The request comes from a page of another origin, or uses another host name.
    ForeignOrigin,
    /// The idempotency key belongs to another request.
    IdempotencyKeyReused,
    /// The target has nothing to retry.
    NothingToRetry,
    /// The range lies outside the artifact.
    RangeNotSatisfiable,
    /// Too many tasks wait already.
    Overloaded,
    /// A needed part is away.
    Unavailable,
    /// An error of the server.
    Internal,
}

/// One row of the table. Words are public and never change.
struct ProblemEntry {
    word: &'static str,
    status: StatusCode,
    title: &'static str,
    retryable: bool,
    page: &'static str,
}

impl ProblemKind {
    const ALL: [Self; 17] = [
        Self::MalformedJson,
        Self::InvalidInput,
        Self::UnknownKind,
        Self::InvalidQuery,
        Self::InvalidHeader,
        Self::UnsupportedMediaType,
        Self::TooLarge,
        Self::TooSlow,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::ForeignOrigin,
        Self::IdempotencyKeyReused,
        Self::NothingToRetry,
        Self::RangeNotSatisfiable,
        Self::Overloaded,
        Self::Unavailable,
        Self::Internal,
    ];

    fn entry(self) -> ProblemEntry {
        let (word, status, title, retryable, page) = match self {
            Self::MalformedJson => (
                "malformed_json",
                StatusCode::BAD_REQUEST,
                "The body is not JSON",
                false,
                "The body could not be parsed. The detail names the line and column of the error. \
                 Nothing was stored.",
            ),
            Self::InvalidInput => (
                code::INVALID_INPUT,
                StatusCode::UNPROCESSABLE_ENTITY,
                "The request has faults",
                false,
                "Every fault is in `errors`, each with a JSON Pointer (RFC 6901) from the start of \
                 the body and a sentence that says what to do. Nothing was stored.",
            ),
            Self::UnknownKind => (
                code::UNKNOWN_KIND,
                StatusCode::UNPROCESSABLE_ENTITY,
                "No kind has this name",
                false,
                "`kind` names no kind of job that this server knows; the detail lists those that \
                 it does. Nothing was stored.",
            ),
            Self::InvalidQuery => (
                "invalid_query",
                StatusCode::BAD_REQUEST,
                "A query parameter is wrong",
                false,
                "The detail names the parameter and its value, and says which values are allowed.",
            ),
            Self::InvalidHeader => (
                "invalid_header",
                StatusCode::BAD_REQUEST,
                "A header is wrong",
                false,
                "The detail names the header, and says which values are allowed.",
            ),
            Self::UnsupportedMediaType => (
                "unsupported_media_type",
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "The body must be JSON",
                false,
                "Send `Content-Type: application/json`, and no `Content-Encoding`. Nothing else is \
                 accepted, so that no web page can post here with a plain form.",
            ),
            Self::TooLarge => (
                "too_large",
                StatusCode::PAYLOAD_TOO_LARGE,
                "The body is too large",
                false,
                "Send fewer jobs in one batch, or smaller inputs: large files belong behind a URL.",
            ),
            Self::TooSlow => (
                "too_slow",
                StatusCode::REQUEST_TIMEOUT,
                "The body arrived too slowly",
                true,
                "The body was not complete in time. Nothing was stored; send it again.",
            ),
            Self::NotFound => (
                "not_found",
                StatusCode::NOT_FOUND,
                "There is no such thing",
                false,
                "The path or the id is wrong, or the resource is gone: jobs are kept for a time \
                 after they end.",
            ),
            Self::MethodNotAllowed => (
                "method_not_allowed",
                StatusCode::METHOD_NOT_ALLOWED,
                "The path does not know this method",
                false,
                "`Allow` lists the methods that it knows.",
            ),
            Self::ForeignOrigin => (
                "foreign_origin",
                StatusCode::FORBIDDEN,
                "The origin is foreign",
                false,
                "Without API keys this server answers only calls to a loopback name (localhost, \
                 127.0.0.1, [::1]) and no web page of another origin.",
            ),
            Self::IdempotencyKeyReused => (
                "idempotency_key_reused",
                StatusCode::UNPROCESSABLE_ENTITY,
                "The idempotency key belongs to another request",
                false,
                "A key names one request for 24 hours. Send the same body again to get the same \
                 answer, or use a new key for a new request.",
            ),
            Self::NothingToRetry => (
                "nothing_to_retry",
                StatusCode::CONFLICT,
                "There is nothing to retry",
                false,
                "Retry runs failed and cancelled jobs again, once they are final. Jobs that run or \
                 succeeded are left alone, and a refused item was never a job.",
            ),
            Self::RangeNotSatisfiable => (
                "range_not_satisfiable",
                StatusCode::RANGE_NOT_SATISFIABLE,
                "The range lies outside the artifact",
                false,
                "`Content-Range` says how long the artifact is.",
            ),
            Self::Overloaded => (
                "overloaded",
                StatusCode::SERVICE_UNAVAILABLE,
                "Too many tasks wait already",
                true,
                "More tasks wait than this server was set to take on. Nothing was stored; try \
                 again after `Retry-After`, or add workers.",
            ),
            Self::Unavailable => (
                "unavailable",
                StatusCode::SERVICE_UNAVAILABLE,
                "A part of the server is away",
                true,
                "The detail names the part. Try again after `Retry-After`; with an \
                 `Idempotency-Key` that is safe even if the first call got through.",
            ),
            Self::Internal => (
                code::INTERNAL,
                StatusCode::INTERNAL_SERVER_ERROR,
                "Something went wrong here",
                true,
                "An error of the server. Its log has the details under the `requestId`.",
            ),
        };
        ProblemEntry { word, status, title, retryable, page }
    }

    /// Returns the title and text of the page about a problem.
    pub fn page(word: &str) -> Option<String> {
        let entry = Self::ALL.into_iter().map(Self::entry).find(|entry| entry.word == word)?;
        Some(format!("{} ({})\n\n{}\n", entry.title, entry.status.as_u16(), entry.page))
    }
}

/// A refusal or a failure on its way to the client.
#[derive(Debug, Clone)]
pub struct Problem {
    kind: ProblemKind,
    detail: String,
    errors: Vec<Fault>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// Why a request was refused or failed (RFC 9457).
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Problem)]
pub struct ProblemDocument {
    /// A URI reference that identifies this type of problem and links to a page about it; its last
    /// part is a stable word.
    #[schema(example = "/problems/invalid_input")]
    r#type: String,
    /// The same for every problem of the type.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// The error of this request, and what to do about it.
    detail: String,
    /// The request's id, to find it in the server's log.
    request_id: String,
    /// Set if sending the same request again may help.
    retryable: bool,
    /// Every fault of the request's body.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FaultDocument>,
}

/// One fault of a request's body.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = Fault)]
pub struct FaultDocument {
    /// A JSON Pointer (RFC 6901) from the start of the body; in a batch's reason, from the start of
    /// the item.
    #[schema(example = "/input/text")]
    pointer: String,
    /// The fault at this place, and what to do about it.
    detail: String,
}

impl From<Fault> for FaultDocument {
    fn from(fault: Fault) -> Self {
        Self { pointer: fault.pointer, detail: fault.detail }
    }
}

/// Seconds after which to send a request again that the store or the backlog refused.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("2");

impl Problem {
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), errors: Vec::new(), headers: Vec::new() }
    }

    /// Adds a header.
    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// An unknown id of a `noun` such as "job".
    pub fn not_found(noun: &str, id: &str) -> Self {
        let id: String = id.chars().take(80).collect();
        Self::new(ProblemKind::NotFound, format!("there is no {noun} `{id}`"))
    }

    /// An unknown name, with the list of all names.
    pub fn none_of(noun: &str, name: &str, all: &[&str]) -> Self {
        let problem = Self::not_found(noun, name);
        Self { detail: format!("{}: use one of {}", problem.detail, all.join(", ")), ..problem }
    }

    fn document(&self, request_id: &str) -> ProblemDocument {
        let entry = self.kind.entry();
        ProblemDocument {
            r#type: format!("/problems/{}", entry.word),
            title: entry.title,
            status: entry.status.as_u16(),
            detail: self.detail.clone(),
            request_id: request_id.to_owned(),
            retryable: entry.retryable,
            errors: self.errors.iter().cloned().map(FaultDocument::from).collect(),
        }
    }

    /// Writes the response's body.
    pub fn document_text(&self, request_id: &str) -> String {
        serde_json::to_string(&self.document(request_id)).unwrap_or_default()
    }

    /// Writes the response.
    pub fn render(&self, request_id: &str) -> Response {
        let document = self.document_text(request_id);
        let mut response = (self.kind.entry().status, document).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.extend(self.headers.iter().cloned());
        response
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.kind.entry().status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// A refused input, with all its faults.
impl From<JobError> for Problem {
    fn from(error: JobError) -> Self {
        let kind = match error.code.as_str() {
            code::UNKNOWN_KIND => ProblemKind::UnknownKind,
            _ => ProblemKind::InvalidInput,
        };
        Self { errors: error.errors, ..Self::new(kind, error.detail) }
    }
}

/// A submit call that stored nothing.
impl From<SubmitError> for Problem {
    fn from(error: SubmitError) -> Self {
        let detail = error.to_string();
        match error {
            SubmitError::Overloaded { .. } => {
                Self::new(ProblemKind::Overloaded, detail).with(header::RETRY_AFTER, RETRY_AFTER)
            }
            SubmitError::Refused(error) => error.into(),
            SubmitError::KeyReused(_) | SubmitError::ScheduleKeyReused => {
                Self::new(ProblemKind::IdempotencyKeyReused, detail)
            }
            SubmitError::Contended(_) => Self::new(ProblemKind::Unavailable, detail),
            SubmitError::Offload(error) => error.into(),
            SubmitError::Port(error) => error.into(),
        }
    }
}

/// A computation that had no turn, took too long or panicked.
impl From<OffloadError> for Problem {
    fn from(error: OffloadError) -> Self {
        match error {
            OffloadError::Busy | OffloadError::TooLong => {
                Self::new(ProblemKind::Unavailable, error.to_string())
                    .with(header::RETRY_AFTER, RETRY_AFTER)
            }
            OffloadError::Broken(error) => PortError::broken("reading a request", error).into(),
        }
    }
}

/// A part that is away is named to the caller; a broken one is only logged, because its error may
/// quote internals.
impl From<PortError> for Problem {
    fn from(error: PortError) -> Self {
        match &error {
            PortError::Unavailable { part, .. } => {
                tracing::warn!(%error, "a request was refused because a part is away");
                let detail = format!("{part} can't be reached just now; try again soon");
                Self::new(ProblemKind::Unavailable, detail).with(header::RETRY_AFTER, RETRY_AFTER)
            }
            PortError::Exhausted { part, .. } => {
                tracing::warn!(%error, "a request was refused for want of resources");
                let detail = format!("{part} lacks resources of this machine; try again soon");
                Self::new(ProblemKind::Unavailable, detail).with(header::RETRY_AFTER, RETRY_AFTER)
            }
            PortError::Broken { .. } => {
                tracing::error!(%error, "a request failed");
                Self::new(ProblemKind::Internal, "the server could not do this; its log says why")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_problem_has_a_word_and_a_page_of_its_own() {
        let words: BTreeSet<_> = ProblemKind::ALL.map(|kind| kind.entry().word).into();
        assert_eq!(words.len(), ProblemKind::ALL.len());
        for kind in ProblemKind::ALL {
            let entry = kind.entry();
            assert!(
                ProblemKind::page(entry.word).is_some_and(|page| page.starts_with(entry.title)),
                "{kind:?}"
            );
        }
        assert_eq!(ProblemKind::page("nope"), None);
    }
}
