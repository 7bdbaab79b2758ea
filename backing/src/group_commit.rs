//! Group commit without a timer: calls that arrive while a batch is committed form the next batch.
//!
//! A timer would make a single caller wait for others that do not come, and a busy store wait for a
//! tick that it does not need. Here a single call is committed at once, and under load the batches
//! grow to the number of calls that arrive during one commit.

use std::{collections::VecDeque, fmt, future::Future, panic::AssertUnwindSafe, sync::Arc};

use common::port::{PortError, PortResult};
use futures::{FutureExt, future::BoxFuture};
use parking_lot::Mutex;
use tokio::sync::oneshot;

/// Gathers single calls into batches and gives each caller its own reply.
///
/// One batch is committed at a time, on a task of its own, so a caller that goes away does no harm:
/// its item is skipped if its batch has not begun, and otherwise written, with the reply discarded.
pub struct GroupCommit<I, R> {
    committer: Arc<Committer<I, R>>,
}

type CommitBatch<I, R> = dyn Fn(Vec<I>) -> BoxFuture<'static, PortResult<Vec<R>>> + Send + Sync;

struct Committer<I, R> {
    max_batch: usize,
    commit_batch: Box<CommitBatch<I, R>>,
    calls: Mutex<WaitingCalls<I, R>>,
}

struct WaitingCalls<I, R> {
    waiting: VecDeque<PendingCall<I, R>>,
    /// Set while a task commits batches and will take the waiting calls next.
    is_committing: bool,
}

struct PendingCall<I, R> {
    item: I,
    reply: oneshot::Sender<PortResult<R>>,
}

impl<I, R> Clone for GroupCommit<I, R> {
    fn clone(&self) -> Self {
        Self { committer: self.committer.clone() }
    }
}

impl<I, R> fmt::Debug for GroupCommit<I, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let max_batch = self.committer.max_batch;
        f.debug_struct("GroupCommit").field("max_batch", &max_batch).finish_non_exhaustive()
    }
}

