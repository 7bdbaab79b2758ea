//! Writes settlements: the statements that [`settle`](common::store::Leases::settle) calls.

use std::collections::{BTreeMap, BTreeSet};

use common::{
    error::JobError,
    id::{Fence, TaskId, WorkerId},
    outcome::{Settlement, Verdict},
    port::{PortError, PortResult},
    rules::lifecycle::{JobStatus, TaskState},
    view::JobView,
};
use serde_json::Value;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::{
    PgStore,
    column::{self, Cells, millis},
    effects::Effects,
    reason,
    rows::{NewTaskRow, SettlementRow},
    views,
};

/// A settlement that ends its task, as it is written.
#[derive(Debug, Clone)]
pub struct TaskEnd {
    pub row: SettlementRow,
    /// The result in the job's view, which is not read back.
    result: Result<Value, JobError>,
    /// Cleared if the output is not to be shared.
    pub memo: bool,
}

/// A settlement that makes its task ready again.
pub struct Retry {
    task: Uuid,
    fence: i64,
    error: String,
    pause: i64,
}

impl TaskEnd {
    /// Converts a verdict that ends a task. A retry becomes a cancel: it comes here only if the
    /// task was asked to stop.
    pub fn of(settlement: Settlement) -> PortResult<Self> {
        let Settlement { task, fence, verdict } = settlement;
        let mut row = SettlementRow { task: task.0, fence: fence.0, ..Default::default() };
        let (state, result, shared) = match verdict {
            Verdict::Succeeded { output, hash, artifacts, grown, memo } => {
                row.output = Some(column::text(&output)?);
                row.output_hash = Some(column::bytes(hash));
                row.artifacts =
                    (!artifacts.is_empty()).then(|| column::text(&artifacts)).transpose()?;
                let grown = grown.iter().map(|task| NewTaskRow::of(task, None, false));
                row.grown = grown.collect::<PortResult<_>>()?;
                (TaskState::Succeeded, Ok(output), memo)
            }
            Verdict::Failed(error) => (TaskState::Failed, Err(error), true),
            Verdict::Cancelled | Verdict::Retry { .. } => {
                (TaskState::Cancelled, Err(reason::cancelled()), true)
            }
        };
        row.state = state.as_str().to_owned();
        row.error = result.as_ref().err().map(column::text).transpose()?;
        Ok(Self { row, result, memo: shared })
    }

    /// Converts a retry of a task that was asked to stop.
    pub fn cancelled(retry: &Retry) -> PortResult<Self> {
        let (task, fence) = (TaskId(retry.task), Fence(retry.fence));
        Self::of(Settlement { task, fence, verdict: Verdict::Cancelled })
    }
}

