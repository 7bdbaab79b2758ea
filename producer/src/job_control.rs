//! Cancel and retry: a client's changes to accepted work.
//!
//! Each runs on a task of its own. A client that hangs up drops the future of its request at any
//! await point, and the changes of a committed write must be published all the same.

use std::{collections::BTreeSet, sync::Arc};

use common::{
    id::{JobId, TaskId, TenantId},
    limits::MAX_PAGE,
    port::{PortError, PortResult, clock::Clock, view_cache::ViewCache},
    queue::Queue,
    store::{Changes, DeadFilter, Store, Target},
};

use crate::changes::ChangeNotifier;

/// The most jobs that one call retries: seconds of work, within any client's timeout.
const RETRIED_AT_ONCE: usize = 1_000;

/// Cancels and retries jobs and batches.
#[derive(Clone)]
pub struct JobControl {
    pub store: Arc<dyn Store>,
    pub view_cache: Arc<dyn ViewCache>,
    pub notifier: ChangeNotifier,
    pub clock: Arc<dyn Clock>,
}

/// Result of a bounded step through dead work.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RetriedDead {
    /// Jobs that run again.
    pub jobs: u32,
    /// Cursor of the next step; `None` after the last one.
    pub next: Option<String>,
}

impl JobControl {
    /// Cancels unsettled work; `None` if the tenant has no such target.
    pub async fn cancel(&self, tenant: &TenantId, target: Target) -> PortResult<Option<()>> {
        let (this, tenant) = (self.clone(), tenant.clone());
        detached(async move {
            let Some(changes) = this.store.cancel(&tenant, target).await? else { return Ok(None) };
            this.publish(&tenant, changes).await;
            Ok(Some(()))
        })
        .await
    }

    /// Retries failed and cancelled work, and returns the number of jobs that run again; `None` if
    /// the tenant has no such target.
    pub async fn retry(&self, tenant: &TenantId, target: Target) -> PortResult<Option<u32>> {
        let (this, tenant) = (self.clone(), tenant.clone());
        detached(async move {
            let Some((again, changes)) = this.store.retry(&tenant, target).await? else {
                return Ok(None);
            };
            this.publish(&tenant, changes).await;
            Ok(Some(again))
        })
        .await
    }

    /// Retries the jobs of all dead tasks that match, from the one after `cursor` on, a bounded
    /// number at once. By default only tasks that failed before now match, so that a task that
    /// fails again is not retried for ever.
    pub async fn retry_dead(
        &self,
        tenant: &TenantId,
        filter: DeadFilter,
        cursor: Option<TaskId>,
    ) -> PortResult<RetriedDead> {
        let until = filter.until.unwrap_or_else(|| self.clock.now());
        let filter = DeadFilter { until: Some(until), ..filter };
        let mut cursor = cursor;
        let mut retried = 0;
        let mut seen = BTreeSet::new();
        loop {
            let page = self.store.dead(tenant, &filter, cursor, MAX_PAGE as u32).await?;
            // Several dead tasks may belong to one job, which is retried once.
            for job in page.items.iter().map(|task| task.job) {
                if seen.insert(job) {
                    retried += self.retry(tenant, Target::Job(job)).await?.unwrap_or(0);
                }
            }
            cursor = page.next.as_deref().and_then(|next| next.parse().ok());
            if cursor.is_none() || seen.len() >= RETRIED_AT_ONCE {
                return Ok(RetriedDead { jobs: retried, next: page.next });
            }
        }
    }

    /// Wakes this process's dispatchers of these queues: tasks that were held back may be ready
    /// now.
    pub fn wake(&self, queues: Vec<Queue>) {
        self.notifier.apply(Changes { readied: queues, ..Changes::default() });
    }

    /// Removes changed jobs from the view cache, so that every later read comes from the store,
    /// and notifies. The new view may arrive late or get lost, and an old final view would be
    /// believed for an hour.
    async fn publish(&self, tenant: &TenantId, changes: Changes) {
        let jobs: Vec<JobId> = changes.views.iter().map(|view| view.id).collect();
        if !jobs.is_empty()
            && let Err(error) = self.view_cache.forget(tenant, &jobs).await
        {
            tracing::debug!(%error, "the view cache did not forget changed jobs");
        }
        self.notifier.apply(changes);
    }
}

async fn detached<T: Send + 'static>(
    work: impl Future<Output = PortResult<T>> + Send + 'static,
) -> PortResult<T> {
    tokio::spawn(work).await.unwrap_or_else(|error| Err(PortError::broken("a change", error)))
}
