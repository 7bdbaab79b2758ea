//! Jobs as clients see them.

use std::collections::BTreeMap;

use common::{
    id::{BatchId, JobId, TenantId},
    port::PortResult,
    queue::Queue,
    rules::{
        cascade::KindTallies,
        lifecycle::JobStatus,
        progress::{RunningPart, job_progress},
        waiting_for::{NextTask, waiting_for},
    },
    view::{JobView, KindCount, Rank},
};
use sqlx::SqliteConnection;
use uuid::Uuid;

use super::{column, demand, restrictions};

/// Ids in one statement: the statement's own cost vanishes, and the views of a large batch are not
/// in memory twice.
const CHUNK: usize = 1_000;

#[derive(sqlx::FromRow)]
struct JobRow {
    id: Uuid,
    tenant: String,
    kind: String,
    status: String,
    version: i64,
    batch: Option<Uuid>,
    item: Option<i64>,
    priority: i64,
    tags: Option<String>,
    metadata: Option<String>,
    total_tasks: i64,
    kinds: String,
    attempts: i64,
    error: Option<String>,
    created_at: i64,
    run_at: Option<i64>,
    started_at: Option<i64>,
    finished_at: Option<i64>,
    output: Option<String>,
}

#[derive(sqlx::FromRow)]
struct NextRow {
    job: Uuid,
    state: String,
    queue: String,
    tenant: String,
    kind: String,
    run_at: i64,
    batch_is_full: bool,
}

/// The settled and total tasks of a job.
type Counts = BTreeMap<Uuid, (i64, i64)>;

/// The views of the jobs of these ids that exist.
pub async fn load(
    sql: &mut SqliteConnection,
    ids: &[Uuid],
    now: i64,
) -> PortResult<BTreeMap<Uuid, JobView>> {
    let mut views = BTreeMap::new();
    for chunk in ids.chunks(CHUNK) {
        views.append(&mut load_chunk(sql, chunk, now).await?);
    }
    Ok(views)
}

async fn load_chunk(
    sql: &mut SqliteConnection,
    ids: &[Uuid],
    now: i64,
) -> PortResult<BTreeMap<Uuid, JobView>> {
    let rows: Vec<JobRow> = rows!(&mut *sql,
        "SELECT jobs.id, jobs.tenant, jobs.kind, jobs.status, jobs.version, jobs.batch, jobs.item,
             jobs.priority, jobs.tags, jobs.metadata, jobs.total_tasks, jobs.kinds, jobs.attempts,
             jobs.error, jobs.created_at, jobs.run_at, jobs.started_at, jobs.finished_at,
             result.output
         FROM jobs LEFT JOIN tasks AS result
             ON result.id = jobs.result_task AND jobs.status = 'succeeded'
         WHERE jobs.id IN (SELECT unhex(value) FROM json_each(?))";
        column::id_list(ids))?;
    let (mut counts, mut views) = (Counts::new(), BTreeMap::new());
    for row in rows {
        let kinds: KindTallies = column::json("jobs.kinds", &row.kinds)?;
        let settled = kinds.values().map(|tally| tally.settled).sum();
        counts.insert(row.id, (settled, row.total_tasks));
        views.insert(row.id, view(row, kinds)?);
    }
    add_progress(sql, &mut views, &counts, now).await?;
    Ok(views)
}

fn view(row: JobRow, kinds: KindTallies) -> PortResult<JobView> {
    let batch = match (row.batch, row.item) {
        (Some(batch), Some(item)) => Some((BatchId(batch), column::number("jobs.item", item)?)),
        _ => None,
    };
    let tasks = if row.total_tasks > 1 { kind_counts(kinds)? } else { BTreeMap::new() };
    Ok(JobView {
        id: JobId(row.id),
        tenant: TenantId(row.tenant),
        kind: row.kind,
        status: column::status(&row.status)?,
        progress: None,
        result: column::maybe_json("tasks.output", row.output.as_deref())?,
        error: column::maybe_json("jobs.error", row.error.as_deref())?,
        batch,
        priority: column::number("jobs.priority", row.priority)?,
        tags: column::maybe_json("jobs.tags", row.tags.as_deref())?.unwrap_or_default(),
        metadata: column::maybe_json("jobs.metadata", row.metadata.as_deref())?,
        created_at: column::time("jobs.created_at", row.created_at)?,
        run_at: column::maybe_time("jobs.run_at", row.run_at)?,
        started_at: column::maybe_time("jobs.started_at", row.started_at)?,
        finished_at: column::maybe_time("jobs.finished_at", row.finished_at)?,
        attempts: column::number("jobs.attempts", row.attempts)?,
        waiting_for: None,
        tasks,
        rank: Rank { version: row.version, ..Rank::default() },
    })
}

