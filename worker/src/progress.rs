//! Progress of an attempt, reported to the lease (for the next heartbeat) and to the view cache (for
//! clients that watch).

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

/// Reports of one attempt.
pub struct Reporter {
    lease: Arc<Lease>,
    view_cache: Arc<dyn ViewCache>,
    /// The job as of the claim.
    base: JobView,
    told: Mutex<Told>,
}

#[derive(Debug)]
struct Told {
    at: Option<Instant>,
    sequence: u64,
}

impl Reporter {
    /// For the attempt under this lease of a task of the job that `base` shows.
    pub fn new(lease: Arc<Lease>, view_cache: Arc<dyn ViewCache>, base: JobView) -> Self {
        Self { lease, view_cache, base, told: Mutex::new(Told { at: None, sequence: 0 }) }
    }

    /// Tells that the attempt is at `value` (0 to 1) of `stage`. Reaches the view cache at most once in [`PROGRESS_EVERY`]; what comes between
    /// is not lost, as the next heartbeat carries the newest.
    pub fn report(&self, value: f64, stage: &str) {
        let value = if value.is_finite() { value.clamp(0.0, 1.0) } else { 0.0 };
        let progress = Progress { value, stage: Some(stage.to_owned()) };
        self.lease.report(progress.clone());
        if let Some(sequence) = self.due() {
            let view = self.view(progress, sequence);
            let view_cache = self.view_cache.clone();
            // The view cache being away is the view cache's own trouble: it logs, and the store has the heartbeats.
            tokio::spawn(async move { view_cache.put(&[view]).await });
        }
    }

    fn due(&self) -> Option<u64> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.at.is_some_and(|at| at.elapsed() < PROGRESS_EVERY) {
            return None;
        }
        told.at = Some(Instant::now());
        told.sequence += 1;
        Some(told.sequence)
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

    /// A job of one task is as far as its task; of many, this task adds its part to those that had settled when it was claimed.
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
