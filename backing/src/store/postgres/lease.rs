//! Heartbeats, releases and expired leases.

use std::time::Duration;

use common::{
    id::{Fence, TaskId, WorkerId},
    outcome::{Settlement, Verdict},
    port::PortResult,
    queue::Queue,
    store::{Changes, Heartbeat, HeartbeatReply, SweepPolicy, Swept, WorkerRegistration},
};
use uuid::Uuid;

use super::{
    PgStore,
    column::{self, Cells, millis},
    effects::{Effects, list},
    errors::unreadable,
    reason,
    settle::{Ending, Holder},
};

impl PgStore {
    pub(super) async fn heartbeat_all(
        &self,
        registration: &WorkerRegistration,
        heartbeats: &[Heartbeat],
        lease: Duration,
    ) -> PortResult<Vec<HeartbeatReply>> {
        let slots = |queue| {
            let all: u32 = registration
                .slots
                .iter()
                .filter(|(of, _)| *of == queue)
                .map(|(_, slots)| slots)
                .sum();
            i32::try_from(all).unwrap_or(i32::MAX)
        };
        let tasks: Vec<Uuid> = heartbeats.iter().map(|heartbeat| heartbeat.task.0).collect();
        let fences: Vec<i64> = heartbeats.iter().map(|heartbeat| heartbeat.fence.0).collect();
        let progress: Vec<Option<f32>> = heartbeats
            .iter()
            .map(|heartbeat| heartbeat.progress.as_ref().map(|progress| progress.value as f32))
            .collect();
        let stages: Vec<Option<String>> = heartbeats
            .iter()
            .map(|heartbeat| {
                heartbeat
                    .progress
                    .as_ref()
                    .and_then(|progress| progress.stage.as_deref().map(clean))
            })
            .collect();
        let query =
            sqlx::query("SELECT spool.heartbeat($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)")
                .bind(registration.worker.0)
                .bind(clean(&registration.name))
                .bind(slots(Queue::Render))
                .bind(slots(Queue::Generate))
                .bind(slots(Queue::Light))
                .bind(registration.draining)
                .bind(tasks)
                .bind(fences)
                .bind(progress)
                .bind(stages)
                .bind(millis(lease));
        let row = self.patiently(query.fetch_one(&self.heartbeats)).await?;
        let replies: Vec<i16> = Cells::of(&row).take()?;
        replies.into_iter().map(reply).collect()
    }

    pub(super) async fn release_all(
        &self,
        worker: WorkerId,
        tasks: &[(TaskId, Fence)],
    ) -> PortResult<Changes> {
        let (ids, fences): (Vec<Uuid>, Vec<i64>) = sorted(tasks);
        let query = sqlx::query(
            "SELECT jobs, ready_queues, stopped, stopped_fences FROM spool.release($1, $2, $3)",
        )
        .bind(worker.0)
        .bind(ids)
        .bind(fences);
        let row = self.patiently(query.fetch_one(&self.work)).await?;
        let mut cells = Cells::of(&row);
        let effects = Effects {
            jobs: list(&mut cells)?,
            ready_queues: column::queues(&list::<String>(&mut cells)?)?,
            ..Effects::default()
        };
        let (stopped, stopped_fences): (Vec<Uuid>, Vec<i64>) =
            (list(&mut cells)?, list(&mut cells)?);
        let mut changes = self.follow(effects).await;
        if !stopped.is_empty() {
            let settlement = |(task, fence)| Settlement {
                task: TaskId(task),
                fence: Fence(fence),
                verdict: Verdict::Cancelled,
            };
            let (_, more) = self
                .settle_all(
                    worker,
                    stopped.into_iter().zip(stopped_fences).map(settlement).collect(),
                )
                .await?;
            add(&mut changes, more);
        }
        Ok(changes)
    }

