//! Batches and their items.

use common::{
    id::{BatchId, TenantId},
    port::PortResult,
    store::Target,
    view::{BatchView, ItemView},
};
use sqlx::SqliteConnection;
use uuid::Uuid;

use super::{column, job_views};

/// Returns whether the tenant has such a job or batch.
pub async fn has(
    sql: &mut SqliteConnection,
    tenant: &TenantId,
    target: Target,
) -> PortResult<bool> {
    let (statement, id) = match target {
        Target::Job(job) => ("SELECT 1 FROM jobs WHERE id = ? AND tenant = ?", job.0),
        Target::Batch(batch) => ("SELECT 1 FROM batches WHERE id = ? AND tenant = ?", batch.0),
    };
    let found: Option<i64> = maybe_value!(sql, statement; id, &tenant.0)?;
    Ok(found.is_some())
}

/// A batch's counts.
pub async fn one(
    sql: &mut SqliteConnection,
    tenant: &TenantId,
    batch: BatchId,
) -> PortResult<Option<BatchView>> {
    let row: Option<(i64, i64, i64, i64, Option<i64>)> = maybe_row!(sql,
        "SELECT total, fulfilled, rejected, created_at, settled_at FROM batches
         WHERE id = ? AND tenant = ?";
        batch.0, &tenant.0)?;
    let Some((total, fulfilled, rejected, created_at, settled_at)) = row else { return Ok(None) };
    Ok(Some(BatchView {
        id: batch,
        total: column::number("batches.total", total)?,
        fulfilled: column::number("batches.fulfilled", fulfilled)?,
        rejected: column::number("batches.rejected", rejected)?,
        created_at: column::time("batches.created_at", created_at)?,
        settled_at: column::maybe_time("batches.settled_at", settled_at)?,
    }))
}

/// A page of a batch's items, in order.
pub async fn items(
    sql: &mut SqliteConnection,
    tenant: &TenantId,
    batch: BatchId,
    from: u32,
    most: u32,
    now: i64,
) -> PortResult<Option<Vec<(u32, ItemView)>>> {
    if !has(sql, tenant, Target::Batch(batch)).await? {
        return Ok(None);
    }
    let (from, to) = (i64::from(from), i64::from(from) + i64::from(most));
    let jobs: Vec<Uuid> = values!(&mut *sql,
        "SELECT id FROM jobs WHERE batch = ? AND item >= ? AND item < ?"; batch.0, from, to)?;
    let refused: Vec<(u32, String)> = rows!(&mut *sql,
        "SELECT item, error FROM refused_items WHERE batch = ? AND item >= ? AND item < ?";
        batch.0, from, to)?;
    let views = job_views::load(sql, &jobs, now).await?;
    let mut items = Vec::with_capacity(views.len() + refused.len());
    for view in views.into_values() {
        let item = view.batch.map_or(0, |(_, item)| item);
        items.push((item, ItemView::Job(Box::new(view))));
    }
    for (item, error) in refused {
        items.push((item, ItemView::Refused(column::json("refused_items.error", &error)?)));
    }
    items.sort_by_key(|(item, _)| *item);
    Ok(Some(items))
}
