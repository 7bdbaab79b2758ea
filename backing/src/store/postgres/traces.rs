//! The traces of the calls that made jobs.

use common::{port::PortResult, store::Retention, submission::Submission};

use super::{
    PgStore,
    column::{Cells, millis},
    deadlines::jobs,
};

impl PgStore {
    /// Stores traces, before the statement that stores the jobs, and only if a caller sent one.
    pub(super) async fn store_traces(&self, submissions: &[Submission]) -> PortResult<()> {
        let traced = submissions
            .iter()
            .flat_map(jobs)
            .filter_map(|job| Some((job.id.0, job.trace.as_ref()?.to_string())));
        let (jobs, traces): (Vec<_>, Vec<_>) = traced.unzip();
        if jobs.is_empty() {
            return Ok(());
        }
        let query = sqlx::query("SELECT spool.store_traces($1, $2)").bind(jobs).bind(traces);
        self.work(query.execute(&self.work)).await.map(drop)
    }

    /// Deletes traces that are older than the jobs that are kept.
    pub(super) async fn retain_traces(&self, retention: Retention) -> PortResult<u64> {
        let query = sqlx::query("SELECT spool.retain_traces($1, $2)")
            .bind(millis(retention.jobs))
            .bind(i64::from(retention.most));
        let row = self.work(query.fetch_one(&self.work)).await?;
        Cells::of(&row).number::<i64, _>("removed")
    }
}
