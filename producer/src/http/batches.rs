//! Batches: many jobs in one call, settled item by item.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use common::{id::BatchId, store::Target, submission::Work};
use tokio::time::Instant;

use super::{
    Api,
    answer::Document,
    body::{JsonBody, NoBody, apart},
    caller::Caller,
    idempotency,
    path::Path,
    problem::{Problem, ProblemDocument, What},
    query::Params,
    refusals::{BadParameter, Missing, NotWork},
    shape::batch::{Batch, Item, ItemPage},
    trace,
};
use crate::submit::{plan::Planner, request::BatchRequest};

/// Asks for many jobs at once. An item that is refused settles as rejected and harms no other.
#[utoipa::path(
    post, path = "/v1/batches", operation_id = "submitBatch", tag = "batches", request_body = BatchRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key and body answer the same again, for 24 hours, and make no second batch.")),
    responses(
        (status = 202, body = Batch, description = "Accepted. `Location` names it."),
        (status = 422, body = ProblemDocument, content_type = "application/problem+json", description = "The batch itself has faults."),
        NotWork,
    )
)]
pub async fn post(
    State(api): State<Arc<Api>>,
    caller: Caller,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<Response, Problem> {
    let begun = Instant::now();
    api.admit_work()?;
    let key = idempotency::Key::read(&headers, "POST /v1/batches", &body.document)?;
    let (now, catalog) = (api.now(), Arc::clone(&api.catalog));
    let batch = apart(body.length, move || Planner { catalog: &catalog, now }.batch(body.document))
        .await??;
    let batch = batch.traced(trace::of(&headers));
    let answer = Document::of(&Batch::of_new(&batch, now))?;
    let location = format!("/v1/batches/{}", batch.id);
    let response =
        idempotency::submit(&api, caller.tenant, key, Work::Batch(batch), answer, location).await?;
    api.metrics.accept.with_label_values(&["batch"]).observe(begun.elapsed().as_secs_f64());
    Ok(response)
}

/// Counts a batch's items by their state.
#[utoipa::path(
    get, path = "/v1/batches/{id}", operation_id = "getBatch", tag = "batches",
    params(
        ("id" = String, Path, description = "The batch's id."),
        ("If-None-Match" = Option<String>, Header, description = "The `ETag` of what is known already."),
    ),
    responses(
        (status = 200, body = Batch),
        (status = 304, description = "As it was known."),
        Missing,
    )
)]
pub async fn get(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let batch = stored(&api, &caller, parse(&id)?, &id).await?;
    Ok(Document::cut(&batch, &params.fields())?.conditional(&headers))
}

/// Lists a batch's items in their order, each with its value or its reason.
#[utoipa::path(
    get, path = "/v1/batches/{id}/results", operation_id = "listBatchResults", tag = "batches",
    params(
        ("id" = String, Path, description = "The batch's id."),
        ("cursor" = Option<String>, Query, description = "`nextCursor` of the page before."),
        ("limit" = Option<u32>, Query, description = "How many, 20 unless said, at most 100."),
        ("fields" = Option<String>, Query, description = "Only these members of each item."),
    ),
    responses(
        (status = 200, body = ItemPage),
        BadParameter,
        Missing,
    )
)]
pub async fn results(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
    params: Params,
) -> Result<Response, Problem> {
    let batch = parse(&id)?;
    let from = params
        .parsed::<u32>("cursor", "a cursor: give `nextCursor` of the page before")?
        .unwrap_or(0);
    let limit = params.limit()?;
    // One item more than the page shows whether there is a next page.
    let items = api
        .store
        .items(&caller.tenant, batch, from, limit + 1)
        .await?
        .ok_or_else(|| missing(&id))?;
    let next_cursor = items.get(limit as usize).map(|(index, _)| index.to_string());
    let links = api.links(&caller);
    let shown = items.into_iter().take(limit as usize);
    let results = shown.map(|(index, item)| Item::of_view(index, item, &links)).collect();
    let page = ItemPage { results, next_cursor };
    Ok(Document::cut(&page, &params.fields().in_page("results"))?.with_status(StatusCode::OK))
}

/// Cancels the unsettled items of a batch.
#[utoipa::path(
    post, path = "/v1/batches/{id}/cancel", operation_id = "cancelBatch", tag = "batches",
    params(("id" = String, Path, description = "The batch's id.")),
    responses(
        (status = 200, body = Batch, description = "All of it has settled."),
        (status = 202, body = Batch, description = "Some of it runs and was asked to stop."),
        Missing,
    )
)]
pub async fn cancel(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
    _: NoBody,
) -> Result<Response, Problem> {
    let batch = parse(&id)?;
    api.changer
        .cancel(caller.tenant.clone(), Target::Batch(batch))
        .await?
        .ok_or_else(|| missing(&id))?;
    let batch = stored(&api, &caller, batch, &id).await?;
    let status = if batch.is_settled() { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok(Document::of(&batch)?.with_status(status))
}

/// Runs again the items whose jobs failed or were cancelled; refused items stay refused.
#[utoipa::path(
    post, path = "/v1/batches/{id}/retry", operation_id = "retryBatch", tag = "batches",
    params(("id" = String, Path, description = "The batch's id.")),
    responses(
        (status = 202, body = Batch, description = "They run again."),
        Missing,
        (status = 409, body = ProblemDocument, content_type = "application/problem+json", description = "No item failed or was cancelled."),
    )
)]
pub async fn retry(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
    _: NoBody,
) -> Result<Response, Problem> {
    let batch = parse(&id)?;
    let again = api
        .changer
        .retry(caller.tenant.clone(), Target::Batch(batch))
        .await?
        .ok_or_else(|| missing(&id))?;
    if again == 0 {
        let detail = format!(
            "no item of batch `{id}` failed or was cancelled, and refused items were never jobs"
        );
        return Err(Problem::new(What::NothingToRetry, detail));
    }
    let batch = stored(&api, &caller, batch, &id).await?;
    Ok(Document::of(&batch)?.with_status(StatusCode::ACCEPTED))
}

async fn stored(api: &Api, caller: &Caller, batch: BatchId, id: &str) -> Result<Batch, Problem> {
    let view = api.store.batch(&caller.tenant, batch).await?.ok_or_else(|| missing(id))?;
    Ok(Batch::of_view(&view))
}

fn parse(id: &str) -> Result<BatchId, Problem> {
    id.parse().map_err(|_| missing(id))
}

fn missing(id: &str) -> Problem {
    Problem::not_found("batch", id)
}
