//! Views to put, and waits with a bound.

use std::time::Duration;

use common::{
    id::{JobId, TenantId},
    port::view_cache::{ChangeStream, ViewCache},
    rules::lifecycle::JobStatus,
    view::{JobView, Progress, Rank},
};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::timeout;

/// Longest wait of a test: longer than any wait of a healthy view cache.
pub const BOUND: Duration = Duration::from_secs(40);

pub fn tenant() -> TenantId {
    TenantId::default()
}

/// The view of a running job, of this version.
pub fn view(version: i64) -> JobView {
    JobView {
        id: JobId::new(),
        tenant: tenant(),
        kind: "echo".to_owned(),
        status: JobStatus::Running,
        progress: Some(Progress { value: 0.25, stage: Some("spinning".to_owned()) }),
        result: None,
        error: None,
        batch: None,
        priority: 5,
        tags: vec!["a".to_owned()],
        metadata: Some(
            json!({"exact": serde_json::from_str::<Value>("0.10000000000000000001").unwrap()}),
        ),
        created_at: Timestamp::UNIX_EPOCH,
        run_at: None,
        started_at: Some(Timestamp::UNIX_EPOCH),
        finished_at: None,
        attempts: 1,
        waiting_for: None,
        tasks: Default::default(),
        rank: Rank { version, fence: 0, sequence: 0 },
    }
}

/// A later view of the same job, with a result of its own.
pub fn later(view: &JobView, rank: Rank) -> JobView {
    let result =
        Some(json!({"version": rank.version, "fence": rank.fence, "sequence": rank.sequence}));
    JobView { rank, result, ..view.clone() }
}

pub fn finished(view: &JobView) -> JobView {
    let rank = Rank { version: view.rank.version + 1, ..Rank::default() };
    JobView { status: JobStatus::Succeeded, progress: None, ..later(view, rank) }
}

/// Reads one job's view.
pub async fn read_view(view_cache: &dyn ViewCache, job: JobId) -> Option<JobView> {
    view_cache.get(&tenant(), &[job]).await.expect("gets").remove(0)
}

/// The next changes, or a gap.
pub async fn next_changes(changes: &mut Box<dyn ChangeStream>) -> Option<Vec<JobId>> {
    timeout(BOUND, changes.next()).await.expect("changes arrive")
}
