//! Reads the views of jobs.

use std::collections::BTreeMap;

use common::{
    id::{BatchId, JobId, TenantId},
    limits::UNFIT_PAUSE,
    port::PortResult,
    rules::{
        lifecycle::JobStatus,
        progress::{RunningPart, job_progress},
        waiting_for::{NextTask, Restrictions, waiting_for},
    },
    view::{JobView, KindCount, Rank},
};
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};
use uuid::Uuid;

use super::{
    column::{self, Columns},
    restrictions::{self, LiveKinds},
};

/// Ids in one statement: the statement's own cost vanishes, and the views of a large batch are not
/// in memory twice.
const CHUNK: usize = 1_000;

/// The ready or queued task of a job that is due first.
#[derive(sqlx::FromRow)]
struct NextRow {
    job: Uuid,
    state: String,
    queue: String,
    tenant: String,
    kind: String,
    kind_version: u32,
    run_at: i64,
    batch_is_full: bool,
}

/// A job's view without its progress, and the settled and total tasks of its plan.
struct Loaded {
    view: JobView,
    settled: i64,
    total: i64,
}

/// The views of the jobs of these ids that exist.
pub async fn load(
    sql: &mut SqliteConnection,
    ids: &[Uuid],
    now: i64,
) -> PortResult<BTreeMap<Uuid, JobView>> {
    let mut views = BTreeMap::new();
    for chunk in ids.chunks(CHUNK) {
        let mut jobs: Vec<Loaded> = rows!(&mut *sql,
            "SELECT jobs.id, jobs.tenant, jobs.kind, jobs.status, jobs.version, jobs.batch,
                 jobs.item, jobs.priority, jobs.tags, jobs.metadata, jobs.total_tasks, jobs.kinds,
                 jobs.attempts, jobs.error, jobs.created_at, jobs.run_at, jobs.started_at,
                 jobs.finished_at, result.output
             FROM jobs LEFT JOIN tasks AS result
                 ON result.id = jobs.result_task AND jobs.status = 'succeeded'
             WHERE jobs.id IN (SELECT unhex(value) FROM json_each(?))";
            column::id_list(chunk) => read)?;
        add_progress(sql, &mut jobs, now).await?;
        views.extend(jobs.into_iter().map(|job| (job.view.id.0, job.view)));
    }
    Ok(views)
}

fn read(row: SqliteRow) -> sqlx::Result<Loaded> {
    let (batch, item): (Option<Uuid>, Option<u32>) = (row.try_get("batch")?, row.try_get("item")?);
    let (version, total): (i64, i64) = (row.try_get("version")?, row.try_get("total_tasks")?);
    let mut unreadable = None;
    let kinds: BTreeMap<String, (u32, u32, u32)> =
        row.json_or_note("kinds", &mut unreadable).unwrap_or_default();
    let settled = kinds.values().map(|(_, settled, _)| i64::from(*settled)).sum();
    let count = |(kind, (total, settled, cached))| (kind, KindCount { total, settled, cached });
    let tasks = kinds.into_iter().filter(|_| total > 1).map(count).collect();
    let mut view = JobView {
        id: JobId(row.try_get("id")?),
        tenant: TenantId(row.try_get("tenant")?),
        kind: row.try_get("kind")?,
        status: row.spelled("status", JobStatus::parse)?,
        progress: None,
        result: row.json_or_note("output", &mut unreadable),
        error: row.json_or_note("error", &mut unreadable),
        batch: batch.map(BatchId).zip(item),
        priority: row.try_get("priority")?,
        tags: row.json_or_note("tags", &mut unreadable).unwrap_or_default(),
        metadata: row.json_or_note("metadata", &mut unreadable),
        created_at: row.time("created_at")?,
        run_at: row.maybe_time("run_at")?,
        started_at: row.maybe_time("started_at")?,
        finished_at: row.maybe_time("finished_at")?,
        attempts: row.try_get("attempts")?,
        waiting_for: None,
        tasks,
        rank: Rank { version, ..Rank::default() },
    };
    view.error = view.error.or(unreadable);
    Ok(Loaded { view, settled, total })
}

