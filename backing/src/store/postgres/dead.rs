//! Lists dead work: tasks that failed for good.

use std::collections::BTreeMap;

use async_trait::async_trait;
use common::{
    error::ErrorClass,
    id::{TaskId, TenantId},
    port::PortResult,
    store::{DeadFilter, DeadWork},
    view::{Page, TaskView},
};
use jiff::Timestamp;
use uuid::Uuid;

use super::{
    PgStore,
    column::{Cells, int},
};

#[async_trait]
impl DeadWork for PgStore {
    async fn dead(
        &self,
        tenant: &TenantId,
        filter: &DeadFilter,
        after: Option<TaskId>,
        most: u32,
    ) -> PortResult<Page<TaskView>> {
        let query = sqlx::query(
            "SELECT tasks, next_behind FROM spool.list_dead($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(tenant.0.clone())
        .bind(filter.kind.clone())
        .bind(filter.class.map(ErrorClass::as_str))
        .bind(filter.code.clone())
        .bind(filter.since.map(Timestamp::as_millisecond))
        .bind(filter.until.map(Timestamp::as_millisecond))
        .bind(after.map(|after| after.0))
        .bind(int(most));
        let row = self.work(query.fetch_one(&self.work)).await?;
        let mut cells = Cells::of(&row);
        let (tasks, next): (Vec<Uuid>, Option<Uuid>) = (cells.list()?, cells.take()?);
        let views = self.task_views(tenant, tasks.clone(), None).await?;
        let mut views: BTreeMap<Uuid, TaskView> =
            views.into_iter().map(|view| (view.id.0, view)).collect();
        let items = tasks.iter().filter_map(|task| views.remove(task)).collect();
        Ok(Page { items, next: next.map(|task| TaskId(task).to_string()) })
    }
}
