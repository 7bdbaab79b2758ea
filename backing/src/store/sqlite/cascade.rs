//! What follows from the end of a task: for those that need it, for those that follow its key, for its job, for its batch.
//!
//! A work list, not recursion: an end may end a thousand others. Tasks are followed up first, then jobs are written once for all
//! their tasks, then batches once for all their jobs; what a batch sets off (`stopOnError`) starts the list again.

use common::{
    error::JobError,
    plan::OnFailure,
    port::PortResult,
    rules::lifecycle::{TaskState, TaskState::Succeeded},
};
use uuid::Uuid;

use super::{column, fault::port, write::Write};
use crate::store::reason;

/// A task that ended within this write.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct EndedRow {
    pub id: Uuid,
    pub job: Uuid,
    pub tenant: String,
    pub name: String,
    pub kind: String,
    pub key: Option<Vec<u8>>,
    pub needed: bool,
}

/// The same, with how it ended.
#[derive(Debug, Clone)]
pub struct Ended {
    pub task: EndedRow,
    pub state: TaskState,
    /// Without a run of its own, by a memo or a leader.
    pub cached: bool,
}

#[derive(sqlx::FromRow)]
struct Dependent {
    task: Uuid,
    on_failure: String,
}

impl Write<'_> {
    /// Draws all consequences of what ended so far.
    pub async fn follow(&mut self) -> PortResult<()> {
        loop {
            while let Some(ended) = self.ended.pop_front() {
                if ended.task.needed {
                    self.follow_dependents(&ended).await?;
                }
                if ended.task.key.is_some() {
                    self.follow_key(&ended).await?;
                }
                self.jobs.entry(ended.task.job).or_default().add(&ended);
            }
            for (job, delta) in std::mem::take(&mut self.jobs) {
                self.write_job(job, delta).await?;
            }
            for (batch, delta) in std::mem::take(&mut self.batches) {
                self.write_batch(batch, delta).await?;
            }
            if self.ended.is_empty() && self.jobs.is_empty() && self.batches.is_empty() {
                return Ok(());
            }
        }
    }

    async fn follow_dependents(&mut self, ended: &Ended) -> PortResult<()> {
        let dependents: Vec<Dependent> = sqlx::query_as(
            "SELECT task, on_failure FROM edges WHERE need = ? ORDER BY task, place",
        )
        .bind(ended.task.id)
        .fetch_all(self.sql())
        .await
        .map_err(port)?;
        for Dependent { task, on_failure } in dependents {
            let proceed = column::on_failure(&on_failure)? == OnFailure::Proceed;
            if ended.state == Succeeded || proceed {
                self.meet_need(task).await?;
            } else {
                self.cancel_dependent(task, &ended.task).await?;
            }
        }
        Ok(())
    }

    async fn cancel_dependent(&mut self, task: Uuid, need: &EndedRow) -> PortResult<()> {
        let row: Option<EndedRow> = sqlx::query_as(
            "UPDATE tasks SET state = 'cancelled', error = ?, blamed = ?, finished_at = ?
             WHERE id = ? AND state = 'waiting'
             RETURNING id, job, tenant, name, kind, key, needed",
        )
        .bind(column::text(&reason::need_failed(&need.name))?)
        .bind(need.id)
        .bind(self.now)
        .bind(task)
        .fetch_optional(self.sql())
        .await
        .map_err(port)?;
        self.ended.extend(row.map(|task| Ended {
            task,
            state: TaskState::Cancelled,
            cached: false,
        }));
        Ok(())
    }

    /// A success settles the followers of its key, anything else makes one of them the leader.
    async fn follow_key(&mut self, ended: &Ended) -> PortResult<()> {
        match ended.state {
            Succeeded if !ended.cached => self.recall_followers(ended).await,
            Succeeded => Ok(()),
            _ => match &ended.task.key {
                Some(key) => self.promote(&ended.task.tenant, key).await,
                None => Ok(()),
            },
        }
    }

    async fn recall_followers(&mut self, leader: &Ended) -> PortResult<()> {
        let rows: Vec<EndedRow> = sqlx::query_as(
            "UPDATE tasks SET state = 'succeeded', cached = 1, finished_at = ?1,
                 output = leader.output, output_hash = leader.output_hash, artifacts = leader.artifacts
             FROM (SELECT output, output_hash, artifacts FROM tasks WHERE id = ?2) AS leader
             WHERE tasks.tenant = ?3 AND tasks.key = ?4 AND tasks.state = 'waiting'
             RETURNING id, job, tenant, name, kind, key, needed",
        )
        .bind(self.now)
        .bind(leader.task.id)
        .bind(&leader.task.tenant)
        .bind(&leader.task.key)
        .fetch_all(self.sql())
        .await
        .map_err(port)?;
        self.ended.extend(rows.into_iter().map(|task| Ended {
            task,
            state: Succeeded,
            cached: true,
        }));
        Ok(())
    }

    /// The follower of the highest band, and of those the oldest, leads from now on. A follower that ended leaves its leader alone.
    pub async fn promote(&mut self, tenant: &str, key: &[u8]) -> PortResult<()> {
        let queue: Option<String> = sqlx::query_scalar(
            "UPDATE tasks SET state = 'ready',
                 run_at = max(?1, (SELECT min(run_at) FROM tasks AS other
                     WHERE other.tenant = ?2 AND other.key = ?3 AND other.state = 'waiting'))
             WHERE id = (SELECT id FROM tasks WHERE tenant = ?2 AND key = ?3 AND key IS NOT NULL AND state = 'waiting'
                         ORDER BY priority DESC, created_at, job, place LIMIT 1)
               AND NOT EXISTS (SELECT 1 FROM tasks AS leader WHERE leader.tenant = ?2 AND leader.key = ?3
                               AND leader.key IS NOT NULL AND leader.state IN ('ready', 'queued', 'running'))
             RETURNING queue",
        )
        .bind(self.now)
        .bind(tenant)
        .bind(key)
        .fetch_optional(self.sql())
        .await
        .map_err(port)?;
        if let Some(queue) = queue {
            self.readies(column::queue(&queue)?);
        }
        Ok(())
    }

    /// Ends all tasks of a job that nobody runs, and asks the others to stop.
    pub async fn stop_tasks(&mut self, job: Uuid, reason: &JobError) -> PortResult<()> {
        let rows: Vec<EndedRow> = sqlx::query_as(
            "UPDATE tasks SET state = 'cancelled', error = ?, finished_at = ?
             WHERE job = ? AND state IN ('waiting', 'ready', 'queued')
             RETURNING id, job, tenant, name, kind, key, needed",
        )
        .bind(column::text(reason)?)
        .bind(self.now)
        .bind(job)
        .fetch_all(self.sql())
        .await
        .map_err(port)?;
        self.ended.extend(rows.into_iter().map(|task| Ended {
            task,
            state: TaskState::Cancelled,
            cached: false,
        }));
        let running: Vec<Uuid> = sqlx::query_scalar(
            "UPDATE tasks SET cancel_requested = 1 WHERE job = ? AND state = 'running' AND cancel_requested = 0
             RETURNING id",
        )
        .bind(job)
        .fetch_all(self.sql())
        .await
        .map_err(port)?;
        running.into_iter().for_each(|task| self.stops(task));
        Ok(())
    }
}
