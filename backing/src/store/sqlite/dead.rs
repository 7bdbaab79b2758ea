//! Lists dead work, along the index `tasks_dead`.

use async_trait::async_trait;
use common::{
    error::ErrorClass,
    id::{TaskId, TenantId},
    limits::LIST_SCAN,
    port::PortResult,
    store::{DeadFilter, DeadWork},
    view::{Page, TaskView},
};
use jiff::Timestamp;
use uuid::Uuid;

use super::{
    SqliteStore,
    reads::{page, task_view},
};

#[async_trait]
impl DeadWork for SqliteStore {
    async fn dead(
        &self,
        tenant: &TenantId,
        filter: &DeadFilter,
        after: Option<TaskId>,
        most: u32,
    ) -> PortResult<Page<TaskView>> {
        let mut reader = self.reader().await?;
        let (after, scan) = (after.map_or(Uuid::max(), |after| after.0), LIST_SCAN as i64);
        let (last, read): (Option<Uuid>, i64) = row!(&mut *reader,
            "SELECT min(id), count(*) FROM (SELECT id FROM tasks
                 WHERE tenant = ? AND state = 'failed' AND id < ? ORDER BY id DESC LIMIT ?)";
            &tenant.0, after, scan)?;
        let found: Vec<Uuid> = values!(&mut *reader,
            "SELECT tasks.id FROM tasks JOIN jobs ON jobs.id = tasks.job
             WHERE tasks.tenant = ?1 AND tasks.state = 'failed' AND tasks.id < ?2
                 AND tasks.id >= ?3 AND NOT tasks.superseded AND jobs.status = 'failed'
                 AND (?4 IS NULL OR tasks.kind = ?4)
                 AND (?5 IS NULL OR json_extract(tasks.error, '$.class') = ?5)
                 AND (?6 IS NULL OR json_extract(tasks.error, '$.code') = ?6)
                 AND (?7 IS NULL OR tasks.finished_at >= ?7)
                 AND (?8 IS NULL OR tasks.finished_at < ?8)
             ORDER BY tasks.id DESC LIMIT ?9";
            &tenant.0, after, last, &filter.kind, filter.class.map(ErrorClass::as_str),
            &filter.code, filter.since.map(Timestamp::as_millisecond),
            filter.until.map(Timestamp::as_millisecond), i64::from(most) + 1)?;
        let page = page(found, most, last.filter(|_| read == scan));
        let mut items = Vec::new();
        for task in page.items {
            items.extend(task_view(&mut reader, tenant, TaskId(task)).await?);
        }
        Ok(Page { items, next: page.next })
    }
}
