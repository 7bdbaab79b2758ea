//! Dispatch: moves ready tasks to `queued`, within the queue's room and the limits, and publishes a
//! task message for each. One loop per queue; several processes may run it.

pub mod credit;
mod lookback;
mod pace;
pub mod task_publisher;
#[cfg(test)]
pub mod tests;
pub mod wakes;

use std::{sync::Arc, time::Duration};

use common::{
    limits::MAX_GROUP,
    port::{PortResult, clock::Clock},
    queue::Queue,
    store::Store,
};
use jiff::Timestamp;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::{
    credit::Credits, lookback::Lookback, pace::DispatchPace, task_publisher::TaskPublisher,
    wakes::Wakes,
};

/// The state that the dispatchers of one process share.
#[derive(Clone)]
pub struct Dispatcher {
    pub store: Arc<dyn Store>,
    pub task_publisher: TaskPublisher,
    /// Receives the unused room, for accepts.
    pub credits: Arc<Credits>,
    /// Notices that end a pause early.
    pub wakes: Arc<Wakes>,
    /// Clock for the due times of scheduled tasks.
    pub clock: Arc<dyn Clock>,
}

/// The result of one round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RoundReport {
    /// Tasks moved to `queued`.
    pub taken: usize,
    /// Tasks whose message is surely in its queue; the others are ready again.
    pub confirmed: usize,
    /// Set if ready tasks were left for want of room.
    pub more: bool,
    /// When the next task that waits only for its time is due.
    pub next_due: Option<Timestamp>,
}

impl RoundReport {
    /// Reports a round in which the broker confirmed no message. The next round would fare no
    /// better, and each costs the store two writes a task.
    pub fn unconfirmed(&self) -> bool {
        self.taken > 0 && self.confirmed == 0
    }
}

/// The state of one queue's dispatcher between its rounds.
pub struct Round {
    queue: Queue,
    lookback: Lookback,
    begun: Instant,
}

impl Round {
    /// Starts without samples.
    pub fn new(queue: Queue) -> Self {
        Self { queue, lookback: Lookback::default(), begun: Instant::now() }
    }
}

impl Dispatcher {
    /// Dispatches at most `MAX_GROUP` ready tasks of a queue. They are committed as `queued` before
    /// the first message is published, so a crash in between loses messages and no tasks.
    pub async fn run_once(&self, round: &mut Round) -> PortResult<RoundReport> {
        let ahead = round.lookback.ahead(round.begun.elapsed());
        let dispatched = self.store.dispatch(round.queue, ahead, MAX_GROUP as u32).await?;
        round.lookback.sample(round.begun.elapsed(), dispatched.ended);
        self.credits.set(round.queue, if dispatched.more { 0 } else { dispatched.room_left });
        let confirmed = self.task_publisher.publish(&dispatched.messages).await;
        let report = RoundReport {
            taken: dispatched.messages.len(),
            confirmed,
            more: dispatched.more,
            next_due: dispatched.next_due,
        };
        if report.unconfirmed() {
            // Jobs accepted meanwhile wait in the store, where they cost nothing.
            self.credits.close(round.queue);
        }
        Ok(report)
    }

    /// Runs rounds until `stop`, at notices, at the next due time and at a fixed interval.
    pub async fn run(self, queue: Queue, stop: CancellationToken) {
        let mut round = Round::new(queue);
        let mut pace = DispatchPace::default();
        let mut away = false;
        while !stop.is_cancelled() {
            let (pause, wakeable) = match self.run_once(&mut round).await {
                Ok(report) => {
                    away = false;
                    match report.unconfirmed() {
                        true => (pace.after_unconfirmed(rand::random()), false),
                        false => (pace.after(&report, self.clock.now()), true),
                    }
                }
                Err(error) => {
                    self.credits.close(queue);
                    if !std::mem::replace(&mut away, true) {
                        tracing::warn!(%error, %queue, "the dispatcher waits for the store");
                    }
                    (pace.after_error(rand::random()), false)
                }
            };
            self.wait(queue, pause, wakeable, &stop).await;
        }
    }

    /// Waits between two rounds. While the store or the broker is away, no notice shortens the
    /// pause.
    async fn wait(&self, queue: Queue, pause: Duration, wakeable: bool, stop: &CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
            () = self.wakes.woken(queue), if wakeable => {}
        }
    }
}