    pub(super) async fn sweep_all(&self, policy: SweepPolicy) -> PortResult<Swept> {
        let query = sqlx::query(
            "SELECT lost, jobs, ready_queues, to_end, to_end_fences, to_end_losses, poisoned
                 FROM spool.sweep($1, $2)",
        )
        .bind(i32::from(policy.quarantine_after))
        .bind(i64::from(policy.most));
        let row = self.patiently(query.fetch_one(&self.work)).await?;
        let mut cells = Cells::of(&row);
        let mut swept = Swept { lost: cells.number::<i64, _>("lost")?, ..Swept::default() };
        let mut effects = Effects {
            jobs: list(&mut cells)?,
            ready_queues: column::queues(&list::<String>(&mut cells)?)?,
            ..Effects::default()
        };
        let doomed: Vec<Uuid> = list(&mut cells)?;
        let (fences, losses): (Vec<i64>, Vec<i16>) = (list(&mut cells)?, list(&mut cells)?);
        let poisoned: Vec<bool> = list(&mut cells)?;
        for (((task, fence), losses), poisoned) in
            doomed.into_iter().zip(fences).zip(losses).zip(poisoned)
        {
            let verdict = if poisoned {
                Verdict::Failed(reason::poison(i64::from(losses) + 1))
            } else {
                Verdict::Cancelled
            };
            let settlement = Settlement { task: TaskId(task), fence: Fence(fence), verdict };
            // Each is a statement of its own: one that can't be settled stops none of the others.
            match self.end_expired(settlement).await {
                Ok(None) => {}
                Ok(Some(more)) => {
                    effects.add(more);
                    swept.quarantined += u32::from(poisoned);
                    swept.lost += u32::from(!poisoned);
                }
                Err(error) if error.is_transient() => return Err(error),
                Err(error) => tracing::error!(%task, %error, "an expired lease can't be judged"),
            }
        }
        swept.expired = self.expire(policy.most, &mut effects).await?;
        self.find_loose_ends(policy.most, &mut effects).await?;
        swept.changes = self.follow(effects).await;
        self.tidy().await?;
        Ok(swept)
    }

    async fn end_expired(&self, settlement: Settlement) -> PortResult<Option<Effects>> {
        let ending = Ending::of(settlement)?;
        let (settled, effects) = self.settle_plans(Holder::Expired, vec![ending]).await?;
        Ok((!settled.is_empty()).then_some(effects))
    }

    /// Finds the effects that a process which died between two statements did not carry out.
    async fn find_loose_ends(&self, most: u32, effects: &mut Effects) -> PortResult<()> {
        let query =
            sqlx::query("SELECT tenants, keys, stopping_batches FROM spool.unfinished_work($1)")
                .bind(i32::try_from(most).unwrap_or(i32::MAX));
        let row = self.patiently(query.fetch_one(&self.work)).await?;
        let mut cells = Cells::of(&row);
        let (tenants, keys): (Vec<String>, Vec<Vec<u8>>) = (list(&mut cells)?, list(&mut cells)?);
        effects.keys.extend(tenants.into_iter().zip(keys));
        effects.batches_to_stop.extend(list::<Uuid>(&mut cells)?);
        Ok(())
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

/// Sorts tasks by id, the order in which rows are locked.
fn sorted(tasks: &[(TaskId, Fence)]) -> (Vec<Uuid>, Vec<i64>) {
    let mut tasks = tasks.to_vec();
    tasks.sort_unstable();
    tasks.dedup_by_key(|(task, _)| *task);
    tasks.into_iter().map(|(task, fence)| (task.0, fence.0)).unzip()
}

/// Removes the one character that a text column refuses.
fn clean(text: &str) -> String {
    text.replace('\0', "")
}

/// Adds the changes of a later write.
pub fn add(changes: &mut Changes, later: Changes) {
    changes.views.retain(|view| later.views.iter().all(|newer| newer.id != view.id));
    changes.views.extend(later.views);
    changes.stopping.extend(later.stopping);
    changes.readied.extend(later.readied);
    changes.readied.sort_unstable();
    changes.readied.dedup();
}
