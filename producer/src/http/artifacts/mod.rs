//! Artifacts by the hash of their content, whole or in part. They never change.

mod file_name;
mod range;
mod sniff;

use std::{ops::Range, sync::Arc};

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use common::{
    id::Digest,
    port::{PortResult, artifacts::Artifacts},
};
use futures::TryStreamExt;

use self::{file_name::FileName, range::RequestedRange};
use super::{
    answer::names_tag,
    path::{Id, missing},
    problem::{Problem, ProblemKind},
    query::Params,
    responses,
    state::Api,
};

/// The content of a hash never changes, so caches need not ask again.
const FOR_EVER: HeaderValue = HeaderValue::from_static("private, max-age=31536000, immutable");

/// Reads an artifact.
#[utoipa::path(
    get, path = "/v1/artifacts/{hash}", operation_id = "getArtifact", tag = "artifacts",
    params(
        Id<Digest>,
        ("filename" = Option<String>, Query, description = "The name under which a browser saves \
            the file. The extension of its type is added to a name without one."),
        ("Range" = Option<String>, Header, description = "One range of bytes, such as \
            `bytes=0-1023`."),
    ),
    responses(
        (status = 200, content_type = "application/octet-stream", body = Vec<u8>,
            description = "All of it, with the media type of its first bytes. \
            `Content-Disposition` names the file."),
        (status = 206, content_type = "application/octet-stream", body = Vec<u8>,
            description = "The range."),
        responses::ArtifactAnswers,
    )
)]
pub async fn get(
    State(api): State<Arc<Api>>,
    Id(digest): Id<Digest>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let name = params.text("filename").map(FileName::parse).transpose()?;
    serve(&api, &digest, name, &headers).await
}

/// Answers with the artifact of this hash, as the request's headers ask for it.
pub async fn serve(
    api: &Api,
    digest: &Digest,
    name: Option<FileName>,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let size = api.artifacts.size(digest).await?.ok_or_else(|| missing(digest))?;
    let tag = format!("\"{digest}\"");
    if names_tag(headers, &tag) {
        return Ok(described(StatusCode::NOT_MODIFIED.into_response(), &tag));
    }
    let (status, bytes) = match range::requested(headers, &tag, size) {
        RequestedRange::All => (StatusCode::OK, 0..size),
        RequestedRange::Part(bytes) => (StatusCode::PARTIAL_CONTENT, bytes),
        RequestedRange::Outside => {
            let problem = Problem::new(
                ProblemKind::RangeNotSatisfiable,
                format!("the artifact is {size} bytes long"),
            );
            return Err(problem.with(header::CONTENT_RANGE, text(&format!("bytes */{size}"))));
        }
    };
    let media_type = media_type(api.artifacts.as_ref(), digest, size).await?;
    let disposition = match name {
        Some(name) => name.attachment(media_type)?,
        None => file_name::inline(digest, media_type),
    };
    let stream = api.artifacts.read(digest, bytes.start, bytes.end).await?;
    let stream = stream.ok_or_else(|| missing(digest))?;
    let mut response = described((status, Body::from_stream(stream)).into_response(), &tag);
    let sent = response.headers_mut();
    sent.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    sent.insert(header::CONTENT_DISPOSITION, text(&disposition));
    sent.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes.end - bytes.start));
    if status == StatusCode::PARTIAL_CONTENT {
        sent.insert(header::CONTENT_RANGE, content_range(&bytes, size));
    }
    Ok(response)
}

/// Adds the headers of every answer about an artifact. A browser must neither guess another type
/// nor run the content.
fn described(mut response: Response, tag: &str) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::ETAG, text(tag));
    headers.insert(header::CACHE_CONTROL, FOR_EVER);
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; sandbox"),
    );
    response
}

fn content_range(bytes: &Range<u64>, size: u64) -> HeaderValue {
    text(&format!("bytes {}-{}/{size}", bytes.start, bytes.end - 1))
}

/// A header value built here from ASCII.
fn text(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}

/// Detects the media type from the first bytes. A stored type would have to travel with every hash
/// through results and memos; the bytes are always here.
async fn media_type(
    artifacts: &dyn Artifacts,
    hash: &Digest,
    size: u64,
) -> PortResult<&'static str> {
    let Some(mut start) = artifacts.read(hash, 0, size.min(sniff::SIGNATURE_BYTES)).await? else {
        return Ok(sniff::UNKNOWN);
    };
    let mut head = Vec::new();
    while let Some(chunk) = start.try_next().await? {
        head.extend_from_slice(&chunk);
    }
    Ok(sniff::media_type(&head))
}
