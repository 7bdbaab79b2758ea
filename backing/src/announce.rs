//! Tells the rest of the fleet what a committed write changes: views to the view cache, wakes and cancels to every process.
//!
//! None of it is the truth, so none of it is waited for by the write, and losing any of it costs time only.

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

/// Announces for one process.
#[derive(Clone)]
pub struct Announcer {
    view_cache: Arc<dyn ViewCache>,
    broker: Arc<dyn Broker>,
    counted: Option<(Arc<MemoHits>, Arc<Catalog>)>,
    under_way: TaskTracker,
}

impl Announcer {
    /// Announces through these.
    pub fn new(view_cache: Arc<dyn ViewCache>, broker: Arc<dyn Broker>) -> Self {
        Self { view_cache, broker, counted: None, under_way: TaskTracker::new() }
    }

    /// Counts besides what of the jobs that became final was found.
    pub fn counting(self, memo_hits: Arc<MemoHits>, catalog: Arc<Catalog>) -> Self {
        Self { counted: Some((memo_hits, catalog)), ..self }
    }

    /// Announces what a write changes, in the background.
    pub fn announce(&self, changes: Changes) {
        if changes == Changes::default() {
            return;
        }
        if let Some((memo_hits, catalog)) = &self.counted {
            memo_hits.count(catalog, &changes.views);
        }
        let this = self.clone();
        self.under_way.spawn(async move { this.tell(changes).await });
    }

    /// Waits until all that was announced so far has been told.
    pub async fn flush(&self) {
        self.under_way.close();
        self.under_way.wait().await;
        self.under_way.reopen();
    }

    async fn tell(&self, changes: Changes) {
        if !changes.stopping.is_empty() {
            self.say(Control::Cancel(changes.stopping)).await;
        }
        for queue in changes.readied {
            self.say(Control::Wake(queue)).await;
        }
        if changes.views.is_empty() {
            return;
        }
        if let Err(error) = self.view_cache.put(&changes.views).await {
            tracing::debug!(%error, "views did not reach the view cache");
            let jobs: Vec<JobId> = changes.views.iter().map(|view| view.id).collect();
            self.say(Control::Changed(jobs)).await;
        }
    }

    async fn say(&self, message: Control) {
        if let Err(error) = self.broker.notify(&message).await {
            tracing::debug!(%error, ?message, "a control message was not told");
        }
    }
}
