//! The demand of a queue: the figures for an autoscaler.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::Response};
use common::queue::Queue;
use serde::Serialize;
use utoipa::ToSchema;

use super::{answer::Document, path::Id, problem::Problem, responses::NamedAnswers, state::Api};

/// The demand of a queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Demand)]
pub struct DemandShape {
    /// `render`, `generate` or `light`.
    queue: &'static str,
    /// Tasks that could run and wait; counted up to a bound.
    queued: u64,
    /// Running tasks.
    running: u64,
    /// Slots of the live workers.
    slots: u64,
    /// Slots that would finish the waiting tasks within half a minute, by the median run time,
    /// beside the running ones.
    slots_needed: u64,
    /// Live workers that have slots for this queue.
    workers: u64,
    /// Workers of the same size (one slot, if there is none) with that many slots: the number to
    /// scale to.
    workers_needed: u64,
    /// Median run time of the latest successful attempts, in milliseconds; `null` before the first.
    median_ms: Option<u64>,
    /// Set while the queue is paused. A paused queue needs no workers.
    paused: bool,
    /// Milliseconds that the oldest waiting task has waited.
    oldest_ms: u64,
}

/// Reports the demand of a queue.
#[utoipa::path(
    get, path = "/v1/queues/{queue}/demand", operation_id = "getDemand", tag = "operation",
    params(Id<Queue>),
    responses((status = 200, body = DemandShape), NamedAnswers)
)]
pub async fn get(State(api): State<Arc<Api>>, Id(queue): Id<Queue>) -> Result<Response, Problem> {
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
