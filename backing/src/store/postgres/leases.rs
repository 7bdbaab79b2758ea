//! The part of the store that workers use: claim, heartbeat, settle, release.

use std::{collections::HashSet, time::Duration};

use async_trait::async_trait;
use common::{
    id::{Fence, TaskId, WorkerId},
    outcome::{Settlement, Verdict},
    port::PortResult,
    queue::Queue,
    store::{Changes, Claimed, Heartbeat, HeartbeatReply, Leases, Settled, WorkerRegistration},
};
use uuid::Uuid;

use super::{
    PgStore, claim,
    column::{Cells, int, millis},
    effects::Effects,
    errors::unreadable,
    settle::{self, TaskEnd},
};

#[async_trait]
impl Leases for PgStore {
    async fn claim(
        &self,
        worker: WorkerId,
        tasks: &[TaskId],
        lease: Duration,
    ) -> PortResult<Vec<Option<Claimed>>> {
        let query = sqlx::query(claim::SELECT)
            .bind(worker.0)
            .bind(tasks.iter().map(|task| task.0).collect::<Vec<_>>())
            .bind(millis(lease));
        let rows = self.patiently(query.fetch_all(&self.work)).await?;
        let bare = rows.iter().map(claim::read).collect::<PortResult<_>>()?;
        let mut claimed = self.complete(bare).await?;
        Ok(tasks.iter().map(|task| claimed.remove(task)).collect())
    }

    async fn heartbeat(
        &self,
        registration: &WorkerRegistration,
        heartbeats: &[Heartbeat],
        lease: Duration,
    ) -> PortResult<Vec<HeartbeatReply>> {
        let slots = |queue| {
            let of_queue = registration.slots.iter().filter(|(of, _)| *of == queue);
            int(of_queue.map(|(_, slots)| slots).sum::<u32>())
        };
        let progress = heartbeats.iter().map(|heartbeat| heartbeat.progress.as_ref());
        let (values, stages): (Vec<Option<f32>>, Vec<Option<String>>) = progress
            .map(|progress| {
                let stage = progress.and_then(|progress| progress.stage.as_deref());
                (progress.map(|progress| progress.value as f32), stage.map(without_nul))
            })
            .unzip();
        let (kinds, versions): (Vec<String>, Vec<i32>) =
            registration.kinds.iter().map(|(kind, version)| (kind.clone(), int(*version))).unzip();
        let declared = !kinds.is_empty();
        let query = sqlx::query_scalar(
            "SELECT spool.heartbeat($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        )
        .bind(registration.worker.0)
        .bind(without_nul(&registration.name))
        .bind(slots(Queue::Render))
        .bind(slots(Queue::Generate))
        .bind(slots(Queue::Light))
        .bind(registration.draining)
        .bind(declared.then_some(kinds))
        .bind(declared.then_some(versions))
        .bind(heartbeats.iter().map(|heartbeat| heartbeat.task.0).collect::<Vec<_>>())
        .bind(heartbeats.iter().map(|heartbeat| heartbeat.fence.0).collect::<Vec<_>>())
        .bind(values)
        .bind(stages)
        .bind(millis(lease));
        let replies: Vec<i16> = self.patiently(query.fetch_one(&self.heartbeats)).await?;
        replies.into_iter().map(reply).collect()
    }

    /// Three statements share the work, and each leaves out what is not for it: tasks that are the
    /// only one of their job (nearly all), attempts that will be retried, and tasks of plans.
    /// Settlements are independent, so it does not matter that these are several commits. A settle
    /// whose commit is unclear may be repeated: a settlement that was counted the first time is
    /// stale the second.
    async fn settle(
        &self,
        worker: WorkerId,
        settlements: Vec<Settlement>,
    ) -> PortResult<(Vec<Settled>, Changes)> {
        let tasks: Vec<TaskId> = settlements.iter().map(|settlement| settlement.task).collect();
        let mut changes = Changes::default();
        let (retries, mut ends) = settle::sort(settlements)?;
        let unkeyed = self.take_keys(worker, ends.values().filter(|end| !end.memo)).await?;
        let solo = ends.values().filter(|end| end.row.grown.is_empty()).cloned().collect();
        let (mut counted, mut effects) = self.settle_solo(worker, solo, &mut changes.views).await?;
        // From here on something may be committed, and a settlement that can't be written harms
        // only itself.
        ends.retain(|task, _| !counted.contains(task));
        effects.keys.extend(unkeyed);
        let retried = self.settle_retries(worker, &retries, &mut effects).await?;
        for (task, retry) in retries.iter().filter(|(task, _)| !retried.contains(task)) {
            ends.insert(*task, TaskEnd::cancelled(retry)?);
        }
        counted.extend(retried);
        counted.extend(self.settle_rest(worker, ends, &mut effects).await?);
        changes.merge(self.follow(effects).await);
        let mut seen = HashSet::new();
        let answer = |task: TaskId| match counted.contains(&task.0) && seen.insert(task) {
            true => Settled::Counted,
            false => Settled::Stale,
        };
        Ok((tasks.into_iter().map(answer).collect(), changes))
    }

    async fn release(&self, worker: WorkerId, tasks: &[(TaskId, Fence)]) -> PortResult<Changes> {
        // The order of ids, in which rows are locked.
        let mut tasks = tasks.to_vec();
        tasks.sort_unstable();
        tasks.dedup_by_key(|(task, _)| *task);
        let (ids, fences): (Vec<Uuid>, Vec<i64>) =
            tasks.into_iter().map(|(task, fence)| (task.0, fence.0)).unzip();
        let query = sqlx::query(
            "SELECT jobs, ready_queues, stopped, stopped_fences FROM spool.release($1, $2, $3)",
        )
        .bind(worker.0)
        .bind(ids)
        .bind(fences);
        let row = self.patiently(query.fetch_one(&self.work)).await?;
        let mut cells = Cells::of(&row);
        let effects = Effects {
            jobs: cells.list()?.into_iter().collect(),
            ready_queues: cells.queues()?,
            ..Effects::default()
        };
        let (stopped, fences): (Vec<Uuid>, Vec<i64>) = (cells.list()?, cells.list()?);
        let mut changes = self.follow(effects).await;
        if !stopped.is_empty() {
            let cancelled = |(task, fence)| Settlement {
                task: TaskId(task),
                fence: Fence(fence),
                verdict: Verdict::Cancelled,
            };
            let settlements = stopped.into_iter().zip(fences).map(cancelled).collect();
            changes.merge(self.settle(worker, settlements).await?.1);
        }
        Ok(changes)
    }
}

fn reply(code: i16) -> PortResult<HeartbeatReply> {
    match code {
        0 => Ok(HeartbeatReply::Held),
        1 => Ok(HeartbeatReply::Cancel),
        2 => Ok(HeartbeatReply::Stale),
        _ => Err(unreadable("reply", code)),
    }
}

/// Removes the one character that a text column refuses.
fn without_nul(text: &str) -> String {
    text.replace('\0', "")
}
