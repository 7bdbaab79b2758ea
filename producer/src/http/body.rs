//! Reads a request's body as JSON, within its bounds.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes},
    extract::{FromRequest, Request},
    http::{HeaderMap, header},
};
use common::{
    error::JobError,
    fault::Fault,
    json::{self, JsonRefusal, JsonRefusalKind},
    limits::MAX_BODY_BYTES,
};
use http_body_util::LengthLimitError;
use serde_json::{Map, Value};

use super::{
    problem::{Problem, ProblemKind},
    state::Api,
};
use crate::offload::MemoryPermit;

/// Time for a full batch over a slow line; a slower body holds a connection for nothing.
const WITHIN: Duration = Duration::from_secs(60);

/// A JSON body.
#[derive(Debug)]
pub struct JsonBody {
    pub document: Value,
    /// Length in bytes as received.
    pub length: usize,
    /// To be kept as long as the document.
    pub memory: MemoryPermit,
}

impl FromRequest<Arc<Api>> for JsonBody {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Arc<Api>) -> Result<Self, Problem> {
        declared_as_json(request.headers())?;
        sent_as_it_is(request.headers())?;
        let bytes = read(request).await?;
        let length = bytes.len();
        if length == 0 {
            let detail = "the body is empty: send a JSON object";
            return Err(Problem::new(ProblemKind::MalformedJson, detail));
        }
        let offloader = &api.submit.offloader;
        let scanned = offloader.run(length, move || json::scan(bytes)).await?.map_err(refused)?;
        let memory = offloader.memory(scanned.memory()).await?;
        let document = offloader.run(length, move || scanned.parse()).await?.map_err(refused)?;
        Ok(Self { document, length, memory })
    }
}

/// No body, or an empty object: for calls without arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoBody;

impl<S: Send + Sync> FromRequest<S> for NoBody {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        match optional(request).await? {
            Value::Object(members) if members.is_empty() => Ok(Self),
            _ => Err(Problem::new(
                ProblemKind::InvalidInput,
                "this call takes no arguments: send no body, or `{}`",
            )),
        }
    }
}

/// A body that may be left out; it is `{}` then.
#[derive(Debug, Clone, PartialEq)]
pub struct OptionalBody(pub Value);

impl<S: Send + Sync> FromRequest<S> for OptionalBody {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        optional(request).await.map(Self)
    }
}

async fn optional(request: Request) -> Result<Value, Problem> {
    let declared = declared_as_json(request.headers());
    let bytes = read(request).await?;
    if bytes.is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    declared?;
    json::parse(&bytes).map_err(refused)
}

fn declared_as_json(headers: &HeaderMap) -> Result<(), Problem> {
    let declared =
        headers.get(header::CONTENT_TYPE).map(|value| value.to_str().unwrap_or("unreadable"));
    let essence = declared.unwrap_or("").split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let detail = declared.map_or_else(
        || "`Content-Type` is missing: send `application/json`".to_owned(),
        |declared| format!("`Content-Type: {declared}` is not taken: send `application/json`"),
    );
    Err(Problem::new(ProblemKind::UnsupportedMediaType, detail))
}

/// Refuses compressed bodies: they could expand to any length.
fn sent_as_it_is(headers: &HeaderMap) -> Result<(), Problem> {
    let packed =
        headers.get(header::CONTENT_ENCODING).map(|value| value.to_str().unwrap_or("unreadable"));
    match packed.filter(|packing| !packing.eq_ignore_ascii_case("identity")) {
        Some(packing) => {
            let detail =
                format!("`Content-Encoding: {packing}` is not taken: send the body as it is");
            Err(Problem::new(ProblemKind::UnsupportedMediaType, detail))
        }
        None => Ok(()),
    }
}

async fn read(request: Request) -> Result<Bytes, Problem> {
    let too_large = || {
        Problem::new(
            ProblemKind::TooLarge,
            format!("the body is longer than {MAX_BODY_BYTES} bytes: send it in parts"),
        )
    };
    let length = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: u64| length > MAX_BODY_BYTES as u64) {
        return Err(too_large());
    }
    match tokio::time::timeout(WITHIN, bounded(request.into_body())).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) if is_too_long(&error) => Err(too_large()),
        Ok(Err(error)) => Err(Problem::new(
            ProblemKind::MalformedJson,
            format!("the body could not be read: {error}"),
        )),
        Err(_) => Err(Problem::new(
            ProblemKind::TooSlow,
            format!("the body was not complete after {WITHIN:?}"),
        )),
    }
}

async fn bounded(body: Body) -> Result<Bytes, axum::Error> {
    axum::body::to_bytes(body, MAX_BODY_BYTES).await
}

fn is_too_long(error: &axum::Error) -> bool {
    std::error::Error::source(error).is_some_and(|source| source.is::<LengthLimitError>())
}

fn refused(refusal: JsonRefusal) -> Problem {
    match refusal.kind {
        JsonRefusalKind::Malformed | JsonRefusalKind::TooDeep => {
            Problem::new(ProblemKind::MalformedJson, format!("the body {refusal}"))
        }
        JsonRefusalKind::TooLarge | JsonRefusalKind::ReservedKey => {
            JobError::refused(vec![Fault::new(refusal.pointer, refusal.detail)]).into()
        }
    }
}
