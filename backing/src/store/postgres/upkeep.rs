//! The part of the store that sweepers use: sweep, retain, check.

use std::sync::atomic::Ordering;

use async_trait::async_trait;
use common::{
    id::{Fence, TaskId},
    outcome::{Settlement, Verdict},
    port::PortResult,
    store::{Retention, SweepPolicy, Swept, Upkeep},
};
use uuid::Uuid;

use super::{
    PgStore,
    column::{self, Cells, int, millis},
    effects::Effects,
    migrate, reason,
    settle::TaskEnd,
};

#[async_trait]
impl Upkeep for PgStore {
    async fn sweep(&self, policy: SweepPolicy) -> PortResult<Swept> {
        let (mut swept, mut effects) = (Swept::default(), Effects::default());
        self.sweep_leases(policy, &mut swept, &mut effects).await?;
        swept.expired = self.fail_overdue_starts(policy.most, &mut effects).await?;
        self.find_unfinished_work(policy.most, &mut effects).await?;
        swept.changes = self.follow(effects).await;
        self.vacuum_tasks().await?;
        Ok(swept)
    }

    async fn retain(&self, retention: Retention) -> PortResult<u64> {
        let query = sqlx::query("SELECT spool.retain($1, $2, $3)")
            .bind(millis(retention.jobs))
            .bind(millis(retention.memos))
            .bind(i64::from(retention.most));
        let row = self.work(query.fetch_one(&self.work)).await?;
        let removed = Cells::of(&row).number::<i64, _>("removed")?;
        let query = sqlx::query("SELECT spool.rotate_partitions($1)").bind(millis(retention.jobs));
        self.work(query.execute(&self.work)).await?;
        Ok(removed)
    }

    async fn check(&self) -> PortResult<()> {
        let found = async {
            let mut connection = self.work.acquire().await?;
            let found = migrate::find(connection.sql()).await;
            connection.release(found).await
        };
        migrate::check(&self.work(found).await?)?;
        // A replica or a server without space answers reads and refuses this.
        let query = sqlx::query("UPDATE spool.sweep_state SET swept_at = swept_at");
        self.work(query.execute(&self.work)).await.map(drop)
    }
}

impl PgStore {
    /// Makes lost tasks ready again, and ends those that lost too many workers or were cancelled.
    async fn sweep_leases(
        &self,
        policy: SweepPolicy,
        swept: &mut Swept,
        effects: &mut Effects,
    ) -> PortResult<()> {
        let query = sqlx::query(
            "SELECT lost, jobs, ready_queues, to_end, to_end_fences, to_end_losses, poisoned
                 FROM spool.sweep($1, $2)",
        )
        .bind(i32::from(policy.quarantine_after))
        .bind(i64::from(policy.most));
        let row = self.patiently(query.fetch_one(&self.work)).await?;
        let mut cells = Cells::of(&row);
        swept.lost = cells.number::<i64, _>("lost")?;
        effects.jobs.extend(cells.list::<Uuid>()?);
        effects.ready_queues.extend(cells.queues()?);
        let tasks: Vec<Uuid> = cells.list()?;
        let (fences, losses): (Vec<i64>, Vec<i16>) = (cells.list()?, cells.list()?);
        let poisoned: Vec<bool> = cells.list()?;
        for (((task, fence), losses), poisoned) in
            tasks.into_iter().zip(fences).zip(losses).zip(poisoned)
        {
            let verdict = match poisoned {
                true => Verdict::Failed(reason::poison(i64::from(losses) + 1)),
                false => Verdict::Cancelled,
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
                Err(error) => tracing::error!(%task, %error, "an expired lease can't be settled"),
            }
        }
        Ok(())
    }

    async fn end_expired(&self, settlement: Settlement) -> PortResult<Option<Effects>> {
        let end = TaskEnd::of(settlement)?;
        let (settled, effects) = self.settle_plans(None, vec![end]).await?;
        Ok((!settled.is_empty()).then_some(effects))
    }

    /// Finds the effects that a process which died between two statements did not carry out.
    async fn find_unfinished_work(&self, most: u32, effects: &mut Effects) -> PortResult<()> {
        let query =
            sqlx::query("SELECT tenants, keys, stopping_batches FROM spool.unfinished_work($1)")
                .bind(int(most));
        let row = self.patiently(query.fetch_one(&self.work)).await?;
        let mut cells = Cells::of(&row);
        effects.keys.extend(cells.keys()?);
        effects.batches_to_stop.extend(cells.list::<Uuid>()?);
        Ok(())
    }

    /// Fails tasks that did not start in time, and returns how many. Each is a statement of its
    /// own, so that one that can't be failed stops none of the others.
    async fn fail_overdue_starts(&self, most: u32, effects: &mut Effects) -> PortResult<u32> {
        let query =
            sqlx::query("SELECT tasks, allowed FROM spool.overdue_starts($1)").bind(int(most));
        let row = self.work(query.fetch_one(&self.work)).await?;
        let mut cells = Cells::of(&row);
        let (tasks, allowed): (Vec<Uuid>, Vec<i64>) = (cells.list()?, cells.list()?);
        let mut expired = 0;
        for (task, allowed) in tasks.into_iter().zip(allowed) {
            match self.fail_overdue_start(task, allowed).await {
                Ok(None) => {}
                Ok(Some(more)) => {
                    effects.add(more);
                    expired += 1;
                }
                Err(error) if error.is_transient() => return Err(error),
                Err(error) => {
                    tracing::error!(%task, %error, "a task that is overdue can't be failed")
                }
            }
        }
        Ok(expired)
    }

    async fn fail_overdue_start(&self, task: Uuid, allowed: i64) -> PortResult<Option<Effects>> {
        let sql = "SELECT expired, (effects).* FROM spool.fail_overdue_start($1, $2)";
        let query = sqlx::query(sql).bind(task).bind(column::text(&reason::expired(allowed))?);
        let row = self.work(query.fetch_one(&self.work)).await?;
        let mut cells = Cells::of(&row);
        let expired: bool = cells.take()?;
        let effects = Effects::read(&mut cells)?;
        Ok(expired.then_some(effects))
    }
    /// Starts to vacuum `tasks` when it has many dead rows, unless this process does it already.
    /// Two processes that both begin take turns in the server, and the second finds little to do.
    /// In a session that is shared it fails, since it can't run in a transaction, and autovacuum
    /// does it.
    async fn vacuum_tasks(&self) -> PortResult<()> {
        let query = sqlx::query_scalar("SELECT spool.needs_vacuum()");
        let needed: Option<bool> = self.work(query.fetch_one(&self.work)).await?;
        if needed != Some(true) || self.vacuuming.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        let this = self.clone();
        tokio::spawn(async move {
            let vacuum =
                sqlx::query("VACUUM (TRUNCATE false, SKIP_LOCKED true, ANALYZE) spool.tasks");
            if let Err(error) = this.work(vacuum.execute(&this.work)).await {
                tracing::debug!(%error, "dead rows stay a while longer");
            }
            this.vacuuming.store(false, Ordering::Release);
        });
        Ok(())
    }
}
