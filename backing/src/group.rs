//! Group commit without a timer: what arrives while one batch is being committed is the next batch.
//!
//! A timer would make a lone caller wait for company that does not come, and a busy store wait for a tick that it does not need.
//! Here a lone caller goes at once, and under load the batches grow by themselves to whatever one commit takes.

use std::{collections::VecDeque, fmt, future::Future, panic::AssertUnwindSafe, sync::Arc};

use common::port::{PortError, PortResult};
use futures::{FutureExt, future::BoxFuture};
use parking_lot::Mutex;
use tokio::sync::oneshot;

/// Gathers single calls into batches and hands each caller its own answer.
///
/// One batch runs at a time, on a task of its own, so a caller that goes away harms nobody: before its batch began its item is left
/// out, afterwards the item is written all the same and the answer thrown away.
pub struct Group<I, R> {
    shared: Arc<Shared<I, R>>,
}

type Run<I, R> = dyn Fn(Vec<I>) -> BoxFuture<'static, PortResult<Vec<R>>> + Send + Sync;

struct Shared<I, R> {
    most: usize,
    run: Box<Run<I, R>>,
    line: Mutex<Line<I, R>>,
}

struct Line<I, R> {
    waiting: VecDeque<Call<I, R>>,
    /// Set if a task is there that will come back for what waits.
    served: bool,
}

struct Call<I, R> {
    item: I,
    answer: oneshot::Sender<PortResult<R>>,
}

impl<I, R> Clone for Group<I, R> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<I, R> fmt::Debug for Group<I, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group").field("most", &self.shared.most).finish_non_exhaustive()
    }
}

