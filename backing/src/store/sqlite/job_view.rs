//! Jobs as the store tells them.

use std::collections::BTreeMap;

use common::{
    id::{BatchId, JobId, TenantId},
    port::PortResult,
    queue::Queue,
    rules::lifecycle::JobStatus,
    store::{Limit, LimitScope, Pausable},
    view::{JobView, KindCount, Progress, Rank, WaitingFor},
};
use sqlx::SqliteConnection;
use uuid::Uuid;

use super::{
    column, controls,
    fate::Kinds,
    fault::port,
    gates::{self, Taken},
    stock,
};

/// Ids in one statement: enough to make its cost vanish, few enough to keep a batch's views from standing in memory twice.
const AT_ONCE: usize = 1_000;

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
struct RunningRow {
    job: Uuid,
    kind: String,
    progress: Option<String>,
}

#[derive(sqlx::FromRow)]
struct NextRow {
    job: Uuid,
    state: String,
    queue: String,
    tenant: String,
    kind: String,
    run_at: i64,
    batch_full: bool,
}

/// The jobs of these ids that there are.
pub async fn load(
    sql: &mut SqliteConnection,
    ids: &[Uuid],
    now: i64,
) -> PortResult<BTreeMap<Uuid, JobView>> {
    let mut views = BTreeMap::new();
    for some in ids.chunks(AT_ONCE) {
        views.append(&mut load_some(sql, some, now).await?);
    }
    Ok(views)
}

async fn load_some(
    sql: &mut SqliteConnection,
    ids: &[Uuid],
    now: i64,
) -> PortResult<BTreeMap<Uuid, JobView>> {
    let rows: Vec<JobRow> = sqlx::query_as(
        "SELECT jobs.id, jobs.tenant, jobs.kind, jobs.status, jobs.version, jobs.batch, jobs.item, jobs.priority, jobs.tags,
             jobs.metadata, jobs.total_tasks, jobs.kinds, jobs.attempts, jobs.error, jobs.created_at, jobs.run_at,
             jobs.started_at, jobs.finished_at, result.output
         FROM jobs LEFT JOIN tasks AS result ON result.id = jobs.result_task AND jobs.status = 'succeeded'
         WHERE jobs.id IN (SELECT unhex(value) FROM json_each(?))",
    )
    .bind(column::id_list(ids))
    .fetch_all(&mut *sql)
    .await
    .map_err(port)?;
    let mut settled = BTreeMap::new();
    let mut views = BTreeMap::new();
    for row in rows {
        let kinds: Kinds = column::json("jobs.kinds", &row.kinds)?;
        settled.insert(row.id, (kinds.values().map(|count| count.1).sum::<i64>(), row.total_tasks));
        views.insert(row.id, view(row, kinds)?);
    }
    tell_of_open(sql, &mut views, &settled, now).await?;
    Ok(views)
}