/// Adds the progress of open jobs, and what those wait for of which nothing runs.
async fn add_progress(sql: &mut SqliteConnection, jobs: &mut [Loaded], now: i64) -> PortResult<()> {
    let is_open = |job: &&mut Loaded| !job.view.status.is_final();
    let open: Vec<&mut Loaded> = jobs.iter_mut().filter(is_open).collect();
    let started = open.iter().filter(|job| job.view.status == JobStatus::Running);
    let running = running_parts(sql, started.map(|job| job.view.id.0).collect()).await?;
    let idle = open.iter().map(|job| job.view.id.0).filter(|job| !running.contains_key(job));
    let next = next_tasks(sql, idle.collect()).await?;
    let (live, restrictions) = match next.is_empty() {
        true => (LiveKinds::default(), Restrictions::default()),
        false => (restrictions::live_kinds(sql, now).await?, restrictions::all(sql).await?),
    };
    for Loaded { view, settled, total } in open {
        let parts = running.get(&view.id.0).map_or(&[][..], Vec::as_slice);
        view.progress = job_progress(*settled, *total, parts);
        if parts.is_empty() {
            let row = next.get(&view.id.0);
            let next = row.map(|row| next_task(row, &live, now)).transpose()?;
            let has_worker = row.zip(next).is_some_and(|(row, next)| {
                live.has_worker(next.queue, next.kind, row.kind_version)
            });
            view.waiting_for = Some(waiting_for(next, &restrictions, has_worker));
        }
    }
    Ok(())
}

async fn running_parts(
    sql: &mut SqliteConnection,
    jobs: Vec<Uuid>,
) -> PortResult<BTreeMap<Uuid, Vec<RunningPart>>> {
    let mut parts: BTreeMap<Uuid, Vec<RunningPart>> = BTreeMap::new();
    if jobs.is_empty() {
        return Ok(parts);
    }
    let part = |row: SqliteRow| {
        let part = RunningPart {
            kind: row.try_get("kind")?,
            progress: row.json("progress").ok().flatten(),
        };
        Ok((row.try_get("job")?, part))
    };
    let rows = rows!(sql,
        "SELECT job, kind, progress FROM tasks
         WHERE state = 'running' AND job IN (SELECT unhex(value) FROM json_each(?))
         ORDER BY job, id";
        column::id_list(&jobs) => part)?;
    rows.into_iter().for_each(|(job, part)| parts.entry(job).or_default().push(part));
    Ok(parts)
}

async fn next_tasks(
    sql: &mut SqliteConnection,
    jobs: Vec<Uuid>,
) -> PortResult<BTreeMap<Uuid, NextRow>> {
    if jobs.is_empty() {
        return Ok(BTreeMap::new());
    }
    let rows: Vec<NextRow> = rows!(sql,
        "SELECT next.job, next.state, next.queue, next.tenant, next.kind,
             next.kind_version, next.run_at,
             next.limited_batch <> x'' AND coalesce((SELECT count(*) FROM tasks
                 WHERE tasks.limited_batch = next.limited_batch AND tasks.limited_batch <> x''
                     AND tasks.state IN ('queued', 'running'))
                 >= (SELECT max_concurrent FROM batches WHERE batches.id = next.limited_batch), 0)
             AS batch_is_full
         FROM json_each(?) AS idle
         JOIN tasks AS next ON next.id = (SELECT id FROM tasks
             WHERE tasks.job = unhex(idle.value) AND tasks.state IN ('ready', 'queued')
             ORDER BY tasks.run_at LIMIT 1)";
        column::id_list(&jobs))?;
    Ok(rows.into_iter().map(|row| (row.job, row)).collect())
}

/// A task that a worker handed back because it can't run it waits for a worker, and not for the
/// moment until it is dispatched again.
fn next_task<'a>(row: &'a NextRow, live: &LiveKinds, now: i64) -> PortResult<NextTask<'a>> {
    let queue = column::queue(&row.queue)?;
    let handed_back = live.none_can(queue, &row.kind, row.kind_version);
    let pause = if handed_back { column::millis(UNFIT_PAUSE) } else { 0 };
    Ok(NextTask {
        state: column::state(&row.state)?,
        queue,
        tenant: &row.tenant,
        kind: &row.kind,
        due: row.run_at <= now + pause,
        batch_is_full: row.batch_is_full,
    })
}