impl PgStore {
    /// Removes the keys of tasks whose output gets no memo, before they settle, and returns the
    /// keys to decide on after that, because their waiters must run. If this process dies in
    /// between, these tasks run again, without a key.
    pub(super) async fn take_keys(
        &self,
        worker: WorkerId,
        ends: impl Iterator<Item = &TaskEnd>,
    ) -> PortResult<Vec<(String, Vec<u8>)>> {
        let (tasks, fences): (Vec<Uuid>, Vec<i64>) =
            ends.map(|end| (end.row.task, end.row.fence)).unzip();
        if tasks.is_empty() {
            return Ok(Vec::new());
        }
        let query = sqlx::query_as(
            "WITH held AS (
                 SELECT t.id, t.tenant, t.key FROM unnest($2::uuid[], $3::bigint[]) u (id, fence)
                 JOIN spool.tasks t ON t.id = u.id AND t.fence = u.fence
                 WHERE t.worker = $1 AND t.state = 'running' AND t.key IS NOT NULL
                 ORDER BY t.id FOR UPDATE OF t)
             UPDATE spool.tasks t SET key = NULL, is_leader = false FROM held WHERE t.id = held.id
             RETURNING held.tenant, held.key",
        )
        .bind(worker.0)
        .bind(tasks)
        .bind(fences);
        self.patiently(query.fetch_all(&self.work)).await
    }

    /// Ends tasks that are the only one of their job, and returns which.
    pub(super) async fn settle_solo(
        &self,
        worker: WorkerId,
        ends: Vec<TaskEnd>,
        views: &mut Vec<JobView>,
    ) -> PortResult<(BTreeSet<Uuid>, Effects)> {
        let (mut settled, mut effects) = (BTreeSet::new(), Effects::default());
        if ends.is_empty() {
            return Ok((settled, effects));
        }
        let (settlements, mut results): (Vec<SettlementRow>, BTreeMap<_, _>) =
            ends.into_iter().map(|end| (end.row.clone(), (end.row.task, end.result))).unzip();
        let query = sqlx::query(
            "SELECT job, tenant, kind, batch, item, priority, tags, metadata, created_at, run_at,
                 version, started_at, finished_at, attempts, task, status, keyed, batches_to_stop
             FROM spool.settle_solo($1, $2)",
        )
        .bind(worker.0)
        .bind(settlements);
        let rows = self.patiently(query.fetch_all(&self.work)).await?;
        for row in &rows {
            let (task, view) = solo_view(row, &mut results, &mut effects)?;
            settled.insert(task);
            views.push(view);
        }
        Ok((settled, effects))
    }

    /// Makes tasks ready that will be retried, and returns which.
    pub(super) async fn settle_retries(
        &self,
        worker: WorkerId,
        retries: &BTreeMap<Uuid, Retry>,
        effects: &mut Effects,
    ) -> PortResult<BTreeSet<Uuid>> {
        if retries.is_empty() {
            return Ok(BTreeSet::new());
        }
        let query = sqlx::query(
            "SELECT retried, jobs, ready_queues FROM spool.settle_retries($1, $2, $3, $4, $5)",
        )
        .bind(worker.0)
        .bind(retries.values().map(|retry| retry.task).collect::<Vec<_>>())
        .bind(retries.values().map(|retry| retry.fence).collect::<Vec<_>>())
        .bind(retries.values().map(|retry| retry.error.clone()).collect::<Vec<_>>())
        .bind(retries.values().map(|retry| retry.pause).collect::<Vec<_>>());
        let row = self.patiently(query.fetch_one(&self.work)).await?;
        let mut cells = Cells::of(&row);
        let retried: Vec<Uuid> = cells.list()?;
        effects.jobs.extend(cells.list::<Uuid>()?);
        effects.ready_queues.extend(cells.queues()?);
        Ok(retried.into_iter().collect())
    }

    /// Ends tasks of plans, together if possible, else one by one. A row that can't be written is
    /// logged, its lease will run out, and it harms no other.
    pub(super) async fn settle_rest(
        &self,
        worker: WorkerId,
        ends: BTreeMap<Uuid, TaskEnd>,
        effects: &mut Effects,
    ) -> PortResult<BTreeSet<Uuid>> {
        let ends: Vec<TaskEnd> = ends.into_values().collect();
        if ends.is_empty() {
            return Ok(BTreeSet::new());
        }
        match self.settle_plans(Some(worker), ends.clone()).await {
            Ok((settled, more)) => {
                effects.add(more);
                return Ok(settled);
            }
            Err(PortError::Broken { .. }) if ends.len() > 1 => {}
            Err(error) => return Err(error),
        }
        let mut all = BTreeSet::new();
        for end in ends {
            let task = end.row.task;
            match self.settle_plans(Some(worker), vec![end]).await {
                Ok((settled, more)) => {
                    effects.add(more);
                    all.extend(settled);
                }
                Err(error) if error.is_transient() => return Err(error),
                Err(error) => tracing::error!(%task, %error, "a settlement can't be written"),
            }
        }
        Ok(all)
    }

    /// Ends tasks of any job, plans included, and returns which. They must be sorted by task.
    /// Without a worker, it ends those whose leases have expired.
    pub(super) async fn settle_plans(
        &self,
        worker: Option<WorkerId>,
        ends: Vec<TaskEnd>,
    ) -> PortResult<(BTreeSet<Uuid>, Effects)> {
        let query = sqlx::query("SELECT settled, (effects).* FROM spool.settle_plans($1, $2)")
            .bind(worker.map(|worker| worker.0))
            .bind(ends.into_iter().map(|end| end.row).collect::<Vec<_>>());
        let row = self.patiently(query.fetch_one(&self.work)).await?;
        let mut cells = Cells::of(&row);
        let settled: Vec<Uuid> = cells.list()?;
        Ok((settled.into_iter().collect(), Effects::read(&mut cells)?))
    }
}

/// Sorts settlements into retries and ends, by task: the order of ids, in which rows are locked.
/// Of two settlements of one task the first counts.
pub fn sort(
    settlements: Vec<Settlement>,
) -> PortResult<(BTreeMap<Uuid, Retry>, BTreeMap<Uuid, TaskEnd>)> {
    let (mut retries, mut ends) = (BTreeMap::new(), BTreeMap::new());
    for settlement in settlements {
        let task = settlement.task.0;
        if retries.contains_key(&task) || ends.contains_key(&task) {
            continue;
        }
        match &settlement.verdict {
            Verdict::Retry { error, pause } => {
                let (error, pause) = (column::text(error)?, millis(*pause));
                retries.insert(task, Retry { task, fence: settlement.fence.0, error, pause });
            }
            _ => {
                ends.insert(task, TaskEnd::of(settlement)?);
            }
        }
    }
    Ok((retries, ends))
}

fn solo_view(
    row: &PgRow,
    results: &mut BTreeMap<Uuid, Result<Value, JobError>>,
    effects: &mut Effects,
) -> PortResult<(Uuid, JobView)> {
    let mut cells = Cells::of(row);
    let mut view = views::bare(&mut cells, JobStatus::Succeeded)?;
    let task: Uuid = cells.take()?;
    view.status = column::status(cells.take()?)?;
    match results.remove(&task) {
        Some(Ok(output)) => view.result = Some(output),
        Some(Err(_)) if view.status == JobStatus::Cancelled => {
            view.error = Some(reason::cancelled())
        }
        Some(Err(error)) => view.error = Some(error),
        None => {}
    }
    if let Some(key) = cells.take::<Option<Vec<u8>>>()? {
        effects.keys.insert((view.tenant.0.clone(), key));
    }
    effects.batches_to_stop.extend(cells.list::<Uuid>()?);
    Ok((task, view))
}
