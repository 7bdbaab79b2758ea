//! Releases: a worker gives tasks back unharmed.

use common::{
    id::{Fence, TaskId, WorkerId},
    outcome::{Settlement, Verdict},
    port::PortResult,
    store::Changes,
};
use uuid::Uuid;

use super::{
    PgStore,
    column::{self, Cells},
    effects::{Effects, list},
};

impl PgStore {
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
}

/// Sorts tasks by id, the order in which rows are locked.
fn sorted(tasks: &[(TaskId, Fence)]) -> (Vec<Uuid>, Vec<i64>) {
    let mut tasks = tasks.to_vec();
    tasks.sort_unstable();
    tasks.dedup_by_key(|(task, _)| *task);
    tasks.into_iter().map(|(task, fence)| (task.0, fence.0)).unzip()
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