fn kind_counts(kinds: KindTallies) -> PortResult<BTreeMap<String, KindCount>> {
    let number = |value| column::number("jobs.kinds", value);
    kinds
        .into_iter()
        .map(|(kind, tally)| {
            let (total, settled) = (number(tally.total)?, number(tally.settled)?);
            Ok((kind, KindCount { total, settled, cached: number(tally.cached)? }))
        })
        .collect()
}

/// Adds the progress of open jobs, and what those wait for of which nothing runs.
async fn add_progress(
    sql: &mut SqliteConnection,
    views: &mut BTreeMap<Uuid, JobView>,
    counts: &Counts,
    now: i64,
) -> PortResult<()> {
    let open = |status| -> Vec<Uuid> {
        views.values().filter(|view| view.status == status).map(|view| view.id.0).collect()
    };
    let (queued, started) = (open(JobStatus::Queued), open(JobStatus::Running));
    let running = running_parts(sql, &started).await?;
    let idle = started.iter().filter(|job| !running.contains_key(job)).chain(&queued);
    let mut next = next_tasks(sql, &idle.copied().collect::<Vec<_>>()).await?;
    let (slots, restrictions) = match next.is_empty() {
        true => Default::default(),
        false => (demand::slots(sql, now).await?, restrictions::all(sql).await?),
    };
    for job in queued.iter().chain(&started) {
        let Some(view) = views.get_mut(job) else { continue };
        let (settled, total) = counts.get(job).copied().unwrap_or_default();
        let parts = running.get(job).map_or(&[][..], Vec::as_slice);
        view.progress = job_progress(settled, total, parts);
        if parts.is_empty() {
            let row = next.remove(job);
            let next = row.as_ref().map(|row| next_task(row, now)).transpose()?;
            let has_workers = |queue: Queue| slots.get(&queue).is_some_and(|slots| *slots > 0);
            let has_workers = next.is_some_and(|next| has_workers(next.queue));
            view.waiting_for = Some(waiting_for(next, &restrictions, has_workers));
        }
    }
    Ok(())
}

async fn running_parts(
    sql: &mut SqliteConnection,
    jobs: &[Uuid],
) -> PortResult<BTreeMap<Uuid, Vec<RunningPart>>> {
    let mut parts: BTreeMap<Uuid, Vec<RunningPart>> = BTreeMap::new();
    if jobs.is_empty() {
        return Ok(parts);
    }
    let rows: Vec<(Uuid, String, Option<String>)> = rows!(sql,
        "SELECT job, kind, progress FROM tasks
         WHERE state = 'running' AND job IN (SELECT unhex(value) FROM json_each(?))
         ORDER BY job, id";
        column::id_list(jobs))?;
    for (job, kind, progress) in rows {
        let progress = column::maybe_json("tasks.progress", progress.as_deref())?;
        parts.entry(job).or_default().push(RunningPart { kind, progress });
    }
    Ok(parts)
}

/// The ready or queued task of each job that is due first.
async fn next_tasks(
    sql: &mut SqliteConnection,
    jobs: &[Uuid],
) -> PortResult<BTreeMap<Uuid, NextRow>> {
    if jobs.is_empty() {
        return Ok(BTreeMap::new());
    }
    let rows: Vec<NextRow> = rows!(sql,
        "SELECT next.job, next.state, next.queue, next.tenant, next.kind, next.run_at,
             next.limited_batch <> x'' AND coalesce((SELECT count(*) FROM tasks
                 WHERE tasks.limited_batch = next.limited_batch AND tasks.limited_batch <> x''
                     AND tasks.state IN ('queued', 'running'))
                 >= (SELECT max_concurrent FROM batches WHERE batches.id = next.limited_batch), 0)
             AS batch_is_full
         FROM json_each(?) AS wanted
         JOIN tasks AS next ON next.id = (SELECT id FROM tasks
             WHERE tasks.job = unhex(wanted.value) AND tasks.state IN ('ready', 'queued')
             ORDER BY tasks.run_at LIMIT 1)";
        column::id_list(jobs))?;
    Ok(rows.into_iter().map(|row| (row.job, row)).collect())
}

fn next_task(row: &NextRow, now: i64) -> PortResult<NextTask<'_>> {
    Ok(NextTask {
        state: column::state(&row.state)?,
        queue: column::queue(&row.queue)?,
        tenant: &row.tenant,
        kind: &row.kind,
        due: row.run_at <= now,
        batch_is_full: row.batch_is_full,
    })
}
