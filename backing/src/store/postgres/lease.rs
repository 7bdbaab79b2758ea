//! While a task runs: beats, releases, and leases that ran out.

use std::time::Duration;

use common::{
    id::{Fence, TaskId, WorkerId},
    kind::Class,
    outcome::{Settlement, Verdict},
    port::{
        PortResult,
        store::{Beat, Moved, Presence, Pulse, SweepPolicy, Swept},
    },
};
use uuid::Uuid;

use super::{
    PgStore,
    column::{self, Cells, millis},
    effects::{Effects, list},
    fault::unreadable,
    reason,
    settle::{Ending, Holder},
};

impl PgStore {
    pub(super) async fn beat_all(
        &self,
        presence: &Presence,
        beats: &[Beat],
        lease: Duration,
    ) -> PortResult<Vec<Pulse>> {
        let slots = |class| {
            let all: u32 =
                presence.slots.iter().filter(|(of, _)| *of == class).map(|(_, slots)| slots).sum();
            i32::try_from(all).unwrap_or(i32::MAX)
        };
        let tasks: Vec<Uuid> = beats.iter().map(|beat| beat.task.0).collect();
        let fences: Vec<i64> = beats.iter().map(|beat| beat.fence.0).collect();
        let progress: Vec<Option<f32>> = beats
            .iter()
            .map(|beat| beat.progress.as_ref().map(|progress| progress.value as f32))
            .collect();
        let stages: Vec<Option<String>> = beats
            .iter()
            .map(|beat| {
                beat.progress.as_ref().and_then(|progress| progress.stage.as_deref().map(clean))
            })
            .collect();
        let query = sqlx::query("SELECT spool.beat($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)")
            .bind(presence.worker.0)
            .bind(clean(&presence.name))
            .bind(slots(Class::Render))
            .bind(slots(Class::Generate))
            .bind(slots(Class::Light))
            .bind(presence.draining)
            .bind(tasks)
            .bind(fences)
            .bind(progress)
            .bind(stages)
            .bind(millis(lease));
        let row = self.patiently(query.fetch_one(&self.beats)).await?;
        let pulses: Vec<i16> = Cells::of(&row).take()?;
        pulses.into_iter().map(pulse).collect()
    }

    pub(super) async fn release_all(
        &self,
        worker: WorkerId,
        tasks: &[(TaskId, Fence)],
    ) -> PortResult<Moved> {
        let (ids, fences): (Vec<Uuid>, Vec<i64>) = sorted(tasks);
        let query = sqlx::query(
            "SELECT jobs, readied, stopped, stopped_fences FROM spool.release($1, $2, $3)",
        )
        .bind(worker.0)
        .bind(ids)
        .bind(fences);
        let row = self.patiently(query.fetch_one(&self.work)).await?;
        let mut cells = Cells::of(&row);
        let effects = Effects {
            jobs: list(&mut cells)?,
            readied: column::classes(&list::<String>(&mut cells)?)?,
            ..Effects::default()
        };
        let (stopped, stopped_fences): (Vec<Uuid>, Vec<i64>) =
            (list(&mut cells)?, list(&mut cells)?);
        let mut moved = self.follow(effects).await;
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
            add(&mut moved, more);
        }
        Ok(moved)
    }

    pub(super) async fn sweep_all(&self, policy: SweepPolicy) -> PortResult<Swept> {
        let query = sqlx::query(
            "SELECT lost, jobs, readied, doomed, doomed_fences, doomed_losses, poisoned FROM spool.sweep($1, $2)",
        )
        .bind(i32::from(policy.quarantine_after))
        .bind(i64::from(policy.most));
        let row = self.patiently(query.fetch_one(&self.work)).await?;
        let mut cells = Cells::of(&row);
        let mut swept = Swept { lost: cells.number::<i64, _>("lost")?, ..Swept::default() };
        let mut effects = Effects {
            jobs: list(&mut cells)?,
            readied: column::classes(&list::<String>(&mut cells)?)?,
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
            // Each by itself: one that can't be judged stops none of the rest.
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
        swept.moved = self.follow(effects).await;
        self.tidy().await?;
        Ok(swept)
    }

    async fn end_expired(&self, settlement: Settlement) -> PortResult<Option<Effects>> {
        let ending = Ending::of(settlement)?;
        let (settled, effects) = self.settle_plans(Holder::Expired, vec![ending]).await?;
        Ok((!settled.is_empty()).then_some(effects))
    }

    /// What a process that died between two statements left to be followed up.
    async fn find_loose_ends(&self, most: u32, effects: &mut Effects) -> PortResult<()> {
        let query = sqlx::query("SELECT tenants, keys, halting FROM spool.loose_ends($1)")
            .bind(i32::try_from(most).unwrap_or(i32::MAX));
        let row = self.patiently(query.fetch_one(&self.work)).await?;
        let mut cells = Cells::of(&row);
        let (tenants, keys): (Vec<String>, Vec<Vec<u8>>) = (list(&mut cells)?, list(&mut cells)?);
        effects.keys.extend(tenants.into_iter().zip(keys));
        effects.halted.extend(list::<Uuid>(&mut cells)?);
        Ok(())
    }
}

fn pulse(code: i16) -> PortResult<Pulse> {
    match code {
        0 => Ok(Pulse::Held),
        1 => Ok(Pulse::Cancel),
        2 => Ok(Pulse::Stale),
        _ => Err(unreadable("pulse", code)),
    }
}

/// In the order of ids, in which rows are locked.
fn sorted(tasks: &[(TaskId, Fence)]) -> (Vec<Uuid>, Vec<i64>) {
    let mut tasks = tasks.to_vec();
    tasks.sort_unstable();
    tasks.dedup_by_key(|(task, _)| *task);
    tasks.into_iter().map(|(task, fence)| (task.0, fence.0)).unzip()
}

/// Text without the one character that a text column refuses.
fn clean(text: &str) -> String {
    text.replace('\0', "")
}

/// Adds what a later write moved.
pub fn add(moved: &mut Moved, later: Moved) {
    moved.views.retain(|view| later.views.iter().all(|newer| newer.id != view.id));
    moved.views.extend(later.views);
    moved.stopping.extend(later.stopping);
    moved.readied.extend(later.readied);
    moved.readied.sort_unstable();
    moved.readied.dedup();
}
