//! Tells the rest of the fleet what a committed write moved: views to the board, wakes and cancels to every process.
//!
//! None of it is the truth, so none of it is waited for by the write, and losing any of it costs time only.

use std::sync::Arc;

use common::{
    id::JobId,
    kind::Catalog,
    port::{
        board::Board,
        broker::{Broker, Control},
        store::Moved,
    },
};
use tokio_util::task::TaskTracker;

use crate::cache::Recalls;

/// Announces for one process.
#[derive(Clone)]
pub struct Announcer {
    board: Arc<dyn Board>,
    broker: Arc<dyn Broker>,
    counted: Option<(Arc<Recalls>, Arc<Catalog>)>,
    under_way: TaskTracker,
}

impl Announcer {
    /// Announces through these.
    pub fn new(board: Arc<dyn Board>, broker: Arc<dyn Broker>) -> Self {
        Self { board, broker, counted: None, under_way: TaskTracker::new() }
    }

    /// Counts besides what of the jobs that became final was found.
    pub fn counting(self, recalls: Arc<Recalls>, catalog: Arc<Catalog>) -> Self {
        Self { counted: Some((recalls, catalog)), ..self }
    }

    /// Announces what a write moved, in the background.
    pub fn announce(&self, moved: Moved) {
        if moved == Moved::default() {
            return;
        }
        if let Some((recalls, catalog)) = &self.counted {
            recalls.count(catalog, &moved.views);
        }
        let this = self.clone();
        self.under_way.spawn(async move { this.tell(moved).await });
    }

    /// Waits until all that was announced so far has been told.
    pub async fn flush(&self) {
        self.under_way.close();
        self.under_way.wait().await;
        self.under_way.reopen();
    }

    async fn tell(&self, moved: Moved) {
        if !moved.stopping.is_empty() {
            self.say(Control::Cancel(moved.stopping)).await;
        }
        for class in moved.readied {
            self.say(Control::Wake(class)).await;
        }
        if moved.views.is_empty() {
            return;
        }
        if let Err(error) = self.board.put(&moved.views).await {
            tracing::debug!(%error, "views did not reach the board");
            let jobs: Vec<JobId> = moved.views.iter().map(|view| view.id).collect();
            self.say(Control::Changed(jobs)).await;
        }
    }

    async fn say(&self, message: Control) {
        if let Err(error) = self.broker.tell(&message).await {
            tracing::debug!(%error, ?message, "a control message was not told");
        }
    }
}
