//! The rows of an accept as columns: the arguments of `spool.accept`.

use common::{
    id::{BatchId, TenantId},
    port::PortResult,
    submission::{Idempotency, NewBatch, NewItem, NewJob, Submission, Work},
};
use sqlx::{Postgres, postgres::PgArguments, query::Query};
use uuid::Uuid;

use super::{accept::Queueing, column, rows::TaskColumns};

/// All rows of one accept.
#[derive(Debug, Default)]
pub struct Columns {
    job: JobColumns,
    task: TaskColumns,
    inherited: InheritedColumns,
    batch: BatchColumns,
    refusal: RefusalColumns,
    key: KeyColumns,
}

/// A job's position in its batch.
#[derive(Debug, Clone, Copy)]
pub struct BatchPosition {
    pub batch: BatchId,
    pub item: i32,
    pub limited: bool,
}

#[derive(Debug, Default)]
struct JobColumns {
    id: Vec<Uuid>,
    tenant: Vec<String>,
    kind: Vec<String>,
    priority: Vec<i16>,
    run_at: Vec<Option<i64>>,
    tags: Vec<Option<String>>,
    metadata: Vec<Option<String>>,
    input: Vec<String>,
    timeout_ms: Vec<Option<i64>>,
    max_attempts: Vec<Option<i16>>,
    batch: Vec<Option<Uuid>>,
    item: Vec<Option<i32>>,
    total: Vec<i32>,
    result: Vec<Uuid>,
}

/// The columns that a task takes from its job.
#[derive(Debug, Default)]
struct InheritedColumns {
    queue: Vec<bool>,
    tenant: Vec<String>,
    priority: Vec<i16>,
    run_at: Vec<Option<i64>>,
    batch: Vec<Option<Uuid>>,
    limited: Vec<bool>,
    solo: Vec<bool>,
}

#[derive(Debug, Default)]
struct BatchColumns {
    id: Vec<Uuid>,
    tenant: Vec<String>,
    total: Vec<i32>,
    refused: Vec<i32>,
    max_concurrent: Vec<Option<i32>>,
    stop_on_error: Vec<bool>,
}

#[derive(Debug, Default)]
struct RefusalColumns {
    batch: Vec<Uuid>,
    item: Vec<i32>,
    error: Vec<String>,
}

#[derive(Debug, Default)]
struct KeyColumns {
    tenant: Vec<String>,
    key: Vec<String>,
    fingerprint: Vec<Vec<u8>>,
    answer: Vec<String>,
    target: Vec<Uuid>,
}

impl Columns {
    /// Adds a call's idempotency key; `target` is the job or batch that the call makes.
    pub fn push_key(&mut self, tenant: &TenantId, idempotency: &Idempotency, target: Uuid) {
        self.key.tenant.push(tenant.0.clone());
        self.key.key.push(idempotency.key.clone());
        self.key.fingerprint.push(column::bytes(idempotency.fingerprint));
        self.key.answer.push(idempotency.answer.clone());
        self.key.target.push(target);
    }

    /// Adds the rows of a submission.
    pub fn push(&mut self, submission: &Submission, queueing: &mut Queueing) -> PortResult<()> {
        match &submission.work {
            Work::Job(job) => self.push_job(&submission.tenant, job, None, queueing),
            Work::Batch(batch) => self.push_batch(&submission.tenant, batch, queueing),
        }
    }

    fn push_batch(
        &mut self,
        tenant: &TenantId,
        batch: &NewBatch,
        queueing: &mut Queueing,
    ) -> PortResult<()> {
        let limited = batch.max_concurrent.is_some();
        let mut refused = 0;
        for (item, new) in (0..).zip(&batch.items) {
            match new {
                NewItem::Job(job) => {
                    let position = BatchPosition { batch: batch.id, item, limited };
                    self.push_job(tenant, job, Some(position), queueing)?;
                }
                NewItem::Refused(error) => {
                    refused += 1;
                    self.refusal.batch.push(batch.id.0);
                    self.refusal.item.push(item);
                    self.refusal.error.push(column::text(error)?);
                }
            }
        }
        self.batch.id.push(batch.id.0);
        self.batch.tenant.push(tenant.0.clone());
        self.batch.total.push(count(batch.items.len()));
        self.batch.refused.push(refused);
        self.batch
            .max_concurrent
            .push(batch.max_concurrent.map(|most| i32::try_from(most).unwrap_or(i32::MAX)));
        self.batch.stop_on_error.push(batch.stop_on_error);
        Ok(())
    }

