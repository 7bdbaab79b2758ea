//! The caches: report, clear and fill.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::Response};
use backing::cache::{Namespace, Tag};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    answer::Document,
    problem::{Problem, ProblemKind},
    query::{Params, refused},
    responses::{ClearAnswers, SubmitAnswers},
    shape::{batch::Batch, cache::CacheReport},
    state::Api,
    submission::accepted,
};
use crate::submit::{calls::SubmitCall, request::WarmRequest};

/// Reports the contents and hit rates of the caches.
#[utoipa::path(
    get, path = "/v1/admin/cache", operation_id = "getCache", tag = "operation",
    responses((status = 200, body = CacheReport, description = "Of this process since it started; \
        `shared` is of all processes that use the view cache."))
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

/// Patterns that values can be cleared by.
const PATTERNS: &str = "a tag of the groups `kind`, `provider`, `host` and `namespace`, or one of \
                        the patterns `*`, `kind:*`, `provider:*`, `host:*` and \
                        `host:*.example.com` (a domain of four labels at most)";

/// Clears values by tag or namespace, in every process within a second.
#[utoipa::path(
    delete, path = "/v1/admin/cache", operation_id = "clearCache", tag = "operation",
    params(
        ("tag" = Option<String>, Query, description = "Such as `provider:openai`, `kind:script`, \
            `host:example.com`; or a pattern: `*`, `kind:*`, `provider:*`, `host:*`, \
            `host:*.example.com`."),
        ("namespace" = Option<String>, Query, description = "`text`, `media`, `metadata` or \
            `outside`."),
    ),
    responses((status = 200, body = Cleared), ClearAnswers)
)]
pub async fn clear(State(api): State<Arc<Api>>, params: Params) -> Result<Response, Problem> {
    let mut tags = Vec::new();
    if let Some(text) = params.word("tag")? {
        tags.push(Tag::parse(&text).ok_or_else(|| refused("tag", &text, PATTERNS))?);
    }
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
        return Err(Problem::new(ProblemKind::InvalidQuery, detail));
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
    post, path = "/v1/admin/cache/warm", operation_id = "warmCache", tag = "operation",
    request_body = WarmRequest, params(SubmitCall),
    responses(
        (status = 202, body = Batch, description = "Accepted, as a batch; `Location` names it, and \
            a source that can't be had is a rejected item."),
        SubmitAnswers,
    )
)]
pub async fn warm(State(api): State<Arc<Api>>, call: SubmitCall) -> Result<Response, Problem> {
    let render = |batch: &_, now| serde_json::to_string(&Batch::of_new(batch, now));
    Ok(accepted("/v1/batches", api.submit.warm(call, render).await?))
}
