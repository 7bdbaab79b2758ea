//! Cancel and retry: what a client changes of work that was accepted.
//!
//! Each runs on a task of its own, because a client that hangs up drops its request's future wherever it stands: a write that has
//! been committed must be told all the same.

use std::sync::Arc;

use common::{
    id::{JobId, TenantId},
    port::{PortError, PortResult, view_cache::ViewCache},
    queue::Queue,
    store::{Changes, Store, Target},
};

use crate::changes::ChangeNotifier;

/// ChangeStream jobs and batches for one process.
#[derive(Clone)]
pub struct Changer {
    /// The truth.
    pub store: Arc<dyn Store>,
    /// What must forget.
    pub view_cache: Arc<dyn ViewCache>,
    /// Follows every write.
    pub notifier: ChangeNotifier,
}

impl Changer {
    /// Cancels what has not settled; `None` if the tenant has no such target.
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

    /// Runs again what did not succeed, and answers how many jobs that is; `None` if the tenant has no such target.
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

    /// Dispatchers of this process look at these queues: something may be queued now that was held back.
    pub fn wake(&self, queues: Vec<Queue>) {
        self.notifier.apply(Changes { readied: queues, ..Changes::default() });
    }

    /// Takes what changed off the view cache, so that whoever is answered after this reads the store's word of it: the new view may come
    /// late or get lost, and an old one that is final would be believed for long.
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
