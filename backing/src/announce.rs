//! Announces the changes of a committed write: views to the view cache, wakes and cancels to every
//! process of the fleet.
//!
//! Nothing announced is the truth, so a write does not wait for it, and losing it costs only time.

use std::sync::Arc;

use common::{
    id::JobId,
    kind::Catalog,
    port::{
        broker::{Broker, Control},
        view_cache::ViewCache,
    },
    store::Changes,
};
use tokio_util::task::TaskTracker;

use crate::cache::MemoHits;

/// The announcer of one process.
#[derive(Clone)]
pub struct Announcer {
    view_cache: Arc<dyn ViewCache>,
    broker: Arc<dyn Broker>,
    memo_hits: Option<(Arc<MemoHits>, Arc<Catalog>)>,
    under_way: TaskTracker,
}

impl Announcer {
    /// An announcer that counts no memo hits.
    pub fn new(view_cache: Arc<dyn ViewCache>, broker: Arc<dyn Broker>) -> Self {
        Self { view_cache, broker, memo_hits: None, under_way: TaskTracker::new() }
    }

    /// Also counts memo hits in the jobs that become final.
    pub fn counting(self, memo_hits: Arc<MemoHits>, catalog: Arc<Catalog>) -> Self {
        Self { memo_hits: Some((memo_hits, catalog)), ..self }
    }

    /// Announces the changes of a write, in the background.
    pub fn announce(&self, changes: Changes) {
        if changes == Changes::default() {
            return;
        }
        if let Some((memo_hits, catalog)) = &self.memo_hits {
            memo_hits.count(catalog, &changes.views);
        }
        let this = self.clone();
        self.under_way.spawn(async move { this.send_all(changes).await });
    }

    /// Waits until everything announced so far has been sent.
    pub async fn flush(&self) {
        self.under_way.close();
        self.under_way.wait().await;
        self.under_way.reopen();
    }

    async fn send_all(&self, changes: Changes) {
        if !changes.stopping.is_empty() {
            self.notify(Control::Cancel(changes.stopping)).await;
        }
        for queue in changes.readied {
            self.notify(Control::Wake(queue)).await;
        }
        if changes.views.is_empty() {
            return;
        }
        if let Err(error) = self.view_cache.put(&changes.views).await {
            tracing::debug!(%error, "views did not reach the view cache");
            let jobs: Vec<JobId> = changes.views.iter().map(|view| view.id).collect();
            self.notify(Control::Changed(jobs)).await;
        }
    }

    async fn notify(&self, message: Control) {
        if let Err(error) = self.broker.notify(&message).await {
            tracing::debug!(%error, ?message, "a control message was not sent");
        }
    }
}
