//! Submissions become rows, each once.

use common::{
    id::{BatchId, TenantId},
    limits::IDEMPOTENCY_KEPT,
    port::{PortResult, broker::TaskMessage},
    store::Credit,
    submission::{Acceptance, Idempotency, NewBatch, NewItem, NewJob, Submission, Work},
    trace::TraceParent,
};
use uuid::Uuid;

use super::{
    column,
    fate::Kinds,
    fault::port,
    insert::{Home, Queueing},
    write::Write,
};

/// Where a job stands in its batch.
struct Seat {
    batch: BatchId,
    item: i64,
    limited: bool,
}

impl Write<'_> {
    /// Stores submissions, and answers each.
    pub async fn accept(
        &mut self,
        submissions: Vec<Submission>,
        credit: &[Credit],
    ) -> PortResult<(Vec<Acceptance>, Vec<TaskMessage>)> {
        // Limits and pauses are a dispatch's to look at.
        let controlled: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM limits) OR EXISTS (SELECT 1 FROM pauses)",
        )
        .fetch_one(self.sql())
        .await
        .map_err(port)?;
        let mut queueing = Queueing::new(if controlled { &[] } else { credit });
        let mut answers = Vec::with_capacity(submissions.len());
        for submission in submissions {
            answers.push(self.accept_one(submission, &mut queueing).await?);
        }
        Ok((answers, queueing.messages))
    }

    async fn accept_one(
        &mut self,
        submission: Submission,
        queueing: &mut Queueing,
    ) -> PortResult<Acceptance> {
        let Submission { tenant, idempotency, work } = submission;
        let made = match &work {
            Work::Job(job) => job.id.0,
            Work::Batch(batch) => batch.id.0,
        };
        if let Some(idempotency) = &idempotency {
            if let Some(answer) = self.known_call(&tenant, idempotency, made).await? {
                return Ok(answer);
            }
            self.keep_call(&tenant, idempotency, made).await?;
        }
        match work {
            Work::Job(job) => drop(self.insert_job(&tenant, &job, None, queueing).await?),
            Work::Batch(batch) => self.insert_batch(&tenant, &batch, queueing).await?,
        }
        Ok(Acceptance::Stored)
    }

    /// The answer to a call whose key was seen before. The very same call (same ids) is no replay: its commit was unclear.
    async fn known_call(
        &mut self,
        tenant: &TenantId,
        idempotency: &Idempotency,
        made: Uuid,
    ) -> PortResult<Option<Acceptance>> {
        let known: Option<(Vec<u8>, String, Uuid)> = sqlx::query_as(
            "SELECT fingerprint, answer, made FROM idempotency_keys WHERE tenant = ? AND key = ? AND expires_at > ?",
        )
        .bind(&tenant.0)
        .bind(&idempotency.key)
        .bind(self.now)
        .fetch_optional(self.sql())
        .await
        .map_err(port)?;
        Ok(known.map(|(fingerprint, answer, first)| {
            if fingerprint != idempotency.fingerprint.0 {
                Acceptance::KeyReused
            } else if first == made {
                Acceptance::Stored
            } else {
                Acceptance::Replayed(answer)
            }
        }))
    }

    async fn keep_call(
        &mut self,
        tenant: &TenantId,
        idempotency: &Idempotency,
        made: Uuid,
    ) -> PortResult<()> {
        sqlx::query(
            "INSERT INTO idempotency_keys (tenant, key, fingerprint, answer, made, expires_at) VALUES (?, ?, ?, ?, ?, ?)
             ON CONFLICT (tenant, key) DO UPDATE SET fingerprint = excluded.fingerprint, answer = excluded.answer,
                 made = excluded.made, expires_at = excluded.expires_at",
        )
        .bind(&tenant.0)
        .bind(&idempotency.key)
        .bind(idempotency.fingerprint.0.as_slice())
        .bind(&idempotency.answer)
        .bind(made)
        .bind(self.now + column::millis(IDEMPOTENCY_KEPT))
        .execute(self.sql())
        .await
        .map_err(port)?;
        Ok(())
    }

    async fn insert_batch(
        &mut self,
        tenant: &TenantId,
        batch: &NewBatch,
        queueing: &mut Queueing,
    ) -> PortResult<()> {
        let refused = batch.items.iter().filter(|item| matches!(item, NewItem::Refused(_))).count();
        let inserted = sqlx::query(
            "INSERT INTO batches (id, tenant, total, rejected, max_concurrent, stop_on_error, created_at, settled_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
        )
        .bind(batch.id.0)
        .bind(&tenant.0)
        .bind(batch.items.len() as i64)
        .bind(refused as i64)
        .bind(batch.max_concurrent)
        .bind(batch.stop_on_error)
        .bind(self.now)
        .bind((refused == batch.items.len()).then_some(self.now))
        .execute(self.sql())
        .await
        .map_err(port)?;
        if inserted.rows_affected() == 0 {
            return Ok(());
        }
        let limited = batch.max_concurrent.is_some();
        for (item, new) in (0..).zip(&batch.items) {
            match new {
                NewItem::Job(job) => {
                    let seat = Seat { batch: batch.id, item, limited };
                    self.insert_job(tenant, job, Some(seat), queueing).await?;
                }
                NewItem::Refused(error) => {
                    sqlx::query("INSERT INTO refused_items (batch, item, error) VALUES (?, ?, ?)")
                        .bind(batch.id.0)
                        .bind(item)
                        .bind(column::text(error)?)
                        .execute(self.sql())
                        .await
                        .map_err(port)?;
                }
            }
        }
        Ok(())
    }

    async fn insert_job(
        &mut self,
        tenant: &TenantId,
        job: &NewJob,
        seat: Option<Seat>,
        queueing: &mut Queueing,
    ) -> PortResult<()> {
        if !self.insert_job_row(tenant, job, seat.as_ref()).await? {
            return Ok(());
        }
        for tag in &job.tags {
            sqlx::query(
                "INSERT INTO job_tags (tenant, tag, job) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            )
            .bind(&tenant.0)
            .bind(tag)
            .bind(job.id.0)
            .execute(self.sql())
            .await
            .map_err(port)?;
        }
        self.insert_input(job.id.0, &job.input).await?;
        let lane = seat.filter(|seat| seat.limited).map(|seat| seat.batch.0.as_bytes().to_vec());
        let home = Home {
            job: job.id.0,
            tenant: tenant.0.clone(),
            priority: i64::from(job.priority.0),
            lane: lane.unwrap_or_default(),
            run_at: job.run_at.map_or(self.now, |at| at.as_millisecond()),
            place: 0,
            traceparent: job.trace.as_ref().map(ToString::to_string),
        };
        self.insert_tasks(&home, &job.tasks, Some(&job.input), queueing).await?;
        self.keep_deadlines(job, home.run_at).await?;
        self.changes(job.id.0);
        Ok(())
    }

    /// Whether the job is new.
    async fn insert_job_row(
        &mut self,
        tenant: &TenantId,
        job: &NewJob,
        seat: Option<&Seat>,
    ) -> PortResult<bool> {
        let mut kinds = Kinds::new();
        job.tasks.iter().for_each(|task| kinds.entry(task.kind.clone()).or_default().0 += 1);
        let result = job.tasks.iter().find(|task| task.result).map(|task| task.id.0);
        let overrides = (job.overrides != Default::default())
            .then(|| column::text(&job.overrides))
            .transpose()?;
        let inserted = sqlx::query(
            "INSERT INTO jobs (id, tenant, kind, priority, status, batch, item, tags, metadata, overrides, result_task,
                 open_tasks, total_tasks, kinds, created_at, run_at, traceparent)
             VALUES (?, ?, ?, ?, 'queued', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
        )
        .bind(job.id.0)
        .bind(&tenant.0)
        .bind(&job.kind)
        .bind(job.priority.0)
        .bind(seat.map(|seat| seat.batch.0))
        .bind(seat.map(|seat| seat.item))
        .bind((!job.tags.is_empty()).then(|| column::text(&job.tags)).transpose()?)
        .bind(job.metadata.as_ref().map(column::text).transpose()?)
        .bind(overrides)
        .bind(result)
        .bind(job.tasks.len() as i64)
        .bind(job.tasks.len() as i64)
        .bind(column::text(&kinds)?)
        .bind(self.now)
        .bind(job.run_at.map(|at| at.as_millisecond()))
        .bind(job.trace.as_ref().map(TraceParent::as_str))
        .execute(self.sql())
        .await
        .map_err(port)?;
        Ok(inserted.rows_affected() > 0)
    }
}
