//! Deletes old rows and vacuums dead ones.

use std::sync::atomic::Ordering;

use common::{port::PortResult, store::Retention};

use super::{
    PgStore,
    column::{Cells, millis},
};

impl PgStore {
    pub(super) async fn retain_all(&self, retention: Retention) -> PortResult<u64> {
        let query = sqlx::query("SELECT spool.retain($1, $2, $3)")
            .bind(millis(retention.jobs))
            .bind(millis(retention.memos))
            .bind(i64::from(retention.most));
        let row = self.work(query.fetch_one(&self.work)).await?;
        let rows: u64 = Cells::of(&row).number::<i64, _>("removed")?;
        let removed = rows + self.retain_traces(retention).await?;
        let query = sqlx::query("SELECT spool.rotate_partitions($1)").bind(millis(retention.jobs));
        self.work(query.execute(&self.work)).await?;
        Ok(removed)
    }

    /// Starts to vacuum `tasks` when it has many dead rows, unless this process does it already.
    /// Two processes that both begin take turns in the server, and the second finds little to do.
    pub(super) async fn vacuum_tasks(&self) -> PortResult<()> {
        let row =
            self.work(sqlx::query("SELECT spool.needs_vacuum()").fetch_one(&self.work)).await?;
        let wanted: Option<bool> = Cells::of(&row).take()?;
        if wanted != Some(true) || self.vacuuming.swap(true, Ordering::AcqRel) {
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
