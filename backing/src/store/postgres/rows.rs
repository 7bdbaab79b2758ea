//! The rows that functions take in arrays: each struct here is a type of the schema, member for
//! member. So any number of rows is one parameter, and a statement has one plan.

use std::collections::BTreeSet;

use common::{
    id::{JobId, TenantId},
    plan::{NewTask, OnFailure},
    port::PortResult,
    submission::{Idempotency, NewBatch, NewItem, NewJob, Unique},
};
use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use super::column::{self, int, millis, small};

/// A job with its first tasks.
#[derive(Debug, sqlx::Type)]
#[sqlx(type_name = "spool.new_job")]
pub struct NewJobRow {
    id: Uuid,
    tenant: String,
    kind: String,
    priority: i16,
    run_at: Option<i64>,
    tags: Option<String>,
    metadata: Option<String>,
    input: String,
    timeout_ms: Option<i64>,
    max_attempts: Option<i16>,
    batch: Option<Uuid>,
    limited_batch: Option<Uuid>,
    item: Option<i32>,
    result_task: Uuid,
    tasks: Vec<NewTaskRow>,
}

/// A task of an accepted job, or one by which another task grew.
#[derive(Debug, Clone, sqlx::Type)]
#[sqlx(type_name = "spool.new_task")]
pub struct NewTaskRow {
    id: Uuid,
    name: String,
    kind: String,
    kind_version: i32,
    queue: String,
    input: Option<String>,
    input_key: Option<Vec<u8>>,
    timeout_ms: i64,
    max_attempts: i16,
    needs: Option<Vec<Uuid>>,
    proceeds: Option<Vec<bool>>,
    needs_left: i32,
    result: bool,
    enqueue: bool,
}

/// A batch with its refused items.
#[derive(Debug, sqlx::Type)]
#[sqlx(type_name = "spool.new_batch")]
pub struct NewBatchRow {
    id: Uuid,
    tenant: String,
    total: i32,
    max_concurrent: Option<i32>,
    stop_on_error: bool,
    refused: Vec<RefusedItemRow>,
}

#[derive(Debug, sqlx::Type)]
#[sqlx(type_name = "spool.refused_item")]
struct RefusedItemRow {
    item: i32,
    error: String,
}

/// A call with an idempotency key.
#[derive(Debug, sqlx::Type)]
#[sqlx(type_name = "spool.idempotent_call")]
pub struct CallRow {
    tenant: String,
    key: String,
    fingerprint: Vec<u8>,
    response: String,
    target: Uuid,
}

/// A unique job.
#[derive(Debug, sqlx::Type)]
#[sqlx(type_name = "spool.unique_job")]
pub struct UniqueJobRow {
    job: Uuid,
    tenant: String,
    key: Vec<u8>,
    period_ms: Option<i64>,
    statuses: Vec<String>,
}

impl UniqueJobRow {
    pub fn of(tenant: &TenantId, job: JobId, unique: &Unique) -> Self {
        Self {
            job: job.0,
            tenant: tenant.0.clone(),
            key: column::bytes(unique.key),
            period_ms: unique.period.map(millis),
            statuses: unique.statuses.iter().map(|status| status.as_str().to_owned()).collect(),
        }
    }
}

/// The end of a task, with the tasks by which it grows.
#[derive(Debug, Clone, Default, sqlx::Type)]
#[sqlx(type_name = "spool.settlement")]
pub struct SettlementRow {
    pub task: Uuid,
    pub fence: i64,
    pub state: String,
    pub output: Option<String>,
    pub output_hash: Option<Vec<u8>>,
    pub artifacts: Option<String>,
    pub error: Option<String>,
    pub grown: Vec<NewTaskRow>,
}

impl NewJobRow {
    /// The id, in whose order rows are stored.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Converts a job; `place` is its batch and its position in that.
    pub fn of(
        tenant: &TenantId,
        job: &NewJob,
        place: Option<(&NewBatch, u32)>,
        tasks: Vec<NewTaskRow>,
    ) -> PortResult<Self> {
        // A plan without a result can't be built; if one came all the same, a constraint would
        // refuse it.
        let result = job.tasks.iter().find(|task| task.result).or(job.tasks.first());
        let limited = place.filter(|(batch, _)| batch.max_concurrent.is_some());
        Ok(Self {
            id: job.id.0,
            tenant: tenant.0.clone(),
            kind: job.kind.clone(),
            priority: i16::from(job.priority.0),
            run_at: job.run_at.map(Timestamp::as_millisecond),
            tags: (!job.tags.is_empty()).then(|| column::text(&job.tags)).transpose()?,
            metadata: job.metadata.as_ref().map(column::text).transpose()?,
            input: column::text(&job.input)?,
            timeout_ms: job.overrides.timeout.map(millis),
            max_attempts: job.overrides.max_attempts.map(small),
            batch: place.map(|(batch, _)| batch.id.0),
            limited_batch: limited.map(|(batch, _)| batch.id.0),
            item: place.map(|(_, item)| int(item)),
            result_task: result.map_or(Uuid::nil(), |task| task.id.0),
            tasks,
        })
    }
}

impl NewTaskRow {
    /// Converts a task. An input that is the job's too is kept once, there.
    pub fn of(task: &NewTask, job_input: Option<&Value>, enqueue: bool) -> PortResult<Self> {
        let own_input = (job_input != Some(&task.input)).then(|| column::text(&task.input));
        let needs = Some(&task.needs).filter(|needs| !needs.is_empty());
        let proceeds = |on_failure| on_failure == OnFailure::Proceed;
        // A need that is named twice is waited for once.
        let needs_left: BTreeSet<_> = task.needs.iter().map(|need| need.task).collect();
        Ok(Self {
            id: task.id.0,
            name: task.name.clone(),
            kind: task.kind.clone(),
            kind_version: int(task.kind_version),
            queue: task.queue.as_str().to_owned(),
            input: own_input.transpose()?,
            input_key: task.input_key.map(column::bytes),
            timeout_ms: millis(task.timeout),
            max_attempts: small(task.max_attempts),
            needs: needs.map(|needs| needs.iter().map(|need| need.task.0).collect()),
            proceeds: needs
                .map(|needs| needs.iter().map(|need| proceeds(need.on_failure)).collect()),
            needs_left: int(needs_left.len()),
            result: task.result,
            enqueue,
        })
    }
}

impl NewBatchRow {
    /// The id, in whose order rows are stored.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Converts a batch without its jobs.
    pub fn of(tenant: &TenantId, batch: &NewBatch) -> PortResult<Self> {
        let refused = (0..).zip(&batch.items).filter_map(|(item, new)| match new {
            NewItem::Job(_) => None,
            NewItem::Refused(error) => {
                Some(column::text(error).map(|error| RefusedItemRow { item, error }))
            }
        });
        Ok(Self {
            id: batch.id.0,
            tenant: tenant.0.clone(),
            total: int(batch.items.len()),
            max_concurrent: batch.max_concurrent.map(int),
            stop_on_error: batch.stop_on_error,
            refused: refused.collect::<PortResult<_>>()?,
        })
    }
}

impl CallRow {
    /// Converts a call's key; `target` is the job or batch that the call makes.
    pub fn of(tenant: &TenantId, idempotency: &Idempotency, target: Uuid) -> Self {
        Self {
            tenant: tenant.0.clone(),
            key: idempotency.key.clone(),
            fingerprint: column::bytes(idempotency.fingerprint),
            response: idempotency.answer.clone(),
            target,
        }
    }
}
