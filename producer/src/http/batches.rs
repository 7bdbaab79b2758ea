//! Batches: many jobs in one call, settled item by item.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use common::{id::BatchId, store::Target, view::Page};

use super::{
    body::NoBody,
    caller::Caller,
    job_control, lists,
    parameters::{PageParams, ReadParams},
    path::{Id, missing},
    problem::Problem,
    responses::{
        ListAnswers, NamedAnswers, PartListAnswers, ReadAnswers, RetryAnswers, SubmitAnswers,
    },
    shape::batch::{Batch, BatchItem, BatchPage, ItemPage},
    state::Api,
    submission::accepted,
};
use crate::submit::{calls::SubmitCall, request::BatchRequest};

/// Submits many jobs at once. A refused item settles as rejected and harms no other.
#[utoipa::path(
    post, path = "/v1/batches", operation_id = "submitBatch", tag = "batches",
    request_body = BatchRequest, params(SubmitCall),
    responses(
        (status = 202, body = Batch, description = "Accepted. `Location` names it."),
        SubmitAnswers,
    )
)]
pub async fn post(State(api): State<Arc<Api>>, call: SubmitCall) -> Result<Response, Problem> {
    let render = |batch: &_, now| serde_json::to_string(&Batch::of_new(batch, now));
    Ok(accepted("/v1/batches", api.submit.batch(call, render).await?))
}

/// Lists batches, newest first; as `application/x-ndjson` all of them, one a line.
#[utoipa::path(
    get, path = "/v1/batches", operation_id = "listBatches", tag = "batches",
    params(PageParams),
    responses(
        (status = 200, content(
            (BatchPage = "application/json"), (Batch = "application/x-ndjson"),
        )),
        ListAnswers,
    )
)]
pub async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
    page: PageParams,
) -> Result<Response, Problem> {
    let read = move |after, most| {
        let (api, caller) = (Arc::clone(&api), caller.clone());
        async move {
            let found = api.store.batches(&caller.tenant, after, most).await?;
            Ok(found.map(|view| Batch::of_view(&view)))
        }
    };
    let document = |page: Page<Batch>| BatchPage { batches: page.items, next_cursor: page.next };
    lists::answer(&page, "batches", read, document).await
}

/// Counts a batch's items by their state.
#[utoipa::path(
    get, path = "/v1/batches/{id}", operation_id = "getBatch", tag = "batches",
    params(Id<BatchId>, ReadParams),
    responses((status = 200, body = Batch), ReadAnswers)
)]
pub async fn get(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Id(id): Id<BatchId>,
    read: ReadParams,
) -> Result<Response, Problem> {
    let view = api.store.batch(&caller.tenant, id).await?.ok_or_else(|| missing(&id))?;
    read.answer(&Batch::of_view(&view))
}

/// Lists a batch's items in their order, each with its value or its reason; as
/// `application/x-ndjson` all of them, one a line.
#[utoipa::path(
    get, path = "/v1/batches/{id}/results", operation_id = "listBatchResults", tag = "batches",
    params(Id<BatchId>, PageParams),
    responses(
        (status = 200, content(
            (ItemPage = "application/json"), (BatchItem = "application/x-ndjson"),
        )),
        PartListAnswers,
    )
)]
pub async fn results(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Id(id): Id<BatchId>,
    page: PageParams,
) -> Result<Response, Problem> {
    let read = move |from: Option<u32>, most| {
        let (api, caller) = (Arc::clone(&api), caller.clone());
        async move {
            let items = api.store.items(&caller.tenant, id, from.unwrap_or(0), most + 1).await?;
            let items = items.ok_or_else(|| missing(&id))?;
            let links = caller.links(&api);
            let page = Page::of(items, most, |(index, _)| (index + 1).to_string());
            Ok(page.map(|(index, item)| BatchItem::of_view(index, item, &links)))
        }
    };
    let document = |page: Page<BatchItem>| ItemPage { results: page.items, next_cursor: page.next };
    lists::answer(&page, "results", read, document).await
}

/// Cancels the unsettled items of a batch.
#[utoipa::path(
    post, path = "/v1/batches/{id}/cancel", operation_id = "cancelBatch", tag = "batches",
    params(Id<BatchId>),
    responses(
        (status = 200, body = Batch, description = "All of it has settled."),
        (status = 202, body = Batch, description = "Some of it runs and was asked to stop."),
        NamedAnswers,
    )
)]
pub async fn cancel(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Id(id): Id<BatchId>,
    _: NoBody,
) -> Result<Response, Problem> {
    job_control::cancel(&api, &caller, Target::Batch(id)).await
}

/// Runs again the items whose jobs failed or were cancelled; refused items stay refused.
#[utoipa::path(
    post, path = "/v1/batches/{id}/retry", operation_id = "retryBatch", tag = "batches",
    params(Id<BatchId>),
    responses((status = 202, body = Batch, description = "They run again."), RetryAnswers)
)]
pub async fn retry(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Id(id): Id<BatchId>,
    _: NoBody,
) -> Result<Response, Problem> {
    job_control::retry(&api, &caller, Target::Batch(id)).await
}