    fn push_job(
        &mut self,
        tenant: &TenantId,
        job: &NewJob,
        position: Option<BatchPosition>,
        queueing: &mut Queueing,
    ) -> PortResult<()> {
        let columns = &mut self.job;
        columns.id.push(job.id.0);
        columns.tenant.push(tenant.0.clone());
        columns.kind.push(job.kind.clone());
        columns.priority.push(i16::from(job.priority.0));
        columns.run_at.push(job.run_at.map(|at| at.as_millisecond()));
        columns.tags.push((!job.tags.is_empty()).then(|| column::text(&job.tags)).transpose()?);
        columns.metadata.push(job.metadata.as_ref().map(column::text).transpose()?);
        columns.input.push(column::text(&job.input)?);
        columns.timeout_ms.push(job.overrides.timeout.map(column::millis));
        columns
            .max_attempts
            .push(job.overrides.max_attempts.map(|most| i16::try_from(most).unwrap_or(i16::MAX)));
        columns.batch.push(position.map(|position| position.batch.0));
        columns.item.push(position.map(|position| position.item));
        columns.total.push(count(job.tasks.len()));
        // A plan without a result can't be built; if one came all the same, a constraint would
        // refuse it.
        let result = job.tasks.iter().find(|task| task.result).or(job.tasks.first());
        columns.result.push(result.map_or(Uuid::nil(), |task| task.id.0));
        for (place, task) in (0..).zip(&job.tasks) {
            self.task.push(job.id.0, place, task, Some(&job.input))?;
            self.inherited.push(
                tenant,
                job,
                position,
                queueing.takes(job, position.as_ref(), task),
            );
        }
        Ok(())
    }

    /// Binds the columns to the statement.
    pub fn query(self) -> Query<'static, Postgres, PgArguments> {
        sqlx::query(
            "SELECT at, queues_with_workers, fresh, replays, credited FROM spool.accept(
                $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
                $19, $20, $21, $22,
                $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, $38,
                $39, $40, $41, $42,
                $43, $44, $45, $46, $47, $48, $49, $50, $51, $52)",
        )
        .bind(self.job.id)
        .bind(self.job.tenant)
        .bind(self.job.kind)
        .bind(self.job.priority)
        .bind(self.job.run_at)
        .bind(self.job.tags)
        .bind(self.job.metadata)
        .bind(self.job.input)
        .bind(self.job.timeout_ms)
        .bind(self.job.max_attempts)
        .bind(self.job.batch)
        .bind(self.job.item)
        .bind(self.job.total)
        .bind(self.job.result)
        .bind(self.task.id)
        .bind(self.task.parent)
        .bind(self.task.place)
        .bind(self.task.name)
        .bind(self.task.kind)
        .bind(self.task.version)
        .bind(self.task.queue)
        .bind(self.task.input)
        .bind(self.task.input_key)
        .bind(self.task.timeout_ms)
        .bind(self.task.max_attempts)
        .bind(self.task.needs)
        .bind(self.task.proceeds)
        .bind(self.task.needs_left)
        .bind(self.inherited.queue)
        .bind(self.inherited.tenant)
        .bind(self.inherited.priority)
        .bind(self.inherited.run_at)
        .bind(self.inherited.batch)
        .bind(self.inherited.limited)
        .bind(self.inherited.solo)
        .bind(self.task.edges.need)
        .bind(self.task.edges.task)
        .bind(self.task.edges.proceed)
        .bind(self.batch.id)
        .bind(self.batch.tenant)
        .bind(self.batch.total)
        .bind(self.batch.refused)
        .bind(self.batch.max_concurrent)
        .bind(self.batch.stop_on_error)
        .bind(self.refusal.batch)
        .bind(self.refusal.item)
        .bind(self.refusal.error)
        .bind(self.key.tenant)
        .bind(self.key.key)
        .bind(self.key.fingerprint)
        .bind(self.key.answer)
        .bind(self.key.target)
    }
}

impl InheritedColumns {
    fn push(
        &mut self,
        tenant: &TenantId,
        job: &NewJob,
        position: Option<BatchPosition>,
        queue: bool,
    ) {
        self.queue.push(queue);
        self.tenant.push(tenant.0.clone());
        self.priority.push(i16::from(job.priority.0));
        self.run_at.push(job.run_at.map(|at| at.as_millisecond()));
        self.batch.push(position.map(|position| position.batch.0));
        self.limited.push(position.is_some_and(|position| position.limited));
        self.solo.push(job.tasks.len() == 1);
    }
}

/// Narrows a count, which `common::limits` bounds.
fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