impl<I, R> GroupCommit<I, R>
where
    I: Clone + Send + 'static,
    R: Send + 'static,
{
    /// Batches of at most `max_batch` items, committed by `commit_batch`, which returns one reply
    /// for each item, in order.
    ///
    /// A batch that fails as [`PortError::Broken`] is tried again in halves, down to single items,
    /// so that one bad row harms no other; `commit_batch` must therefore write all of a batch or
    /// nothing. A batch that fails because the store is away fails for all of its callers.
    pub fn new<F, Fut>(max_batch: usize, commit_batch: F) -> Self
    where
        F: Fn(Vec<I>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = PortResult<Vec<R>>> + Send + 'static,
    {
        let calls = Mutex::new(WaitingCalls { waiting: VecDeque::new(), is_committing: false });
        let commit_batch = Box::new(move |items| commit_batch(items).boxed());
        let max_batch = max_batch.max(1);
        Self { committer: Arc::new(Committer { max_batch, commit_batch, calls }) }
    }

    /// Puts one item into the next batch and waits for its reply.
    pub async fn call(&self, item: I) -> PortResult<R> {
        let (reply, replied) = oneshot::channel();
        let is_first = {
            let mut calls = self.committer.calls.lock();
            calls.waiting.push_back(PendingCall { item, reply });
            !std::mem::replace(&mut calls.is_committing, true)
        };
        if is_first {
            tokio::spawn(commit_all(self.committer.clone()));
        }
        replied.await.unwrap_or_else(|_| {
            Err(PortError::unavailable("the store", "this process is shutting down"))
        })
    }
}

/// Commits batches until no call waits.
async fn commit_all<I, R>(committer: Arc<Committer<I, R>>)
where
    I: Clone + Send + 'static,
    R: Send + 'static,
{
    while let Some(batch) = committer.next_batch() {
        let mut halves = vec![batch];
        while let Some(batch) = halves.pop() {
            halves.extend(committer.commit(batch).await);
        }
    }
}

impl<I, R> Committer<I, R>
where
    I: Clone + Send + 'static,
    R: Send + 'static,
{
    /// Takes the next batch; `None` when no call waits. Then the next caller starts a new task.
    fn next_batch(&self) -> Option<Vec<PendingCall<I, R>>> {
        let mut calls = self.calls.lock();
        let mut batch = Vec::new();
        while batch.len() < self.max_batch {
            match calls.waiting.pop_front() {
                Some(call) if call.reply.is_closed() => {}
                Some(call) => batch.push(call),
                None => break,
            }
        }
        calls.is_committing = !batch.is_empty();
        calls.is_committing.then_some(batch)
    }

    /// Commits a batch and replies to its callers, or returns the halves in which to try it again,
    /// the first one last.
    async fn commit(&self, mut batch: Vec<PendingCall<I, R>>) -> Vec<Vec<PendingCall<I, R>>> {
        let items = batch.iter().map(|call| call.item.clone()).collect();
        match self.commit_caught(items, batch.len()).await {
            Ok(replies) => {
                batch.into_iter().zip(replies).for_each(|(call, reply)| call.send(Ok(reply)))
            }
            Err(error) if error.is_transient() || batch.len() == 1 => {
                batch.into_iter().for_each(|call| call.send(Err(error.clone())));
            }
            Err(error) => {
                let items = batch.len();
                tracing::warn!(%error, items, "a batch failed and is tried again in halves");
                let rest = batch.split_off(batch.len() / 2);
                return vec![rest, batch];
            }
        }
        Vec::new()
    }

    /// Commits a batch. A panic or a wrong number of replies is an error like any other, because
    /// callers wait.
    async fn commit_caught(&self, items: Vec<I>, count: usize) -> PortResult<Vec<R>> {
        let started = std::panic::catch_unwind(AssertUnwindSafe(|| (self.commit_batch)(items)));
        let result = match started {
            Ok(committing) => AssertUnwindSafe(committing).catch_unwind().await,
            Err(panic) => Err(panic),
        };
        let replies =
            result.unwrap_or_else(|_| Err(PortError::broken("the store", "a batch panicked")))?;
        if replies.len() != count {
            let detail = format!("{} replies came for {count} items", replies.len());
            return Err(PortError::broken("the store", detail));
        }
        Ok(replies)
    }
}

impl<I, R> PendingCall<I, R> {
    /// Sends the reply; discards it if the caller is gone.
    fn send(self, reply: PortResult<R>) {
        drop(self.reply.send(reply));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{
        sync::{Semaphore, mpsc},
        time::timeout,
    };

    use super::*;

    const BOUND: Duration = Duration::from_secs(10);

    /// A group commit that reports each batch as it begins, and ends one for each permit of the
    /// returned semaphore. Items are echoed; 13 breaks its batch, 40 is transient, 99 panics.
    fn observed(
        max_batch: usize,
    ) -> (GroupCommit<u32, u32>, mpsc::UnboundedReceiver<Vec<u32>>, Arc<Semaphore>) {
        let (begun, batches) = mpsc::unbounded_channel();
        let permits = Arc::new(Semaphore::new(0));
        let gate = permits.clone();
        let group = GroupCommit::new(max_batch, move |items: Vec<u32>| {
            let (begun, permits) = (begun.clone(), permits.clone());
            async move {
                begun.send(items.clone()).expect("the test listens");
                permits.acquire().await.expect("the semaphore stays open").forget();
                assert!(!items.contains(&99), "99 panics");
                if items.contains(&13) {
                    return Err(PortError::broken("the test", "13"));
                }
                if items.contains(&40) {
                    return Err(PortError::unavailable("the test", "40"));
                }
                Ok(items)
            }
        });
        (group, batches, gate)
    }

    async fn next(batches: &mut mpsc::UnboundedReceiver<Vec<u32>>) -> Vec<u32> {
        timeout(BOUND, batches.recv()).await.expect("a batch begins in time").expect("a batch")
    }

    fn call(group: &GroupCommit<u32, u32>, item: u32) -> tokio::task::JoinHandle<PortResult<u32>> {
        let group = group.clone();
        tokio::spawn(async move { group.call(item).await })
    }

    async fn until_waiting(group: &GroupCommit<u32, u32>, count: usize) {
        let all_wait = async {
            while group.committer.calls.lock().waiting.len() != count {
                tokio::task::yield_now().await;
            }
        };
        timeout(BOUND, all_wait).await.expect("the calls wait");
    }

    #[tokio::test]
    async fn a_single_call_is_committed_at_once_and_later_ones_share_the_next_commit() {
        let (group, mut batches, gate) = observed(10);
        let first = call(&group, 1);
        assert_eq!(next(&mut batches).await, [1]);
        let mut rest = Vec::new();
        for (index, item) in [2, 3, 4].into_iter().enumerate() {
            rest.push(call(&group, item));
            until_waiting(&group, index + 1).await;
        }
        gate.add_permits(2);
        assert_eq!(next(&mut batches).await, [2, 3, 4]);
        assert_eq!(first.await.expect("joins"), Ok(1));
        for (call, item) in rest.into_iter().zip([2, 3, 4]) {
            assert_eq!(call.await.expect("joins"), Ok(item));
        }
    }

    #[tokio::test]
    async fn no_batch_is_larger_than_the_bound() {
        let (group, mut batches, gate) = observed(2);
        gate.add_permits(100);
        let calls: Vec<_> = (0..7).map(|item| call(&group, item * 2)).collect();
        for call in calls {
            call.await.expect("joins").expect("answers");
        }
        batches.close();
        let mut seen = 0;
        while let Some(batch) = batches.recv().await {
            assert!(batch.len() <= 2, "{batch:?}");
            seen += batch.len();
        }
        assert_eq!(seen, 7);
    }

    #[tokio::test]
    async fn one_bad_item_fails_alone() {
        for bad in [13, 99] {
            let (group, mut batches, gate) = observed(10);
            let held = call(&group, 0);
            next(&mut batches).await;
            let calls: Vec<_> =
                [1, 2, bad, 3, 4].into_iter().map(|item| (item, call(&group, item))).collect();
            until_waiting(&group, 5).await;
            gate.add_permits(100);
            held.await.expect("joins").expect("answers");
            for (item, call) in calls {
                let answer = call.await.expect("joins");
                assert_eq!(answer.is_ok(), item != bad, "{item}: {answer:?}");
            }
        }
    }

    #[tokio::test]
    async fn a_transient_error_fails_the_whole_batch_without_trying_each_row() {
        let (group, mut batches, gate) = observed(10);
        let held = call(&group, 0);
        next(&mut batches).await;
        let calls: Vec<_> = [1, 40, 3].map(|item| call(&group, item)).into_iter().collect();
        until_waiting(&group, 3).await;
        gate.add_permits(100);
        held.await.expect("joins").expect("answers");
        for call in calls {
            assert!(call.await.expect("joins").expect_err("away").is_transient());
        }
        assert_eq!(next(&mut batches).await.len(), 3);
        assert!(batches.try_recv().is_err(), "nothing was tried twice");
    }

    #[tokio::test]
    async fn a_caller_that_goes_away_is_skipped_before_its_batch_and_harmless_later() {
        let (group, mut batches, gate) = observed(10);
        let early = call(&group, 1);
        next(&mut batches).await;
        early.abort();
        let gone = call(&group, 2);
        until_waiting(&group, 1).await;
        gone.abort();
        assert!(gone.await.expect_err("aborted").is_cancelled());
        let stays = call(&group, 3);
        until_waiting(&group, 2).await;
        gate.add_permits(2);
        assert_eq!(next(&mut batches).await, [3]);
        assert_eq!(timeout(BOUND, stays).await.expect("in time").expect("joins"), Ok(3));
    }

    #[tokio::test]
    async fn calls_are_served_again_after_a_pause() {
        let (group, _batches, gate) = observed(10);
        gate.add_permits(10);
        for item in 0..5 {
            assert_eq!(timeout(BOUND, group.call(item)).await.expect("in time"), Ok(item));
        }
    }
}
