//! Writes verdicts under the fence.
//!
//! Three statements share the work, and each leaves out what is not for it: tasks that are the only
//! one of their job (nearly all), attempts that will be retried, and tasks of plans. Settlements
//! are independent, so it does not matter that these are several commits. A settle whose commit is
//! unclear may be repeated: a settlement that was counted the first time is stale the second.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use common::{
    error::JobError,
    id::{TaskId, WorkerId},
    outcome::{Settlement, Verdict},
    plan::NewTask,
    port::{PortError, PortResult},
    store::{Changes, Settled},
    view::JobView,
};
use serde_json::Value;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::{
    PgStore,
    column::{self, Cells, millis},
    effects::{Effects, list},
    reason,
    release::add,
    rows::TaskColumns,
    views,
};

/// In whose name tasks end.
#[derive(Debug, Clone, Copy)]
pub enum Holder {
    /// The worker that holds their leases.
    Worker(WorkerId),
    /// The sweep, if the leases have expired.
    Expired,
}

/// A settlement as it is written, without the tasks it adds.
#[derive(Debug, Clone)]
pub struct TaskEnd {
    task: Uuid,
    fence: i64,
    state: &'static str,
    output: Option<String>,
    hash: Option<Vec<u8>>,
    artifacts: Option<String>,
    error: Option<String>,
    /// The result in the job's view, which is not read back.
    result: Result<Value, JobError>,
    grown: Vec<NewTask>,
    memo: bool,
}

struct Retry {
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
        let (task, fence) = (task.0, fence.0);
        let unsuccessful = |state, error: JobError| {
            let text = column::text(&error)?;
            let (output, hash, artifacts, grown) = (None, None, None, Vec::new());
            Ok(Self {
                task,
                fence,
                state,
                output,
                hash,
                artifacts,
                error: Some(text),
                result: Err(error),
                grown,
                memo: true,
            })
        };
        match verdict {
            Verdict::Succeeded { output, hash, artifacts, grown, memo } => Ok(Self {
                task,
                fence,
                state: "succeeded",
                output: Some(column::text(&output)?),
                hash: Some(column::bytes(hash)),
                artifacts: (!artifacts.is_empty()).then(|| column::text(&artifacts)).transpose()?,
                error: None,
                result: Ok(output),
                grown,
                memo,
            }),
            Verdict::Failed(error) => unsuccessful("failed", error),
            Verdict::Cancelled | Verdict::Retry { .. } => {
                unsuccessful("cancelled", reason::cancelled())
            }
        }
    }
}

impl PgStore {
    pub(super) async fn settle_all(
        &self,
        worker: WorkerId,
        settlements: Vec<Settlement>,
    ) -> PortResult<(Vec<Settled>, Changes)> {
        let tasks: Vec<TaskId> = settlements.iter().map(|settlement| settlement.task).collect();
        let mut counted = HashSet::new();
        let mut changes = Changes::default();
        let (retries, mut ends) = sort(settlements)?;
        let unkeyed = self.take_keys(worker, ends.values().filter(|end| !end.memo)).await?;
        let solo = ends.values().filter(|end| end.grown.is_empty()).cloned().collect();
        let (settled, effects) = self.settle_solo(worker, solo, &mut changes.views).await?;
        ends.retain(|task, _| !settled.contains(task));
        counted.extend(settled);
        // From here on something may be committed, and a settlement that can't be written harms
        // only itself.
        let mut effects = effects;
        effects.keys.extend(unkeyed);
        let retried = self.settle_retries(worker, retries.values().collect(), &mut effects).await?;
        counted.extend(&retried);
        for (task, retry) in retries.into_iter().filter(|(task, _)| !retried.contains(task)) {
            let verdict = Verdict::Cancelled;
            ends.insert(
                task,
                TaskEnd::of(Settlement {
                    task: TaskId(task),
                    fence: common::id::Fence(retry.fence),
                    verdict,
                })?,
            );
        }
        counted.extend(self.settle_rest(worker, ends, &mut effects).await?);
        add(&mut changes, self.follow(effects).await);
        let mut seen = HashSet::new();
        let answer = |task: TaskId| match counted.contains(&task.0) && seen.insert(task) {
            true => Settled::Counted,
            false => Settled::Stale,
        };
        Ok((tasks.into_iter().map(answer).collect(), changes))
    }

