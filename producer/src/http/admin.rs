//! The caches: report, clear and fill.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use backing::cache::{Namespace, Tag};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{
    Api,
    answer::Document,
    batches,
    body::JsonBody,
    caller::Caller,
    problem::{Problem, ProblemDocument, What},
    query::{Params, refused},
    refusals::NotWork,
    shape::{batch::Batch, cache::CacheReport},
};
use crate::submit::request::{WARM_PRIORITY, WARM_TAG, WarmRequest};

/// Reports the contents and hit rates of the caches.
#[utoipa::path(
    get, path = "/v1/admin/cache", operation_id = "getCache", tag = "operation",
    responses((status = 200, body = CacheReport, description = "Of this process since it started; `shared` is of all who use the view cache."))
)]
pub async fn get(State(api): State<Arc<Api>>) -> Result<Response, Problem> {
    Ok(Document::of(&CacheReport::of(&api.cache, None).await)?.with_status(StatusCode::OK))
}

/// The result of clearing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Cleared {
    /// The tags that were cleared; a namespace is one too.
    tags: Vec<String>,
    /// Values that this process held; other processes drop theirs within a second.
    entries: u64,
}

/// Clears values by tag or namespace, in every process within a second.
#[utoipa::path(
    delete, path = "/v1/admin/cache", operation_id = "clearCache", tag = "operation",
    params(
        ("tag" = Option<String>, Query, description = "Such as `provider:openai`, `kind:script`, `host:example.com`."),
        ("namespace" = Option<String>, Query, description = "`text`, `media`, `metadata` or `outside`."),
    ),
    responses(
        (status = 200, body = Cleared),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json", description = "Nothing is named, or no namespace has the name."),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json", description = "The view cache is away: this process is cleared, and the others have not heard."),
    )
)]
pub async fn clear(State(api): State<Arc<Api>>, params: Params) -> Result<Response, Problem> {
    let mut tags: Vec<Tag> = params.word("tag")?.map(Tag::new).into_iter().collect();
    if let Some(name) = params.word("namespace")? {
        let namespace =
            Namespace::parse(&name).ok_or_else(|| refused("namespace", &name, &namespaces()))?;
        tags.push(Tag::of(namespace));
    }
    if tags.is_empty() {
        let detail = format!(
            "name what to clear: `?tag=provider:openai`, or `?namespace=` and {}",
            namespaces()
        );
        return Err(Problem::new(What::InvalidQuery, detail));
    }
    let mut entries = 0;
    for tag in &tags {
        entries += api.cache.clear(tag).await?;
    }
    let tags = tags.iter().map(|tag| tag.as_str().to_owned()).collect();
    Ok(Document::of(&Cleared { tags, entries })?.with_status(StatusCode::OK))
}

fn namespaces() -> String {
    let names = Namespace::ALL.map(|namespace| format!("`{}`", namespace.as_str()));
    format!("one of {}", names.join(", "))
}

/// Fetches sources before they are needed: a batch of probes at the lowest priority.
#[utoipa::path(
    post, path = "/v1/admin/cache/warm", operation_id = "warmCache", tag = "operation", request_body = WarmRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key and body answer the same again, for 24 hours, and make no second batch.")),
    responses(
        (status = 202, body = Batch, description = "Accepted, as a batch; `Location` names it, and a source that can't be had is a rejected item."),
        NotWork,
        (status = 422, body = ProblemDocument, content_type = "application/problem+json", description = "The list has faults."),
    )
)]
pub async fn warm(
    State(api): State<Arc<Api>>,
    caller: Caller,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<Response, Problem> {
    let request = WarmRequest::read(body.document).map_err(common::error::JobError::refused)?;
    let probe = |src: &String| json!({"kind": common::kinds::probe::NAME, "input": {"src": src}, "priority": WARM_PRIORITY, "tags": [WARM_TAG]});
    let jobs: Vec<Value> = request.sources.iter().map(probe).collect();
    let body = JsonBody { document: json!({"jobs": jobs}), length: body.length };
    batches::post(State(api), caller, headers, body).await
}
