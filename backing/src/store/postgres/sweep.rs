//! Sweeps: expired leases, overdue starts, and effects that a crash left.

use common::{
    id::{Fence, TaskId},
    outcome::{Settlement, Verdict},
    port::PortResult,
    store::{SweepPolicy, Swept},
};
use uuid::Uuid;

use super::{
    PgStore,
    column::{self, Cells},
    effects::{Effects, list},
    reason,
    settle::{Holder, TaskEnd},
};

impl PgStore {
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
        swept.expired = self.fail_overdue_starts(policy.most, &mut effects).await?;
        self.find_unfinished_work(policy.most, &mut effects).await?;
        swept.changes = self.follow(effects).await;
        self.vacuum_tasks().await?;
        Ok(swept)
    }

    async fn end_expired(&self, settlement: Settlement) -> PortResult<Option<Effects>> {
        let end = TaskEnd::of(settlement)?;
        let (settled, effects) = self.settle_plans(Holder::Expired, vec![end]).await?;
        Ok((!settled.is_empty()).then_some(effects))
    }

    /// Finds the effects that a process which died between two statements did not carry out.
    async fn find_unfinished_work(&self, most: u32, effects: &mut Effects) -> PortResult<()> {
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