    /// Removes the keys of tasks whose output gets no memo, before they settle, and returns the
    /// keys to decide on after that, because their waiters must run. If this process dies in
    /// between, these tasks run again, without a key.
    async fn take_keys(
        &self,
        worker: WorkerId,
        ends: impl Iterator<Item = &TaskEnd>,
    ) -> PortResult<Vec<(String, Vec<u8>)>> {
        let (tasks, fences): (Vec<Uuid>, Vec<i64>) = ends.map(|end| (end.task, end.fence)).unzip();
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
    async fn settle_solo(
        &self,
        worker: WorkerId,
        ends: Vec<TaskEnd>,
        views: &mut Vec<JobView>,
    ) -> PortResult<(BTreeSet<Uuid>, Effects)> {
        let (mut settled, mut effects) = (BTreeSet::new(), Effects::default());
        if ends.is_empty() {
            return Ok((settled, effects));
        }
        let columns = TaskEndColumns::of(&ends);
        let query = sqlx::query(
            "SELECT job, tenant, kind, batch, item, priority, tags, metadata, created_at, run_at,
                 version, started_at,
                 finished_at, attempts, task, status, keyed, batches_to_stop
             FROM spool.settle_solo($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(worker.0)
        .bind(columns.task)
        .bind(columns.fence)
        .bind(columns.state)
        .bind(columns.output)
        .bind(columns.hash)
        .bind(columns.artifacts)
        .bind(columns.error);
        let rows = self.patiently(query.fetch_all(&self.work)).await?;
        let mut results: BTreeMap<Uuid, Result<Value, JobError>> =
            ends.into_iter().map(|end| (end.task, end.result)).collect();
        for row in &rows {
            let (task, view) = solo_view(row, &mut results, &mut effects)?;
            settled.insert(task);
            views.push(view);
        }
        Ok((settled, effects))
    }

    /// Makes tasks ready that will be retried, and returns which.
    async fn settle_retries(
        &self,
        worker: WorkerId,
        retries: Vec<&Retry>,
        effects: &mut Effects,
    ) -> PortResult<BTreeSet<Uuid>> {
        if retries.is_empty() {
            return Ok(BTreeSet::new());
        }
        let query = sqlx::query(
            "SELECT retried, jobs, ready_queues FROM spool.settle_retries($1, $2, $3, $4, $5)",
        )
        .bind(worker.0)
        .bind(retries.iter().map(|retry| retry.task).collect::<Vec<_>>())
        .bind(retries.iter().map(|retry| retry.fence).collect::<Vec<_>>())
        .bind(retries.iter().map(|retry| retry.error.clone()).collect::<Vec<_>>())
        .bind(retries.iter().map(|retry| retry.pause).collect::<Vec<_>>());
        let row = self.patiently(query.fetch_one(&self.work)).await?;
        let mut cells = Cells::of(&row);
        let changes: Vec<Uuid> = list(&mut cells)?;
        effects.jobs.extend(list::<Uuid>(&mut cells)?);
        effects.ready_queues.extend(column::queues(&list::<String>(&mut cells)?)?);
        Ok(changes.into_iter().collect())
    }

    /// Ends tasks of plans, together if possible, else one by one. A row that can't be written is
    /// logged, its lease will run out, and it harms no other.
    async fn settle_rest(
        &self,
        worker: WorkerId,
        ends: BTreeMap<Uuid, TaskEnd>,
        effects: &mut Effects,
    ) -> PortResult<BTreeSet<Uuid>> {
        let ends: Vec<TaskEnd> = ends.into_values().collect();
        if ends.is_empty() {
            return Ok(BTreeSet::new());
        }
        match self.settle_plans(Holder::Worker(worker), ends.clone()).await {
            Ok((settled, more)) => {
                effects.add(more);
                return Ok(settled);
            }
            Err(PortError::Broken { .. }) if ends.len() > 1 => {}
            Err(error) => return Err(error),
        }
        let mut all = BTreeSet::new();
        for end in ends {
            let task = end.task;
            match self.settle_plans(Holder::Worker(worker), vec![end]).await {
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
    pub(super) async fn settle_plans(
        &self,
        holder: Holder,
        ends: Vec<TaskEnd>,
    ) -> PortResult<(BTreeSet<Uuid>, Effects)> {
        let mut grown = TaskColumns::default();
        for end in &ends {
            for (place, task) in (0..).zip(&end.grown) {
                grown.push(end.task, place, task, None)?;
            }
        }
        let columns = TaskEndColumns::of(&ends);
        let worker = match holder {
            Holder::Worker(worker) => Some(worker.0),
            Holder::Expired => None,
        };
        let query = sqlx::query(
            "SELECT settled, (effects).*
             FROM spool.settle_plans($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14,
             $15, $16, $17, $18, $19, $20, $21,
                 $22, $23, $24, $25, $26, $27)",
        )
        .bind(worker)
        .bind(matches!(holder, Holder::Expired))
        .bind(columns.task)
        .bind(columns.fence)
        .bind(columns.state)
        .bind(columns.output)
        .bind(columns.hash)
        .bind(columns.artifacts)
        .bind(columns.error)
        .bind(grown.parent)
        .bind(grown.id)
        .bind(grown.place)
        .bind(grown.name)
        .bind(grown.kind)
        .bind(grown.version)
        .bind(grown.queue)
        .bind(grown.input)
        .bind(grown.input_key)
        .bind(grown.timeout_ms)
        .bind(grown.max_attempts)
        .bind(grown.needs)
        .bind(grown.proceeds)
        .bind(grown.needs_left)
        .bind(grown.result)
        .bind(grown.edges.need)
        .bind(grown.edges.task)
        .bind(grown.edges.proceed);
        let row = self.patiently(query.fetch_one(&self.work)).await?;
        let mut cells = Cells::of(&row);
        let settled: Vec<Uuid> = list(&mut cells)?;
        Ok((settled.into_iter().collect(), Effects::read(&mut cells)?))
    }
}

/// Sorts settlements into retries and ends, by task: the order of ids, in which rows are locked.
/// Of two settlements of one task the first counts.
fn sort(
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
    let mut view = views::bare(&mut cells, common::rules::lifecycle::JobStatus::Succeeded)?;
    let task: Uuid = cells.take()?;
    view.status = column::status(cells.take()?)?;
    match results.remove(&task) {
        Some(Ok(output)) => view.result = Some(output),
        Some(Err(_)) if view.status == common::rules::lifecycle::JobStatus::Cancelled => {
            view.error = Some(reason::cancelled())
        }
        Some(Err(error)) => view.error = Some(error),
        None => {}
    }
    if let Some(key) = cells.take::<Option<Vec<u8>>>()? {
        effects.keys.insert((view.tenant.0.clone(), key));
    }
    effects.batches_to_stop.extend(list::<Uuid>(&mut cells)?);
    Ok((task, view))
}

/// Ends, column by column.
#[derive(Default)]
struct TaskEndColumns {
    task: Vec<Uuid>,
    fence: Vec<i64>,
    state: Vec<&'static str>,
    output: Vec<Option<String>>,
    hash: Vec<Option<Vec<u8>>>,
    artifacts: Vec<Option<String>>,
    error: Vec<Option<String>>,
}

impl TaskEndColumns {
    fn of(ends: &[TaskEnd]) -> Self {
        let mut columns = Self::default();
        for end in ends {
            columns.task.push(end.task);
            columns.fence.push(end.fence);
            columns.state.push(end.state);
            columns.output.push(end.output.clone());
            columns.hash.push(end.hash.clone());
            columns.artifacts.push(end.artifacts.clone());
            columns.error.push(end.error.clone());
        }
        columns
    }
}
