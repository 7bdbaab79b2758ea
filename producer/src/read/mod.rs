//! How a job goes: from the view cache while it knows, else from the store; the same answer from both once it has settled.

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

use self::watch::Watch;
use crate::metrics::Metrics;

/// Reads jobs for one process.
#[derive(Clone)]
pub struct Reader {
    store: Arc<dyn Store>,
    view_cache: Arc<dyn ViewCache>,
    watch: Arc<Watch>,
    metrics: Metrics,
    stop: CancellationToken,
}

impl Reader {
    /// Reads from these; waiters answer with what they have once `stop` is cancelled.
    pub fn new(
        store: Arc<dyn Store>,
        view_cache: Arc<dyn ViewCache>,
        watch: Arc<Watch>,
        metrics: Metrics,
        stop: CancellationToken,
    ) -> Self {
        Self { store, view_cache, watch, metrics, stop }
    }

    /// A job as it is known; `None` if the tenant has no such job. With the view cache away or silent the store answers, and the view cache
    /// learns what it said.
    pub async fn job(&self, tenant: &TenantId, job: JobId) -> PortResult<Option<JobView>> {
        let begun = Instant::now();
        let (view, from) = match self.on_view_cache(tenant, job).await {
            Some(view) => (Some(view), "view_cache"),
            None => (self.in_store(tenant, job).await?, "store"),
        };
        if let Some(view) = &view {
            let seconds = begun.elapsed().as_secs_f64();
            self.metrics
                .status_read
                .with_label_values(&[view.kind.as_str(), from])
                .observe(seconds);
        }
        Ok(view)
    }

    /// The job at its next change of status away from `seen`, or as it is when `patience` is over or the process is to stop.
    pub async fn past(
        &self,
        tenant: &TenantId,
        job: JobId,
        seen: JobStatus,
        patience: Duration,
    ) -> PortResult<Option<JobView>> {
        let end = Instant::now() + patience;
        let mut waiter = self.watch.join(job);
        // Joined first and read then, so that no change falls between.
        let mut view = self.job(tenant, job).await?;
        loop {
            let unchanged =
                view.as_ref().is_some_and(|view| view.status == seen && !view.status.is_final());
            let now = Instant::now();
            if !unchanged || now >= end || self.stop.is_cancelled() {
                return Ok(view);
            }
            let ask_store = tokio::select! {
                notice = waiter.notice() => notice.ask_store,
                () = sleep_until(end.min(now + WAITER_READS_EVERY)) => true,
                () = self.stop.cancelled() => return Ok(view),
            };
            view = if ask_store {
                self.in_store(tenant, job).await?
            } else {
                self.job(tenant, job).await?
            };
        }
    }

    async fn on_view_cache(&self, tenant: &TenantId, job: JobId) -> Option<JobView> {
        match self.view_cache.get(tenant, &[job]).await {
            Ok(views) => views.into_iter().next().flatten(),
            Err(error) => {
                tracing::debug!(%error, "the view cache did not answer; asking the store");
                None
            }
        }
    }

    async fn in_store(&self, tenant: &TenantId, job: JobId) -> PortResult<Option<JobView>> {
        let view = self.store.jobs(tenant, &[job]).await?.into_iter().next().flatten();
        if let Some(view) = &view
            && let Err(error) = self.view_cache.put(std::slice::from_ref(view)).await
        {
            tracing::debug!(%error, "the view cache did not take a view");
        }
        Ok(view)
    }
}
