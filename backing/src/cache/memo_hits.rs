//! Counts of memo hits and misses, by kind: level L3, which the store reads itself.
//!
//! The store reports in each job view which tasks a memo settled. They are counted once, by the
//! process that made the job final. Kinds without memos are not counted.

use std::collections::BTreeMap;

use common::{
    kind::Catalog,
    rules::lifecycle::JobStatus,
    view::{JobView, KindCount},
};
use parking_lot::Mutex;

use super::counts::HitCounts;

/// Memo hits and misses of each kind, in this process since it started.
#[derive(Debug, Default)]
pub struct MemoHits {
    kinds: Mutex<BTreeMap<&'static str, HitCounts>>,
}

impl MemoHits {
    /// Counts the tasks of the final jobs among these. Misses are counted for succeeded jobs only,
    /// since a cancelled task neither hit nor ran.
    pub fn count(&self, catalog: &Catalog, views: &[JobView]) {
        for view in views.iter().filter(|view| view.status.is_final()) {
            for (kind, count) in tasks(view) {
                let Some(spec) = catalog.get(kind).filter(|spec| spec.memo) else { continue };
                let mut kinds = self.kinds.lock();
                let counts = kinds.entry(spec.name).or_default();
                counts.hits += u64::from(count.cached);
                if view.status == JobStatus::Succeeded {
                    counts.misses += u64::from(count.settled.saturating_sub(count.cached));
                }
            }
        }
    }

    /// The counts of each kind that occurred.
    pub fn by_kind(&self) -> Vec<(&'static str, HitCounts)> {
        self.kinds.lock().iter().map(|(kind, counts)| (*kind, *counts)).collect()
    }
}

/// Counts a job's tasks by kind. The view of a job with a single task has no counts; that task was
/// a memo hit if it succeeded without an attempt.
fn tasks(view: &JobView) -> Vec<(&str, KindCount)> {
    if view.tasks.is_empty() {
        let cached = u32::from(view.attempts == 0 && view.status == JobStatus::Succeeded);
        return vec![(&view.kind, KindCount { total: 1, settled: 1, cached })];
    }
    view.tasks.iter().map(|(kind, count)| (kind.as_str(), *count)).collect()
}
