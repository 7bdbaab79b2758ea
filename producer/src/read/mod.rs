//! Reads of a job: from the view cache if it has the job, otherwise from the store. Both give the
//! same answer once the job has settled.

pub mod full_page;
pub mod watch;

use std::{sync::Arc, time::Duration};

use common::{
    id::{JobId, TenantId},
    limits::WAITER_READS_EVERY,
    port::{PortResult, view_cache::ViewCache},
    rules::lifecycle::JobStatus,
    store::Store,
    view::JobView,
};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use self::watch::JobWatch;
use crate::metrics::ProducerMetrics;

/// Reads jobs for clients.
#[derive(Clone)]
pub struct JobReader {
    store: Arc<dyn Store>,
    view_cache: Arc<dyn ViewCache>,
    watch: Arc<JobWatch>,
    metrics: ProducerMetrics,
    stop: CancellationToken,
}

impl JobReader {
    /// Builds a reader. Once `stop` is cancelled, waiting reads answer with the current view.
    pub fn new(
        store: Arc<dyn Store>,
        view_cache: Arc<dyn ViewCache>,
        watch: Arc<JobWatch>,
        metrics: ProducerMetrics,
        stop: CancellationToken,
    ) -> Self {
        Self { store, view_cache, watch, metrics, stop }
    }

    /// Returns a job's view; `None` if the tenant has no such job. If the view cache is away or
    /// silent, the store answers and the view cache is filled.
    pub async fn job(&self, tenant: &TenantId, job: JobId) -> PortResult<Option<JobView>> {
        let view = self.newest(tenant, job).await?;
        Ok(self.with_reason(tenant, view).await)
    }

    /// Asks the store why a job waits. That changes without a change of the job, as by a pause, a
    /// limit or a worker, so the view cache may be wrong. While the store is away nobody knows.
    async fn with_reason(&self, tenant: &TenantId, view: Option<JobView>) -> Option<JobView> {
        let view = view?;
        if view.waiting_for.is_none() {
            return Some(view);
        }
        match self.store.jobs(tenant, &[view.id]).await {
            Ok(stored) => stored.into_iter().next().flatten().or(Some(view)),
            Err(error) => {
                tracing::debug!(%error, "the store did not say why a job waits");
                Some(JobView { waiting_for: None, ..view })
            }
        }
    }

    async fn newest(&self, tenant: &TenantId, job: JobId) -> PortResult<Option<JobView>> {
        let started = Instant::now();
        let (view, from) = match self.cached(tenant, job).await {
            Some(view) => (Some(view), "view_cache"),
            None => (self.stored(tenant, job).await?, "store"),
        };
        if let Some(view) = &view {
            let seconds = started.elapsed().as_secs_f64();
            self.metrics
                .status_read
                .with_label_values(&[view.kind.as_str(), from])
                .observe(seconds);
        }
        Ok(view)
    }

    /// Waits until the job's status differs from `seen`, and returns its view; returns the current
    /// view when `patience` is over or the process stops.
    pub async fn past(
        &self,
        tenant: &TenantId,
        job: JobId,
        seen: JobStatus,
        patience: Duration,
    ) -> PortResult<Option<JobView>> {
        let end = Instant::now() + patience;
        let mut waiter = self.watch.join(job);
        // Joins before it reads, so that no change falls between.
        let mut view = self.newest(tenant, job).await?;
        loop {
            let unchanged =
                view.as_ref().is_some_and(|view| view.status == seen && !view.status.is_final());
            let now = Instant::now();
            if !unchanged || now >= end || self.stop.is_cancelled() {
                return Ok(self.with_reason(tenant, view).await);
            }
            let ask_store = tokio::select! {
                notice = waiter.notice() => notice.ask_store,
                () = sleep_until(end.min(now + WAITER_READS_EVERY)) => true,
                () = self.stop.cancelled() => continue,
            };
            view = if ask_store {
                self.stored(tenant, job).await?
            } else {
                self.newest(tenant, job).await?
            };
        }
    }

    /// Waits until the job is final, and returns its view; `None` if it is not when `patience` is
    /// over or the process stops, or if the tenant has no such job.
    pub async fn final_view(
        &self,
        tenant: &TenantId,
        job: JobId,
        patience: Duration,
    ) -> PortResult<Option<JobView>> {
        let end = Instant::now() + patience;
        let mut seen = JobStatus::Queued;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.past(tenant, job, seen, left).await? {
                Some(view) if view.status.is_final() => return Ok(Some(view)),
                Some(view) if view.status != seen => seen = view.status,
                _ => return Ok(None),
            }
        }
    }

    async fn cached(&self, tenant: &TenantId, job: JobId) -> Option<JobView> {
        match self.view_cache.get(tenant, &[job]).await {
            Ok(views) => views.into_iter().next().flatten(),
            Err(error) => {
                tracing::debug!(%error, "the view cache did not answer; asking the store");
                None
            }
        }
    }

    async fn stored(&self, tenant: &TenantId, job: JobId) -> PortResult<Option<JobView>> {
        let view = self.store.jobs(tenant, &[job]).await?.into_iter().next().flatten();
        if let Some(view) = &view
            && let Err(error) = self.view_cache.put(std::slice::from_ref(view)).await
        {
            tracing::debug!(%error, "the view cache did not store a view");
        }
        Ok(view)
    }
}