impl<I, R> Group<I, R>
where
    I: Clone + Send + 'static,
    R: Send + 'static,
{
    /// Batches of at most `most` items, committed by `run`, which answers once for each item, in order.
    ///
    /// A batch that fails as [`PortError::Broken`] is tried again in halves, down to single items, so that one bad row harms no other;
    /// `run` must therefore write all of a batch or nothing. A batch that fails because the store is away fails for all of its callers.
    pub fn new<F, Fut>(most: usize, run: F) -> Self
    where
        F: Fn(Vec<I>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = PortResult<Vec<R>>> + Send + 'static,
    {
        let line = Mutex::new(Line { waiting: VecDeque::new(), served: false });
        let run = Box::new(move |items| run(items).boxed());
        Self { shared: Arc::new(Shared { most: most.max(1), run, line }) }
    }

    /// Puts one item into the next batch and waits for its answer.
    pub async fn call(&self, item: I) -> PortResult<R> {
        let (answer, answered) = oneshot::channel();
        let serve = {
            let mut line = self.shared.line.lock();
            line.waiting.push_back(Call { item, answer });
            !std::mem::replace(&mut line.served, true)
        };
        if serve {
            tokio::spawn(serve_line(self.shared.clone()));
        }
        answered.await.unwrap_or_else(|_| {
            Err(PortError::unavailable("the store", "this process is shutting down"))
        })
    }
}

async fn serve_line<I, R>(shared: Arc<Shared<I, R>>)
where
    I: Clone + Send + 'static,
    R: Send + 'static,
{
    while let Some(batch) = shared.next_batch() {
        let mut halves = vec![batch];
        while let Some(batch) = halves.pop() {
            halves.extend(shared.commit(batch).await);
        }
    }
}

impl<I, R> Shared<I, R>
where
    I: Clone + Send + 'static,
    R: Send + 'static,
{
    /// The next batch, or `None` when nothing waits, and then the next caller starts a new server.
    fn next_batch(&self) -> Option<Vec<Call<I, R>>> {
        let mut line = self.line.lock();
        let mut batch = Vec::new();
        while batch.len() < self.most {
            match line.waiting.pop_front() {
                Some(call) if call.answer.is_closed() => {}
                Some(call) => batch.push(call),
                None => break,
            }
        }
        line.served = !batch.is_empty();
        line.served.then_some(batch)
    }

    /// Commits a batch and answers its callers, or returns the parts in which to try it again, the first one last.
    async fn commit(&self, mut batch: Vec<Call<I, R>>) -> Vec<Vec<Call<I, R>>> {
        let items = batch.iter().map(|call| call.item.clone()).collect();
        match self.guarded(items, batch.len()).await {
            Ok(answers) => {
                batch.into_iter().zip(answers).for_each(|(call, answer)| call.say(Ok(answer)))
            }
            Err(error) if error.is_transient() || batch.len() == 1 => {
                batch.into_iter().for_each(|call| call.say(Err(error.clone())));
            }
            Err(error) => {
                tracing::warn!(%error, items = batch.len(), "a batch failed and is tried again in halves");
                let rest = batch.split_off(batch.len() / 2);
                return vec![rest, batch];
            }
        }
        Vec::new()
    }

    /// Runs a batch; a panic or a wrong number of answers is an error like any other, because callers wait behind it.
    async fn guarded(&self, items: Vec<I>, wanted: usize) -> PortResult<Vec<R>> {
        let started = std::panic::catch_unwind(AssertUnwindSafe(|| (self.run)(items)));
        let ended = match started {
            Ok(run) => AssertUnwindSafe(run).catch_unwind().await,
            Err(panic) => Err(panic),
        };
        let answers =
            ended.unwrap_or_else(|_| Err(PortError::broken("the store", "a batch panicked")))?;
        if answers.len() != wanted {
            let detail = format!("{} answers came for {wanted} items", answers.len());
            return Err(PortError::broken("the store", detail));
        }
        Ok(answers)
    }
}

impl<I, R> Call<I, R> {
    /// A caller that no longer listens is no concern of ours.
    fn say(self, answer: PortResult<R>) {
        drop(self.answer.send(answer));
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

    /// A group that tells of each batch as it begins and ends each when `gate` lets it. Odd items are echoed, 13 breaks its batch, 99 panics.
    fn watched(
        most: usize,
    ) -> (Group<u32, u32>, mpsc::UnboundedReceiver<Vec<u32>>, Arc<Semaphore>) {
        let (begun, batches) = mpsc::unbounded_channel();
        let gate = Arc::new(Semaphore::new(0));
        let door = gate.clone();
        let group = Group::new(most, move |items: Vec<u32>| {
            let (begun, door) = (begun.clone(), door.clone());
            async move {
                begun.send(items.clone()).expect("the test listens");
                door.acquire().await.expect("the gate stays").forget();
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

    fn call(group: &Group<u32, u32>, item: u32) -> tokio::task::JoinHandle<PortResult<u32>> {
        let group = group.clone();
        tokio::spawn(async move { group.call(item).await })
    }

    async fn waiting(group: &Group<u32, u32>, count: usize) {
        let arrived = async {
            while group.shared.line.lock().waiting.len() != count {
                tokio::task::yield_now().await;
            }
        };
        timeout(BOUND, arrived).await.expect("the calls line up");
    }

    #[tokio::test]
    async fn a_lone_call_goes_at_once_and_those_behind_it_share_the_next_commit() {
        let (group, mut batches, gate) = watched(10);
        let first = call(&group, 1);
        assert_eq!(next(&mut batches).await, [1]);
        let mut rest = Vec::new();
        for (index, item) in [2, 3, 4].into_iter().enumerate() {
            rest.push(call(&group, item));
            waiting(&group, index + 1).await;
        }
        gate.add_permits(2);
        assert_eq!(next(&mut batches).await, [2, 3, 4]);
        assert_eq!(first.await.expect("joins"), Ok(1));
        for (call, item) in rest.into_iter().zip([2, 3, 4]) {
            assert_eq!(call.await.expect("joins"), Ok(item));
        }
    }

    #[tokio::test]
    async fn no_batch_is_larger_than_it_may_be() {
        let (group, mut batches, gate) = watched(2);
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
            let (group, mut batches, gate) = watched(10);
            let held = call(&group, 0);
            next(&mut batches).await;
            let calls: Vec<_> =
                [1, 2, bad, 3, 4].into_iter().map(|item| (item, call(&group, item))).collect();
            waiting(&group, 5).await;
            gate.add_permits(100);
            held.await.expect("joins").expect("answers");
            for (item, call) in calls {
                let answer = call.await.expect("joins");
                assert_eq!(answer.is_ok(), item != bad, "{item}: {answer:?}");
            }
        }
    }

    #[tokio::test]
    async fn a_store_that_is_away_fails_the_batch_without_trying_each_row() {
        let (group, mut batches, gate) = watched(10);
        let held = call(&group, 0);
        next(&mut batches).await;
        let calls: Vec<_> = [1, 40, 3].map(|item| call(&group, item)).into_iter().collect();
        waiting(&group, 3).await;
        gate.add_permits(100);
        held.await.expect("joins").expect("answers");
        for call in calls {
            assert!(call.await.expect("joins").expect_err("away").is_transient());
        }
        assert_eq!(next(&mut batches).await.len(), 3);
        assert!(batches.try_recv().is_err(), "nothing was tried twice");
    }

    #[tokio::test]
    async fn a_caller_that_goes_away_before_its_batch_is_left_out_and_later_harms_nobody() {
        let (group, mut batches, gate) = watched(10);
        let early = call(&group, 1);
        next(&mut batches).await;
        early.abort();
        let gone = call(&group, 2);
        waiting(&group, 1).await;
        gone.abort();
        assert!(gone.await.expect_err("aborted").is_cancelled());
        let stays = call(&group, 3);
        waiting(&group, 2).await;
        gate.add_permits(2);
        assert_eq!(next(&mut batches).await, [3]);
        assert_eq!(timeout(BOUND, stays).await.expect("in time").expect("joins"), Ok(3));
    }

    #[tokio::test]
    async fn a_group_that_fell_silent_serves_again() {
        let (group, _batches, gate) = watched(10);
        gate.add_permits(10);
        for item in 0..5 {
            assert_eq!(timeout(BOUND, group.call(item)).await.expect("in time"), Ok(item));
        }
    }
}
