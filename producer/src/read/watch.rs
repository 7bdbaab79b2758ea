//! One subscription to changes for the whole process, and its waiters for single jobs.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
    time::Duration,
};

use common::{
    id::JobId,
    port::{
        broker::{Broker, Control, ControlStream},
        view_cache::{ChangeStream, ViewCache},
    },
};
use parking_lot::Mutex;
use prometheus::IntGauge;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::dispatcher::wakes::Wakes;

/// Pause before a new subscription after a failure; waiters read the store meanwhile.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A notice that a job may have changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChangeNotice {
    /// Number of notices so far: two equal notices are still two.
    count: u64,
    /// Set if the view cache may not know of the change.
    pub ask_store: bool,
}

/// The waiters, by job.
#[derive(Debug)]
pub struct JobWatch {
    waiting: Mutex<HashMap<JobId, watch::Sender<ChangeNotice>>>,
    waiters: IntGauge,
}

impl JobWatch {
    /// Starts without waiters; the gauge `waiters` shows their number.
    pub fn new(waiters: IntGauge) -> Self {
        Self { waiting: Mutex::default(), waiters }
    }

    /// Registers a waiter for changes of a job from now on.
    pub fn join(self: &Arc<Self>, job: JobId) -> Waiter {
        let notices = self.waiting.lock().entry(job).or_default().subscribe();
        self.waiters.inc();
        Waiter { watch: Arc::clone(self), job, notices }
    }

    /// Notifies the waiters for these jobs.
    pub fn notify(&self, jobs: &[JobId], ask_store: bool) {
        let waiting = self.waiting.lock();
        jobs.iter().filter_map(|job| waiting.get(job)).for_each(|notices| note(notices, ask_store));
    }

    /// Notifies all waiters: a change may have been missed.
    pub fn notify_all(&self) {
        self.waiting.lock().values().for_each(|notices| note(notices, true));
    }

    /// Passes on the view cache's changes until `stop`.
    pub async fn follow_view_cache(
        self: Arc<Self>,
        view_cache: Arc<dyn ViewCache>,
        stop: CancellationToken,
    ) {
        stop.run_until_cancelled(async {
            loop {
                match view_cache.changes().await {
                    Ok(changes) => self.pass_on(changes).await,
                    Err(error) => {
                        tracing::debug!(%error, "changes can't be subscribed to");
                        tokio::time::sleep(RETRY_AFTER).await;
                    }
                }
            }
        })
        .await;
    }

    async fn pass_on(&self, mut changes: Box<dyn ChangeStream>) {
        loop {
            match changes.next().await {
                Some(jobs) => self.notify(&jobs, false),
                None => self.notify_all(),
            }
            // Yields, so that a subscription that reports nothing but gaps does not spin.
            tokio::task::yield_now().await;
        }
    }

    /// Acts on the fleet's control messages until `stop`: dispatchers wake, and waiters learn of
    /// changes that the view cache may not know.
    pub async fn follow_control(
        self: Arc<Self>,
        broker: Arc<dyn Broker>,
        wakes: Arc<Wakes>,
        stop: CancellationToken,
    ) {
        stop.run_until_cancelled(async {
            loop {
                match broker.listen().await {
                    Ok(controls) => self.handle(controls, &wakes).await,
                    Err(error) => {
                        tracing::debug!(%error, "control messages can't be subscribed to");
                        tokio::time::sleep(RETRY_AFTER).await;
                    }
                }
            }
        })
        .await;
    }

    async fn handle(&self, mut controls: Box<dyn ControlStream>, wakes: &Wakes) {
        loop {
            match controls.next().await {
                Control::Wake(queue) => wakes.wake(queue),
                Control::Changed(jobs) => self.notify(&jobs, true),
                // Workers act on this one.
                Control::Cancel(_) => {}
            }
        }
    }
}

fn note(notices: &watch::Sender<ChangeNotice>, ask_store: bool) {
    notices.send_modify(|notice| *notice = ChangeNotice { count: notice.count + 1, ask_store });
}

/// A waiter for one job.
#[derive(Debug)]
pub struct Waiter {
    watch: Arc<JobWatch>,
    job: JobId,
    notices: watch::Receiver<ChangeNotice>,
}

impl Waiter {
    /// Waits for the next notice; several since the last call are one.
    pub async fn notice(&mut self) -> ChangeNotice {
        // The sender stays in the map as long as this waiter exists.
        let _ = self.notices.changed().await;
        *self.notices.borrow_and_update()
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.watch.waiters.dec();
        let mut waiting = self.watch.waiting.lock();
        if let Entry::Occupied(entry) = waiting.entry(self.job)
            // This waiter's own receiver is still counted.
            && entry.get().receiver_count() <= 1
        {
            entry.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use tokio::time::timeout;

    use super::*;

    const BOUND: Duration = Duration::from_secs(10);

    fn idle_watch() -> Arc<JobWatch> {
        Arc::new(JobWatch::new(IntGauge::new("waiters", "test").expect("a gauge")))
    }

    #[tokio::test]
    async fn a_waiter_is_notified_of_its_own_job_alone() {
        let watch = idle_watch();
        let job = JobId::new();
        let mut waiter = watch.join(job);
        watch.notify(&[JobId::new()], false);
        assert!(waiter.notice().now_or_never().is_none());
        watch.notify(&[job], false);
        watch.notify(&[job], true);
        assert!(timeout(BOUND, waiter.notice()).await.expect("a notice").ask_store);
        assert!(waiter.notice().now_or_never().is_none(), "several notices are one");
    }

    #[test]
    fn dropped_waiters_leave_nothing_behind() {
        let watch = idle_watch();
        let job = JobId::new();
        let (one, two) = (watch.join(job), watch.join(job));
        drop(one);
        assert_eq!((watch.waiting.lock().len(), watch.waiters.get()), (1, 1));
        drop(two);
        assert_eq!((watch.waiting.lock().len(), watch.waiters.get()), (0, 0));
    }
}
