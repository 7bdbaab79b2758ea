//! The JSON Schema of each kind's input.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::Response,
};

use super::{answer::Document, path::Path, problem::Problem, responses, state::Api};

/// Serves the JSON Schema of a kind's input: of `render`, that of a composition. It holds the
/// rules of single members; `/v1/compositions/check` and a submit also check the others.
#[utoipa::path(
    get, path = "/schemas/{kind}", operation_id = "getSchema", tag = "jobs",
    params(("kind" = String, Path, description = "A kind of job, such as `render`.")),
    responses(
        (status = 200, content_type = "application/schema+json", body = serde_json::Value,
            description = "The schema (draft 2020-12)."),
        responses::SchemaAnswers,
    )
)]
pub async fn get(
    State(api): State<Arc<Api>>,
    Path(kind): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let schema = api.catalog.get(&kind).and_then(|spec| spec.schema).ok_or_else(|| {
        let kinds: Vec<&str> = api.catalog.jobs().map(|kind| kind.name).collect();
        Problem::none_of("kind", &kind, &kinds)
    })?;
    let mut response = Document::of(&schema())?.conditional(&headers);
    if response.headers().contains_key(header::CONTENT_TYPE) {
        let json = HeaderValue::from_static("application/schema+json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
    }
    Ok(response)
}
