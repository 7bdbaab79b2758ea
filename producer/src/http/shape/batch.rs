//! A batch and its items, as a client sees them.

use common::{
    error::{JobError, code},
    id::{BatchId, JobId},
    rules::lifecycle::JobStatus,
    submission::{NewBatch, NewItem},
    view::{BatchView, ItemView},
};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{error::ErrorShape, job::Job};
use crate::http::links::Links;

/// A batch.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Batch {
    /// The batch's id.
    #[schema(value_type = String, format = Uuid)]
    id: BatchId,
    /// `settled` once every item has settled.
    status: BatchStatus,
    /// Items by state.
    counts: BatchCounts,
    /// When it was accepted.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When its last item settled.
    #[schema(value_type = Option<String>, format = DateTime)]
    settled_at: Option<Timestamp>,
}

/// State of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum BatchStatus {
    /// Some items have not settled.
    Running,
    /// All items have settled.
    Settled,
}

/// Items of a batch by state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Counts)]
pub struct BatchCounts {
    /// All items.
    total: u32,
    /// Succeeded.
    fulfilled: u32,
    /// Refused, failed or cancelled.
    rejected: u32,
    /// Not settled.
    pending: u32,
}

impl Batch {
    /// Builds it from the stored batch.
    pub fn of_view(view: &BatchView) -> Self {
        let counts = BatchCounts {
            total: view.total,
            fulfilled: view.fulfilled,
            rejected: view.rejected,
            pending: view.pending(),
        };
        Self {
            id: view.id,
            status: counts.status(),
            counts,
            created_at: view.created_at,
            settled_at: view.settled_at,
        }
    }

    /// Builds it from a batch that is being accepted.
    pub fn of_new(batch: &NewBatch, now: Timestamp) -> Self {
        let count = |items: usize| u32::try_from(items).unwrap_or(u32::MAX);
        let refused = batch.items.iter().filter(|item| matches!(item, NewItem::Refused(_))).count();
        let counts = BatchCounts {
            total: count(batch.items.len()),
            fulfilled: 0,
            rejected: count(refused),
            pending: count(batch.items.len() - refused),
        };
        let status = counts.status();
        let settled_at = (status == BatchStatus::Settled).then_some(now);
        Self { id: batch.id, status, counts, created_at: now, settled_at }
    }

    /// Returns whether every item has settled.
    pub fn is_settled(&self) -> bool {
        self.status == BatchStatus::Settled
    }
}

impl BatchCounts {
    fn status(self) -> BatchStatus {
        if self.pending == 0 { BatchStatus::Settled } else { BatchStatus::Running }
    }
}

/// One item, as `Promise.allSettled` would give it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Item)]
pub struct BatchItem {
    /// Its place in the batch, from 0.
    index: u32,
    /// Its job; null if the item was refused.
    #[schema(value_type = Option<String>, format = Uuid)]
    job_id: Option<JobId>,
    /// The item's state.
    status: ItemStatus,
    /// The job's result, if the item is fulfilled.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    value: Option<Value>,
    /// The error, if the item is rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<ErrorShape>,
}

/// State of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ItemStatus {
    /// It succeeded.
    Fulfilled,
    /// It was refused, failed or was cancelled.
    Rejected,
    /// It has not settled.
    Pending,
}

impl BatchItem {
    /// Builds it from the stored item.
    pub fn of_view(index: u32, view: ItemView, links: &Links) -> Self {
        let item = |job_id, status| Self { index, job_id, status, value: None, reason: None };
        let view = match view {
            ItemView::Refused(error) => {
                return Self { reason: Some(error.into()), ..item(None, ItemStatus::Rejected) };
            }
            ItemView::Job(view) => view,
        };
        let (id, error) = (Some(view.id), view.error.clone());
        match view.status {
            JobStatus::Queued | JobStatus::Running => item(id, ItemStatus::Pending),
            JobStatus::Succeeded => {
                let value = Job::of_view(*view, links).into_result();
                Self { value: Some(value), ..item(id, ItemStatus::Fulfilled) }
            }
            JobStatus::Failed => {
                let unknown = || JobError::bug(code::INTERNAL, "the job failed and left no reason");
                Self {
                    reason: Some(error.unwrap_or_else(unknown).into()),
                    ..item(id, ItemStatus::Rejected)
                }
            }
            JobStatus::Cancelled => {
                let unknown =
                    || JobError::caller(code::CANCELLED, "the job was cancelled before it ended");
                Self {
                    reason: Some(error.unwrap_or_else(unknown).into()),
                    ..item(id, ItemStatus::Rejected)
                }
            }
        }
    }
}

/// A page of batches.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BatchPage {
    /// Newest first.
    pub batches: Vec<Batch>,
    /// The `cursor` of the next page; null at the end.
    pub next_cursor: Option<String>,
}

/// A page of a batch's items.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ItemPage {
    /// The items, in the order of the batch.
    pub results: Vec<BatchItem>,
    /// The `cursor` of the next page; null at the end.
    pub next_cursor: Option<String>,
}
