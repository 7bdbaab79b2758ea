//! From a document to a committed submission: `calls` takes it through all steps, `request`
//! declares its form, `plan` turns it into a job, and this module hands it to the store together
//! with others that arrived meanwhile.

pub mod calls;
pub mod plan;
pub mod request;
pub mod schedule;

use std::sync::Arc;

use backing::group_commit::GroupCommit;
use common::{
    limits::MAX_GROUP,
    port::{PortError, PortResult},
    store::Store,
    submission::{Acceptance, Submission, Work},
};
use tokio_util::task::TaskTracker;

use crate::{
    changes::ChangeNotifier,
    dispatcher::{credit::Credits, task_publisher::TaskPublisher},
};

/// Batches of at most this many jobs share a commit with others; a larger one fills a commit by
/// itself. This times [`MAX_GROUP`] is the size of the largest batch, so no commit is larger.
const SMALL_BATCH: usize = 20;

/// Hands submissions to the store.
#[derive(Clone)]
pub struct Submitter {
    accepting: Accepting,
    group: GroupCommit<Submission, Acceptance>,
}

impl Submitter {
    /// Builds a submitter on the step that commits.
    pub fn new(accepting: Accepting) -> Self {
        let shared = accepting.clone();
        let group = GroupCommit::new(MAX_GROUP, move |submissions| {
            let accepting = shared.clone();
            async move { accepting.accept(submissions).await }
        });
        Self { accepting, group }
    }

    /// Stores a submission and returns when it is committed: from then on it is never lost.
    pub async fn submit(&self, submission: Submission) -> PortResult<Acceptance> {
        match &submission.work {
            Work::Batch(batch) if batch.items.len() > SMALL_BATCH => {
                let accepting = self.accepting.clone();
                // Runs on a task of its own: a client that hangs up must not take the messages of a
                // committed batch with it.
                let accepted = self
                    .accepting
                    .under_way
                    .spawn(async move { accepting.accept(vec![submission]).await });
                let answers = accepted.await.unwrap_or_else(|_| Err(no_answer()))?;
                answers.into_iter().next().ok_or_else(no_answer)
            }
            _ => self.group.call(submission).await,
        }
    }

    /// Waits until every message of an accepted job is confirmed, or its task handed back.
    pub async fn flush(&self) {
        self.accepting.under_way.close();
        self.accepting.under_way.wait().await;
        self.accepting.under_way.reopen();
    }
}

fn no_answer() -> PortError {
    PortError::broken("the store", "a submission got no answer")
}

/// One commit and its follow-up.
#[derive(Clone)]
pub struct Accepting {
    store: Arc<dyn Store>,
    credits: Arc<Credits>,
    task_publisher: TaskPublisher,
    notifier: ChangeNotifier,
    under_way: TaskTracker,
}

impl Accepting {
    /// Accepts into `store`.
    pub fn new(
        store: Arc<dyn Store>,
        credits: Arc<Credits>,
        task_publisher: TaskPublisher,
        notifier: ChangeNotifier,
    ) -> Self {
        Self { store, credits, task_publisher, notifier, under_way: TaskTracker::new() }
    }

    async fn accept(&self, submissions: Vec<Submission>) -> PortResult<Vec<Acceptance>> {
        let credit = self.credits.take();
        // Credit is not returned after an error: it may have been spent, and the next dispatch
        // grants it again.
        let accepted = self.store.accept(submissions, credit.credits()).await?;
        self.credits.give_back(&credit, &accepted.messages);
        if !accepted.messages.is_empty() {
            let task_publisher = self.task_publisher.clone();
            // The caller waits for the commit and not for the messages.
            self.under_way.spawn(async move { task_publisher.publish(&accepted.messages).await });
        }
        self.notifier.apply(accepted.changes);
        Ok(accepted.answers)
    }
}
