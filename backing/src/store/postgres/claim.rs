//! Reads claimed tasks, each with all that an attempt needs.

use std::collections::HashMap;

use common::{
    id::{Fence, JobId, TaskId},
    plan::Overrides,
    port::PortResult,
    rules::lifecycle::JobStatus,
    store::{Claimed, NeedOutcome},
};
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::{
    PgStore,
    column::{self, Cells, duration},
    errors::unreadable,
    reason, views,
};

/// Claims tasks and selects the cells that [`read`] takes.
pub const SELECT: &str = "SELECT job, tenant, kind, batch, item, priority, tags, metadata,
     created_at, run_at, version, first_started_at, NULL::bigint, attempts, id, fence, attempt,
     max_attempts, losses, name, task_kind, kind_version, task_input, needs, timeout, solo,
     result_task, job_timeout, job_max_attempts,
     (SELECT r.policy FROM spool.retry_policies r WHERE r.job = c.job) AS retry
 FROM spool.claim($1, $2, $3) c";

/// A claimed task without the outcomes of its needs.
pub struct BareClaim {
    claimed: Claimed,
    needs: Vec<Uuid>,
    solo: bool,
}

impl PgStore {
    /// Adds the outcomes of needs and the job's whole view to tasks of plans.
    ///
    /// The claim holds whether or not these can be read. If they can't, the lease runs out and
    /// another worker runs the task.
    pub(super) async fn complete(
        &self,
        bare: Vec<BareClaim>,
    ) -> PortResult<HashMap<TaskId, Claimed>> {
        let needs = self
            .need_outcomes(bare.iter().flat_map(|one| one.needs.iter().copied()).collect())
            .await?;
        let plans: Vec<Uuid> =
            bare.iter().filter(|one| !one.solo).map(|one| one.claimed.job.0).collect();
        let views = self.views(None, &plans).await?;
        let mut claimed = HashMap::with_capacity(bare.len());
        for mut one in bare {
            for need in &one.needs {
                let found = needs.get(need).ok_or_else(|| unreadable("tasks.needs", need))?;
                one.claimed.needs.push(found.clone());
            }
            if let Some(view) = views.get(&one.claimed.job.0) {
                one.claimed.view = view.clone();
            }
            claimed.insert(one.claimed.task, one.claimed);
        }
        Ok(claimed)
    }

    async fn need_outcomes(&self, ids: Vec<Uuid>) -> PortResult<HashMap<Uuid, NeedOutcome>> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let query =
            sqlx::query("SELECT id, name, output, error FROM spool.need_outcomes($1)").bind(ids);
        let rows = self.patiently(query.fetch_all(&self.work)).await?;
        let outcome = |row: &PgRow| {
            let mut cells = Cells::of(row);
            let (id, name) = (cells.take()?, cells.take()?);
            let (output, error) = (cells.json("history.output")?, cells.json("history.error")?);
            let error = cells.take_unreadable().or(error);
            let result = output.ok_or_else(|| error.unwrap_or_else(reason::cancelled));
            Ok((id, NeedOutcome { name, result }))
        };
        rows.iter().map(outcome).collect()
    }
}

/// Reads a claimed task.
pub fn read(row: &PgRow) -> PortResult<BareClaim> {
    let mut cells = Cells::of(row);
    let mut view = views::bare(&mut cells, JobStatus::Running)?;
    let task = TaskId(cells.take()?);
    let fence = Fence(cells.take()?);
    let attempt: u16 = cells.number::<i16, _>("tasks.attempt")?;
    view.attempts += u32::from(attempt);
    let max_attempts = cells.number::<i16, _>("tasks.max_attempts")?;
    let losses = cells.number::<i16, _>("tasks.losses")?;
    let (name, kind) = (cells.take()?, cells.take()?);
    let kind_version = cells.number::<i32, _>("tasks.kind_version")?;
    // A damaged part of the view does not keep the task from running.
    cells.take_unreadable();
    let input = cells.json("tasks.input")?.unwrap_or_default();
    let unreadable = cells.take_unreadable();
    let needs: Option<Vec<Uuid>> = cells.take()?;
    let timeout = duration(cells.take()?);
    let solo = cells.take()?;
    let result_task: Uuid = cells.take()?;
    let overrides = Overrides {
        timeout: cells.take::<Option<i64>>()?.map(column::duration),
        max_attempts: cells.take::<Option<i16>>()?.and_then(|most| u16::try_from(most).ok()),
        retry: cells.json("retry_policies.policy")?,
    };
    // With a damaged policy the pauses are those of the kind.
    cells.take_unreadable();
    let claimed = Claimed {
        task,
        job: JobId(view.id.0),
        tenant: view.tenant.clone(),
        name,
        kind,
        kind_version,
        input,
        unreadable,
        needs: Vec::new(),
        result: result_task == task.0,
        fence,
        attempt,
        max_attempts,
        losses,
        timeout,
        overrides,
        view,
    };
    Ok(BareClaim { claimed, needs: needs.unwrap_or_default(), solo })
}
