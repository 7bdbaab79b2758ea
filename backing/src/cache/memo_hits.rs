//! What became of tasks that a memo could have settled: level L3, read in the store where no cache stands in between.
//!
//! The store decides, and says what it decided in the view of each job. So it is counted there: once, by the process that made the job
//! final, and by kind. Kinds that are never remembered are not asked for, and not counted.

use std::collections::BTreeMap;

use common::{
    kind::Catalog,
    rules::lifecycle::JobStatus,
    view::{JobView, KindCount},
};
use parking_lot::Mutex;

use super::Level;

/// How often tasks of each kind were found, and how often they had to run.
#[derive(Debug, Default)]
pub struct MemoHits {
    kinds: Mutex<BTreeMap<&'static str, Level>>,
}

impl MemoHits {
    /// Counts the tasks of the jobs among these that are final. Only a job that succeeded tells what ran: what was cancelled did neither.
    pub fn count(&self, catalog: &Catalog, views: &[JobView]) {
        for view in views.iter().filter(|view| view.status.is_final()) {
            for (kind, count) in tasks(view) {
                let Some(spec) = catalog.get(kind).filter(|spec| spec.memo) else { continue };
                let mut kinds = self.kinds.lock();
                let level = kinds.entry(spec.name).or_default();
                level.hits += u64::from(count.cached);
                if view.status == JobStatus::Succeeded {
                    level.misses += u64::from(count.settled.saturating_sub(count.cached));
                }
            }
        }
    }

    /// Of each kind that occurred, in this process since it started.
    pub fn by_kind(&self) -> Vec<(&'static str, Level)> {
        self.kinds.lock().iter().map(|(kind, level)| (*kind, *level)).collect()
    }
}

/// A job's tasks by kind. One of a single task says nothing of it, and was found if nobody attempted it.
fn tasks(view: &JobView) -> Vec<(&str, KindCount)> {
    if view.tasks.is_empty() {
        let cached = u32::from(view.attempts == 0 && view.status == JobStatus::Succeeded);
        return vec![(&view.kind, KindCount { total: 1, settled: 1, cached })];
    }
    view.tasks.iter().map(|(kind, count)| (kind.as_str(), *count)).collect()
}
