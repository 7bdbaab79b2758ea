//! Lists of jobs, newest first.

use common::{
    id::{JobId, TenantId},
    port::PortResult,
    store::JobFilter,
    view::{JobView, Page},
};
use sqlx::SqliteConnection;
use uuid::Uuid;

use super::job_views;

/// Rows read for one page under several filters. Each single filter has an index of its own; under
/// several, a page may be short and have a cursor, so its cost does not depend on how rare a match
/// is.
const READ_AT_MOST: i64 = 2_000;

#[derive(sqlx::FromRow)]
struct FoundRow {
    id: Uuid,
    status: String,
    kind: String,
}

/// A page of a tenant's jobs, beginning after `after`.
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
    let limit = if several { READ_AT_MOST } else { i64::from(most) + 1 };
    let rows = read(sql, tenant, filter, before, limit).await?;
    let exhausted = (rows.len() as i64) < limit;
    let matches = |job: &&FoundRow| {
        filter.status.is_none_or(|status| status.as_str() == job.status)
            && filter.kind.as_ref().is_none_or(|kind| *kind == job.kind)
    };
    let mut found: Vec<Uuid> =
        rows.iter().filter(matches).map(|job| job.id).take(most as usize + 1).collect();
    let next = if found.len() > most as usize {
        found.truncate(most as usize);
        found.last().copied()
    } else if exhausted {
        None
    } else {
        rows.last().map(|job| job.id)
    };
    let mut views = job_views::load(sql, &found, now).await?;
    let items = found.iter().filter_map(|id| views.remove(id)).collect();
    Ok(Page { items, next: next.map(|job| JobId(job).to_string()) })
}

/// The newest jobs older than `before` along the narrowest index: tag, then kind, then status, then
/// all.
async fn read(
    sql: &mut SqliteConnection,
    tenant: &TenantId,
    filter: &JobFilter,
    before: Uuid,
    limit: i64,
) -> PortResult<Vec<FoundRow>> {
    let tenant = &tenant.0;
    match (&filter.tag, &filter.kind, filter.status) {
        (Some(tag), ..) => rows!(sql,
            "SELECT jobs.id, jobs.status, jobs.kind
             FROM job_tags JOIN jobs ON jobs.id = job_tags.job
             WHERE job_tags.tenant = ? AND job_tags.tag = ? AND job_tags.job < ?
             ORDER BY job_tags.job DESC LIMIT ?";
            tenant, tag, before, limit),
        (None, Some(kind), _) => rows!(sql,
            "SELECT id, status, kind FROM jobs WHERE tenant = ? AND kind = ? AND id < ?
             ORDER BY id DESC LIMIT ?";
            tenant, kind, before, limit),
        (None, None, Some(status)) => rows!(sql,
            "SELECT id, status, kind FROM jobs WHERE tenant = ? AND status = ? AND id < ?
             ORDER BY id DESC LIMIT ?";
            tenant, status.as_str(), before, limit),
        (None, None, None) => rows!(sql,
            "SELECT id, status, kind FROM jobs WHERE tenant = ? AND id < ?
             ORDER BY id DESC LIMIT ?";
            tenant, before, limit),
    }
}
