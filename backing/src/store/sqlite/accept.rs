//! Stores submissions, each once.

use common::{
    id::{BatchId, JobId, TenantId},
    limits::IDEMPOTENCY_KEPT,
    port::PortResult,
    rules::cascade::TallyByKind,
    submission::{Acceptance, Idempotency, NewBatch, NewItem, NewJob, Submission, Unique, Work},
    trace::TraceParent,
};
use sqlx::types::Json;
use uuid::Uuid;

use super::{
    column,
    insert::{PlanOwner, Queueing, insert_input, insert_tasks},
    transaction::Transaction,
};

/// The place of a job in its batch.
struct BatchPlace {
    batch: BatchId,
    item: u32,
    limited: bool,
}

/// Stores a submission, or answers from its idempotency key or with the job that it is the same as.
pub async fn accept(
    tx: &mut Transaction,
    submission: Submission,
    queueing: &mut Queueing,
) -> PortResult<Acceptance> {
    let Submission { tenant, idempotency, work } = submission;
    let target = match &work {
        Work::Job(job) => job.id.0,
        Work::Batch(batch) => batch.id.0,
    };
    if let Some(idempotency) = &idempotency
        && let Some(answer) = known_answer(tx, &tenant, idempotency, target).await?
    {
        return Ok(answer);
    }
    if let Some((job, unique)) = work.unique() {
        if let Some(same) = same_job(tx, &tenant, job, unique).await? {
            return Ok(Acceptance::Same(same));
        }
        store_unique(tx, &tenant, job, unique).await?;
    }
    if let Some(idempotency) = &idempotency {
        store_key(tx, &tenant, idempotency, target).await?;
    }
    match work {
        Work::Job(job) => insert_job(tx, &tenant, &job, None, queueing).await?,
        Work::Batch(batch) => insert_batch(tx, &tenant, &batch, queueing).await?,
    }
    Ok(Acceptance::Stored)
}

/// The answer to a call whose key is stored. The very same call (same ids) is no replay: the result
/// of its commit did not reach the caller.
async fn known_answer(
    tx: &mut Transaction,
    tenant: &TenantId,
    idempotency: &Idempotency,
    target: Uuid,
) -> PortResult<Option<Acceptance>> {
    let known: Option<(Vec<u8>, String, Uuid)> = maybe_row!(tx.sql(),
        "SELECT fingerprint, response, target FROM idempotency_keys
         WHERE tenant = ? AND key = ? AND expires_at > ?";
        &tenant.0, &idempotency.key, tx.now)?;
    Ok(known.map(|(fingerprint, response, first)| {
        if fingerprint != idempotency.fingerprint.0 {
            Acceptance::KeyReused
        } else if first == target {
            Acceptance::Stored
        } else {
            Acceptance::Replayed(response)
        }
    }))
}

/// The job that a unique one is the same as: the newest of its key, if it counts.
async fn same_job(
    tx: &mut Transaction,
    tenant: &TenantId,
    job: JobId,
    unique: &Unique,
) -> PortResult<Option<JobId>> {
    let since = unique.period.map(|period| tx.now - column::millis(period));
    let statuses: Vec<_> = unique.statuses.iter().map(|status| status.as_str()).collect();
    let same: Option<Uuid> = maybe_value!(tx.sql(),
        "SELECT jobs.id FROM unique_jobs JOIN jobs ON jobs.id = unique_jobs.job
         WHERE unique_jobs.tenant = ? AND unique_jobs.key = ? AND unique_jobs.job <> ?
             AND unique_jobs.accepted_at > ?
             AND (jobs.finished_at IS NULL
                 OR jobs.status IN (SELECT value FROM json_each(?)))";
        &tenant.0, unique.key.0.as_slice(), job.0, since.unwrap_or(i64::MIN), Json(statuses))?;
    Ok(same.map(JobId))
}

async fn store_unique(
    tx: &mut Transaction,
    tenant: &TenantId,
    job: JobId,
    unique: &Unique,
) -> PortResult<()> {
    execute!(tx.sql(),
        "INSERT INTO unique_jobs (tenant, key, job, accepted_at) VALUES (?, ?, ?, ?)
         ON CONFLICT (tenant, key) DO UPDATE SET job = excluded.job,
             accepted_at = excluded.accepted_at WHERE job <> excluded.job";
        &tenant.0, unique.key.0.as_slice(), job.0, tx.now)
    .map(drop)
}

async fn store_key(
    tx: &mut Transaction,
    tenant: &TenantId,
    idempotency: &Idempotency,
    target: Uuid,
) -> PortResult<()> {
    let expires_at = tx.now + column::millis(IDEMPOTENCY_KEPT);
    execute!(tx.sql(),
        "REPLACE INTO idempotency_keys (tenant, key, fingerprint, target, expires_at, response)
         VALUES (?, ?, ?, ?, ?, ?)";
        &tenant.0, &idempotency.key, idempotency.fingerprint.0.as_slice(), target, expires_at,
        &idempotency.answer)?;
    Ok(())
}

