//! Jobs newest first.

use common::{
    id::{JobId, TenantId},
    port::PortResult,
    store::JobFilter,
    view::{JobView, Page},
};
use sqlx::SqliteConnection;
use uuid::Uuid;

use super::{fault::port, job_view};

/// Rows looked at for one page where several filters meet. Each single filter has an index of its own; with several, a page may come
/// short and its cursor goes on, so that a page's cost does not depend on how rare what it looks for is.
const LOOKED_AT: i64 = 2_000;

#[derive(sqlx::FromRow)]
struct Seen {
    id: Uuid,
    status: String,
    kind: String,
}

/// A page of a tenant's jobs from the one after `after` on.
pub async fn list(
    sql: &mut SqliteConnection,
    tenant: &TenantId,
    filter: &JobFilter,
    after: Option<JobId>,
    most: u32,
    now: i64,
) -> PortResult<Page<JobView>> {
    let before = after.map_or(Uuid::max(), |job| job.0);
    let filters = [filter.status.is_some(), filter.kind.is_some(), filter.tag.is_some()];
    let several = filters.into_iter().filter(|set| *set).count() > 1;
    let limit = if several { LOOKED_AT } else { i64::from(most) + 1 };
    let seen = look(sql, tenant, filter, before, limit).await?;
    let exhausted = (seen.len() as i64) < limit;
    let fits = |job: &&Seen| {
        filter.status.is_none_or(|status| status.as_str() == job.status)
            && filter.kind.as_ref().is_none_or(|kind| *kind == job.kind)
    };
    let mut found: Vec<Uuid> =
        seen.iter().filter(fits).map(|job| job.id).take(most as usize + 1).collect();
    let next = if found.len() > most as usize {
        found.truncate(most as usize);
        found.last().copied()
    } else if exhausted {
        None
    } else {
        seen.last().map(|job| job.id)
    };
    let mut views = job_view::load(sql, &found, now).await?;
    let items = found.iter().filter_map(|id| views.remove(id)).collect();
    Ok(Page { items, next: next.map(|job| JobId(job).to_string()) })
}

/// The newest jobs older than `before` along the narrowest index: tag, then kind, then status, then all.
async fn look(
    sql: &mut SqliteConnection,
    tenant: &TenantId,
    filter: &JobFilter,
    before: Uuid,
    limit: i64,
) -> PortResult<Vec<Seen>> {
    let query = match (&filter.tag, &filter.kind, filter.status) {
        (Some(tag), ..) => sqlx::query_as(
            "SELECT jobs.id, jobs.status, jobs.kind FROM job_tags JOIN jobs ON jobs.id = job_tags.job
             WHERE job_tags.tenant = ? AND job_tags.tag = ? AND job_tags.job < ? ORDER BY job_tags.job DESC LIMIT ?",
        )
        .bind(&tenant.0)
        .bind(tag),
        (None, Some(kind), _) => sqlx::query_as(
            "SELECT id, status, kind FROM jobs WHERE tenant = ? AND kind = ? AND id < ? ORDER BY id DESC LIMIT ?",
        )
        .bind(&tenant.0)
        .bind(kind),
        (None, None, Some(status)) => sqlx::query_as(
            "SELECT id, status, kind FROM jobs WHERE tenant = ? AND status = ? AND id < ? ORDER BY id DESC LIMIT ?",
        )
        .bind(&tenant.0)
        .bind(status.as_str()),
        (None, None, None) => {
            sqlx::query_as("SELECT id, status, kind FROM jobs WHERE tenant = ? AND id < ? ORDER BY id DESC LIMIT ?")
                .bind(&tenant.0)
        }
    };
    query.bind(before).bind(limit).fetch_all(sql).await.map_err(port)
}