fn view(row: JobRow, kinds: Kinds) -> PortResult<JobView> {
    let batch = match (row.batch, row.item) {
        (Some(batch), Some(item)) => Some((BatchId(batch), column::number("jobs.item", item)?)),
        _ => None,
    };
    let tasks = if row.total_tasks > 1 { counts(kinds)? } else { BTreeMap::new() };
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

fn counts(kinds: Kinds) -> PortResult<BTreeMap<String, KindCount>> {
    let count = |(kind, (total, settled, cached))| {
        let number = |value| column::number("jobs.kinds", value);
        Ok((
            kind,
            KindCount { total: number(total)?, settled: number(settled)?, cached: number(cached)? },
        ))
    };
    kinds.into_iter().map(count).collect()
}

/// Progress of what runs, and of what does not, what it waits for. `settled` has each job's settled and total tasks.
async fn tell_of_open(
    sql: &mut SqliteConnection,
    views: &mut BTreeMap<Uuid, JobView>,
    settled: &BTreeMap<Uuid, (i64, i64)>,
    now: i64,
) -> PortResult<()> {
    let open = |views: &BTreeMap<Uuid, JobView>, status: &[JobStatus]| -> Vec<Uuid> {
        views.iter().filter(|(_, view)| status.contains(&view.status)).map(|(id, _)| *id).collect()
    };
    let mut running: BTreeMap<Uuid, Vec<RunningRow>> = BTreeMap::new();
    for row in running_of(sql, &open(views, &[JobStatus::Running])).await? {
        running.entry(row.job).or_default().push(row);
    }
    for (job, rows) in &running {
        if let (Some(view), Some(counts)) = (views.get_mut(job), settled.get(job)) {
            view.progress = progress(rows, *counts)?;
        }
    }
    let idle: Vec<Uuid> = open(views, &[JobStatus::Queued, JobStatus::Running])
        .into_iter()
        .filter(|job| !running.contains_key(job))
        .collect();
    for (job, waiting) in waits(sql, &idle, now).await? {
        if let Some(view) = views.get_mut(&job) {
            view.waiting_for = Some(waiting);
            let (settled, total) = settled.get(&job).copied().unwrap_or_default();
            let value = settled as f64 / total.max(1) as f64;
            view.progress = (settled > 0).then_some(Progress { value, stage: None });
        }
    }
    Ok(())
}

async fn running_of(sql: &mut SqliteConnection, jobs: &[Uuid]) -> PortResult<Vec<RunningRow>> {
    if jobs.is_empty() {
        return Ok(Vec::new());
    }
    sqlx::query_as(
        "SELECT job, kind, progress FROM tasks
         WHERE state = 'running' AND job IN (SELECT unhex(value) FROM json_each(?)) ORDER BY job, id",
    )
    .bind(column::id_list(jobs))
    .fetch_all(sql)
    .await
    .map_err(port)
}

/// A job of one task is as far as that; of many, what settled and the parts of what runs.
fn progress(running: &[RunningRow], (settled, total): (i64, i64)) -> PortResult<Option<Progress>> {
    let parts: Vec<Option<Progress>> = running
        .iter()
        .map(|row| column::maybe_json("tasks.progress", row.progress.as_deref()))
        .collect::<PortResult<_>>()?;
    if total == 1 {
        return Ok(parts.into_iter().flatten().next());
    }
    let under_way: f64 = parts.iter().flatten().map(|part| part.value).sum();
    let value = ((settled as f64 + under_way) / total.max(1) as f64).clamp(0.0, 1.0);
    Ok(Some(Progress { value, stage: running.first().map(|row| row.kind.clone()) }))
}

/// What jobs that do not run wait for: the task that is due first decides.
async fn waits(
    sql: &mut SqliteConnection,
    jobs: &[Uuid],
    now: i64,
) -> PortResult<Vec<(Uuid, WaitingFor)>> {
    if jobs.is_empty() {
        return Ok(Vec::new());
    }
    let next: Vec<NextRow> = sqlx::query_as(
        "SELECT next.job, next.state, next.queue, next.tenant, next.kind, next.run_at,
             next.lane <> x'' AND coalesce((SELECT count(*) FROM tasks
                 WHERE tasks.lane = next.lane AND tasks.lane <> x'' AND tasks.state IN ('queued', 'running'))
                 >= (SELECT max_concurrent FROM batches WHERE batches.id = next.lane), 0) AS batch_full
         FROM json_each(?) AS asked
         JOIN tasks AS next ON next.id = (SELECT id FROM tasks WHERE tasks.job = unhex(asked.value)
             AND tasks.state IN ('ready', 'queued') ORDER BY tasks.run_at LIMIT 1)",
    )
    .bind(column::id_list(jobs))
    .fetch_all(&mut *sql)
    .await
    .map_err(port)?;
    let slots = stock::slots(sql, now).await?;
    let controls = Controls::read(sql).await?;
    let next: BTreeMap<Uuid, NextRow> = next.into_iter().map(|row| (row.job, row)).collect();
    jobs.iter()
        .map(|job| {
            let waiting = match next.get(job) {
                None => WaitingFor::Needs,
                Some(row) if row.state == "ready" && row.run_at > now => WaitingFor::Schedule,
                Some(row) => match controls.hold(row).filter(|_| row.state == "ready") {
                    Some(held) => held,
                    None if row.state == "ready" && row.batch_full => WaitingFor::BatchLimit,
                    None => slot_or_worker(&slots, column::queue(&row.queue)?),
                },
            };
            Ok((*job, waiting))
        })
        .collect()
}

/// What operators have set, and what it holds back.
struct Controls {
    limits: Vec<Limit>,
    pauses: Vec<Pausable>,
    taken: Taken,
}

impl Controls {
    async fn read(sql: &mut SqliteConnection) -> PortResult<Self> {
        let (limits, pauses) = (controls::limits(sql).await?, controls::pauses(sql).await?);
        let taken = if limits.is_empty() { Taken::default() } else { gates::taken(sql).await? };
        Ok(Self { limits, pauses, taken })
    }

    fn hold(&self, row: &NextRow) -> Option<WaitingFor> {
        let paused = |pause: &Pausable| {
            [("queue", row.queue.as_str()), ("tenant", &row.tenant)]
                .contains(&pause.scope_and_name())
        };
        if self.pauses.iter().any(paused) {
            return Some(WaitingFor::Paused);
        }
        let full = |limit: &&Limit| self.taken.under(limit, &row.tenant) >= i64::from(limit.most);
        let mut full: Vec<&Limit> =
            gates::limits_of(&self.limits, &row.tenant, &row.kind).filter(full).collect();
        full.sort_unstable();
        full.first().map(|limit| match limit.scope {
            LimitScope::Tenant => WaitingFor::TenantLimit,
            LimitScope::Kind => WaitingFor::KindLimit,
            LimitScope::Provider => WaitingFor::ProviderLimit,
        })
    }
}

fn slot_or_worker(slots: &BTreeMap<Queue, i64>, queue: Queue) -> WaitingFor {
    if slots.get(&queue).is_some_and(|slots| *slots > 0) {
        WaitingFor::Slot
    } else {
        WaitingFor::Worker
    }
}