async fn insert_batch(
    tx: &mut Transaction,
    tenant: &TenantId,
    batch: &NewBatch,
    queueing: &mut Queueing,
) -> PortResult<()> {
    let refused = batch.items.iter().filter(|item| matches!(item, NewItem::Refused(_))).count();
    let total = batch.items.len();
    let inserted = execute!(tx.sql(),
        "INSERT INTO batches (id, tenant, total, rejected, max_concurrent, stop_on_error,
             created_at, settled_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING";
        batch.id.0, &tenant.0, total as i64, refused as i64, batch.max_concurrent,
        batch.stop_on_error, tx.now, (refused == total).then_some(tx.now))?;
    if inserted == 0 {
        return Ok(());
    }
    let limited = batch.max_concurrent.is_some();
    for (item, new) in (0..).zip(&batch.items) {
        match new {
            NewItem::Job(job) => {
                let place = BatchPlace { batch: batch.id, item, limited };
                insert_job(tx, tenant, job, Some(place), queueing).await?;
            }
            NewItem::Refused(error) => {
                execute!(tx.sql(),
                    "INSERT INTO refused_items (batch, item, error) VALUES (?, ?, ?)";
                    batch.id.0, item, Json(error))?;
            }
        }
    }
    Ok(())
}

async fn insert_job(
    tx: &mut Transaction,
    tenant: &TenantId,
    job: &NewJob,
    place: Option<BatchPlace>,
    queueing: &mut Queueing,
) -> PortResult<()> {
    if !insert_job_row(tx, tenant, job, place.as_ref()).await? {
        return Ok(());
    }
    for tag in &job.tags {
        execute!(tx.sql(),
            "INSERT INTO job_tags (tenant, tag, job) VALUES (?, ?, ?) ON CONFLICT DO NOTHING";
            &tenant.0, tag, job.id.0)?;
    }
    insert_input(tx, job.id.0, &job.input).await?;
    let limited_batch = place.filter(|place| place.limited).map(|place| place.batch.0);
    let owner = PlanOwner {
        job: job.id.0,
        tenant: tenant.0.clone(),
        priority: i64::from(job.priority.0),
        limited_batch,
        run_at: job.run_at.map_or(tx.now, |at| at.as_millisecond().max(tx.now)),
        place: 0,
        traceparent: job.trace.as_ref().map(ToString::to_string),
    };
    insert_tasks(tx, &owner, &job.tasks, Some(&job.input), queueing).await?;
    store_deadlines(tx, job, owner.run_at).await?;
    tx.effects.jobs.insert(job.id.0);
    Ok(())
}

/// Inserts the row of a job. Returns whether the job is new.
async fn insert_job_row(
    tx: &mut Transaction,
    tenant: &TenantId,
    job: &NewJob,
    place: Option<&BatchPlace>,
) -> PortResult<bool> {
    let mut kinds = TallyByKind::new();
    job.tasks.iter().for_each(|task| kinds.entry(task.kind.clone()).or_default().total += 1);
    let result = job.tasks.iter().find(|task| task.result).map(|task| task.id.0);
    let overrides = Some(&job.overrides).filter(|overrides| **overrides != Default::default());
    let tags = Some(&job.tags).filter(|tags| !tags.is_empty());
    let tasks = job.tasks.len() as i64;
    let inserted = execute!(tx.sql(),
        "INSERT INTO jobs (id, tenant, kind, priority, status, batch, item, tags, metadata,
             overrides, result_task, open_tasks, total_tasks, kinds, created_at, run_at,
             traceparent)
         VALUES (?, ?, ?, ?, 'queued', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (id) DO NOTHING";
        job.id.0, &tenant.0, &job.kind, job.priority.0, place.map(|place| place.batch.0),
        place.map(|place| place.item), tags.map(Json), job.metadata.as_ref().map(Json),
        overrides.map(Json), result, tasks, tasks, Json(&kinds), tx.now,
        job.run_at.map(|at| at.as_millisecond()), job.trace.as_ref().map(TraceParent::as_str))?;
    Ok(inserted > 0)
}

/// Stores the time until which the first tasks of a job may wait that runs from `run_at` on.
async fn store_deadlines(tx: &mut Transaction, job: &NewJob, run_at: i64) -> PortResult<()> {
    let Some(timeout) = job.queue_timeout else { return Ok(()) };
    let allowed = column::millis(timeout);
    let due_at = run_at.max(tx.now).saturating_add(allowed);
    for task in job.tasks.iter().filter(|task| task.needs.is_empty()) {
        execute!(tx.sql(),
            "INSERT INTO deadlines (task, due_at, allowed_ms) VALUES (?, ?, ?)
             ON CONFLICT DO NOTHING";
            task.id.0, due_at, allowed)?;
    }
    Ok(())
}
