//! Progress of an attempt, reported to the lease (for the next heartbeat) and to the view cache
//! (for clients that watch).

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use common::{
    limits::PROGRESS_EVERY,
    port::view_cache::ViewCache,
    rules::lifecycle::JobStatus,
    view::{JobView, Progress, Rank},
};

use crate::leases::Lease;

/// Reports the progress of one attempt.
pub struct Reporter {
    lease: Arc<Lease>,
    view_cache: Arc<dyn ViewCache>,
    /// The job's view as of the claim.
    base: JobView,
    last: Mutex<LastReport>,
}

#[derive(Debug)]
struct LastReport {
    at: Option<Instant>,
    sequence: u64,
}

impl Reporter {
    /// Creates a reporter for the attempt under `lease`. `base` is the view of its job.
    pub fn new(lease: Arc<Lease>, view_cache: Arc<dyn ViewCache>, base: JobView) -> Self {
        Self { lease, view_cache, base, last: Mutex::new(LastReport { at: None, sequence: 0 }) }
    }

    /// Reports that the attempt is at `value` (0 to 1) of `stage`. The view cache is updated at
    /// most once in [`PROGRESS_EVERY`]; the next heartbeat carries the newest report in any case.
    pub fn report(&self, value: f64, stage: &str) {
        let value = if value.is_finite() { value.clamp(0.0, 1.0) } else { 0.0 };
        let progress = Progress { value, stage: Some(stage.to_owned()) };
        self.lease.report(progress.clone());
        if let Some(sequence) = self.due() {
            let view = self.view(progress, sequence);
            let view_cache = self.view_cache.clone();
            // The view cache logs its own failures, and the store gets the progress by heartbeat.
            tokio::spawn(async move { view_cache.put(&[view]).await });
        }
    }

    fn due(&self) -> Option<u64> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.at.is_some_and(|at| at.elapsed() < PROGRESS_EVERY) {
            return None;
        }
        last.at = Some(Instant::now());
        last.sequence += 1;
        Some(last.sequence)
    }

    fn view(&self, progress: Progress, sequence: u64) -> JobView {
        JobView {
            status: JobStatus::Running,
            waiting_for: None,
            progress: Some(self.of_job(progress)),
            rank: Rank { version: self.base.rank.version, fence: self.lease.fence.0, sequence },
            ..self.base.clone()
        }
    }

    /// Converts progress of the task to progress of the job: the task adds its share to the tasks
    /// that had settled when it was claimed.
    fn of_job(&self, progress: Progress) -> Progress {
        let total: u32 = self.base.tasks.values().map(|count| count.total).sum();
        if total == 0 {
            return progress;
        }
        let settled: u32 = self.base.tasks.values().map(|count| count.settled).sum();
        let value = (f64::from(settled) + progress.value) / f64::from(total);
        Progress { value: value.min(1.0), ..progress }
    }
}
