//! What a queue of work wants of its workers: what an autoscaler goes by.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::Response};
use common::queue::Queue;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Api, answer::Document, path::Path, problem::Problem, refusals::Missing};

/// What a queue wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Demand)]
pub struct DemandShape {
    /// `render`, `generate` or `light`.
    queue: &'static str,
    /// Tasks that could run and wait; counted up to a bound.
    queued: u64,
    /// Tasks that run.
    running: u64,
    /// Slots of the workers that are alive.
    slots: u64,
    /// Slots that would have what waits done within half a minute, going by the median, beside what runs.
    slots_needed: u64,
    /// Workers that are alive and have slots for it.
    workers: u64,
    /// Workers like those (of one slot, if there is none) that would have these slots: what to scale to.
    workers_needed: u64,
    /// What the latest attempts took that succeeded: their median, in milliseconds; `null` while none has.
    median_ms: Option<u64>,
    /// Whether the queue is paused. What is paused wants nobody.
    paused: bool,
    /// Milliseconds that the oldest of those that wait has waited.
    oldest_ms: u64,
}

/// Says what a queue of work wants of its workers.
#[utoipa::path(
    get, path = "/v1/queues/{queue}/demand", operation_id = "getDemand", tag = "operation",
    params(("queue" = String, Path, description = "`render`, `generate` or `light`.")),
    responses(
        (status = 200, body = DemandShape),
        Missing,
    )
)]
pub async fn get(
    State(api): State<Arc<Api>>,
    Path(queue): Path<String>,
) -> Result<Response, Problem> {
    let queue = Queue::parse(&queue)
        .ok_or_else(|| Problem::none_of("queue", &queue, &Queue::ALL.map(Queue::as_str)))?;
    let demand = api.store.demand(queue).await?;
    let shape = DemandShape {
        queue: queue.as_str(),
        queued: demand.waiting,
        running: demand.running,
        slots: demand.slots,
        slots_needed: demand.slots_needed(),
        workers: demand.workers,
        workers_needed: demand.workers_needed(),
        median_ms: demand.median_ms,
        paused: demand.paused,
        oldest_ms: demand.oldest_ms,
    };
    Ok(Document::of(&shape)?.with_status(StatusCode::OK))
}
