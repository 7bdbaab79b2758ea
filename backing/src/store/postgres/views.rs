//! Reads the views of jobs.

use std::collections::BTreeMap;

use common::{
    id::{BatchId, JobId, TenantId},
    port::PortResult,
    rules::lifecycle::JobStatus,
    view::{JobView, KindCount, Progress, Rank, WaitingFor},
};
use serde::Deserialize;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::{
    PgStore,
    column::{self, Cells},
    errors::unreadable,
};

/// Ids in one statement.
const AT_ONCE: usize = 1_000;

impl PgStore {
    /// Reads those of these jobs that exist, of one tenant or of all.
    pub(super) async fn views(
        &self,
        tenant: Option<&TenantId>,
        jobs: &[Uuid],
    ) -> PortResult<BTreeMap<Uuid, JobView>> {
        let mut views = BTreeMap::new();
        for some in jobs.chunks(AT_ONCE) {
            let query = sqlx::query(
                "SELECT id, tenant, kind, batch, item, priority, tags, metadata, created_at,
                     run_at, version, started_at,
                     finished_at, attempts, status, error, result, solo, open_tasks, total_tasks,
                     progress, stage, waiting_for, kinds
                 FROM spool.job_views($1, $2)",
            )
            .bind(tenant.map(|tenant| tenant.0.clone()))
            .bind(some.to_vec());
            for row in self.work(query.fetch_all(&self.work)).await? {
                let view = view(&row)?;
                views.insert(view.id.0, view);
            }
        }
        Ok(views)
    }
}

/// Reads the cells of a job's row, in the order in which every statement selects them: id, tenant,
/// kind, batch, item, priority, tags, metadata, created_at, run_at, version, started_at,
/// finished_at, attempts.
pub fn bare(cells: &mut Cells<'_>, status: JobStatus) -> PortResult<JobView> {
    let (id, tenant, kind) = (cells.take()?, cells.take()?, cells.take()?);
    let (batch, item): (Option<Uuid>, Option<i32>) = (cells.take()?, cells.take()?);
    let batch = match (batch, item) {
        (Some(batch), Some(item)) => Some((
            BatchId(batch),
            u32::try_from(item).map_err(|error| unreadable("jobs.item", error))?,
        )),
        _ => None,
    };
    Ok(JobView {
        id: JobId(id),
        tenant: TenantId(tenant),
        kind,
        status,
        progress: None,
        result: None,
        error: None,
        batch,
        priority: cells.number::<i16, _>("jobs.priority")?,
        tags: cells.maybe_json("jobs.tags")?.unwrap_or_default(),
        metadata: cells.maybe_json("jobs.metadata")?,
        created_at: cells.time("jobs.created_at")?,
        run_at: cells.maybe_time("jobs.run_at")?,
        rank: Rank { version: cells.take()?, ..Rank::default() },
        started_at: cells.maybe_time("jobs.started_at")?,
        finished_at: cells.maybe_time("jobs.finished_at")?,
        attempts: cells.number::<i32, _>("jobs.attempts")?,
        waiting_for: None,
        tasks: BTreeMap::new(),
    })
}

fn view(row: &PgRow) -> PortResult<JobView> {
    let mut cells = Cells::of(row);
    let mut view = bare(&mut cells, JobStatus::Queued)?;
    view.status = column::status(cells.take()?)?;
    view.error = cells.maybe_json("jobs.error")?;
    view.result = cells.maybe_json("history.output")?;
    let (solo, open, total): (bool, i32, i32) = (cells.take()?, cells.take()?, cells.take()?);
    let (progress, stage): (Option<f64>, Option<String>) = (cells.take()?, cells.take()?);
    let waiting: Option<String> = cells.take()?;
    view.waiting_for = waiting.map(|word| waiting_for(&word)).transpose()?;
    if !solo {
        view.tasks = counts(cells)?;
    }
    if view.status.is_final() {
        return Ok(view);
    }
    let settled = f64::from(total - open);
    view.progress = match (solo, view.waiting_for) {
        (true, _) => column::progress(progress.map(|value| value as f32), stage),
        // A plan's progress is its settled tasks and the parts of its running ones.
        (false, None) => {
            let value = (settled + progress.unwrap_or_default()) / f64::from(total.max(1));
            Some(Progress { value: value.clamp(0.0, 1.0), stage })
        }
        (false, Some(_)) => (total > open)
            .then(|| Progress { value: settled / f64::from(total.max(1)), stage: None }),
    };
    Ok(view)
}

fn waiting_for(word: &str) -> PortResult<WaitingFor> {
    match word {
        "needs" => Ok(WaitingFor::Needs),
        "schedule" => Ok(WaitingFor::Schedule),
        "paused" => Ok(WaitingFor::Paused),
        "limit:tenant" => Ok(WaitingFor::TenantLimit),
        "limit:kind" => Ok(WaitingFor::KindLimit),
        "limit:provider" => Ok(WaitingFor::ProviderLimit),
        "limit:batch" => Ok(WaitingFor::BatchLimit),
        "slot" => Ok(WaitingFor::Slot),
        "worker" => Ok(WaitingFor::Worker),
        _ => Err(unreadable("waiting_for", word)),
    }
}

fn counts(mut cells: Cells<'_>) -> PortResult<BTreeMap<String, KindCount>> {
    #[derive(Deserialize)]
    struct Counts {
        total: u32,
        settled: u32,
        cached: u32,
    }
    let counts: Option<BTreeMap<String, Counts>> = cells.maybe_json("plan_kinds")?;
    let count = |counts: Counts| KindCount {
        total: counts.total,
        settled: counts.settled,
        cached: counts.cached,
    };
    Ok(counts.unwrap_or_default().into_iter().map(|(kind, counts)| (kind, count(counts))).collect())
}
