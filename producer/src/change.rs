//! Cancel and retry: a client's changes to accepted work.
//!
//! Each runs on a task of its own. A client that hangs up drops the future of its request at any
//! await point, and the changes of a committed write must be published all the same.

use std::sync::Arc;

use common::{
    id::{JobId, TenantId},
    port::{PortError, PortResult, view_cache::ViewCache},
    queue::Queue,
    store::{Changes, Store, Target},
};

use crate::changes::ChangeNotifier;

/// Cancels and retries jobs and batches.
#[derive(Clone)]
pub struct Changer {
    pub store: Arc<dyn Store>,
    pub view_cache: Arc<dyn ViewCache>,
    pub notifier: ChangeNotifier,
}

impl Changer {
    /// Cancels unsettled work; `None` if the tenant has no such target.
    pub async fn cancel(&self, tenant: TenantId, target: Target) -> PortResult<Option<()>> {
        let this = self.clone();
        apart(async move {
            let Some(changes) = this.store.cancel(&tenant, target).await? else { return Ok(None) };
            this.forget(&tenant, &changes).await;
            this.notifier.apply(changes);
            Ok(Some(()))
        })
        .await
    }

    /// Retries failed and cancelled work, and returns the number of jobs that run again; `None` if
    /// the tenant has no such target.
    pub async fn retry(&self, tenant: TenantId, target: Target) -> PortResult<Option<u32>> {
        let this = self.clone();
        apart(async move {
            let Some((again, changes)) = this.store.retry(&tenant, target).await? else {
                return Ok(None);
            };
            this.forget(&tenant, &changes).await;
            this.notifier.apply(changes);
            Ok(Some(again))
        })
        .await
    }

    /// Wakes this process's dispatchers of these queues: tasks that were held back may be ready
    /// now.
    pub fn wake(&self, queues: Vec<Queue>) {
        self.notifier.apply(Changes { readied: queues, ..Changes::default() });
    }

    /// Removes changed jobs from the view cache, so that every later read comes from the store. The
    /// new view may arrive late or get lost, and an old final view would be believed for an hour.
    async fn forget(&self, tenant: &TenantId, changes: &Changes) {
        let jobs: Vec<JobId> = changes.views.iter().map(|view| view.id).collect();
        if !jobs.is_empty()
            && let Err(error) = self.view_cache.forget(tenant, &jobs).await
        {
            tracing::debug!(%error, "the view cache did not forget what changed");
        }
    }
}

async fn apart<T: Send + 'static>(
    work: impl Future<Output = PortResult<T>> + Send + 'static,
) -> PortResult<T> {
    tokio::spawn(work).await.unwrap_or_else(|error| Err(PortError::broken("a change", error)))
}
