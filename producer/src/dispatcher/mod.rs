//! Takes what is ready, under the window and the limits, and dispatches for it. One loop for each queue; several processes may run it.

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
    credit::Credits, lookback::Lookback, pace::Pace, task_publisher::TaskPublisher, wakes::Wakes,
};

/// What the dispatchers of one process share.
#[derive(Clone)]
pub struct Dispatcher {
    /// The truth.
    pub store: Arc<dyn Store>,
    /// Dispatches what was taken.
    pub task_publisher: TaskPublisher,
    /// Where unused room is left for accepts.
    pub credits: Arc<Credits>,
    /// Notices to look sooner.
    pub wakes: Arc<Wakes>,
    /// For the times of scheduled tasks.
    pub clock: Arc<dyn Clock>,
}

/// What one round did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Step {
    /// Tasks taken and dispatched for.
    pub taken: usize,
    /// Those of them whose message is surely in its queue; the others are ready again.
    pub confirmed: usize,
    /// Whether ready tasks were left for want of room.
    pub more: bool,
    /// When the next task that waits only for its time is due.
    pub next_due: Option<Timestamp>,
}

impl Step {
    /// Whether the broker took none of the messages: the next round would fare no better, and each costs the store two writes a task.
    pub fn unconfirmed(&self) -> bool {
        self.taken > 0 && self.confirmed == 0
    }
}

/// One queue's dispatcher between its rounds.
pub struct Round {
    queue: Queue,
    lookback: Lookback,
    begun: Instant,
}

impl Round {
    /// For a queue, knowing nothing of its pace yet.
    pub fn new(queue: Queue) -> Self {
        Self { queue, lookback: Lookback::default(), begun: Instant::now() }
    }
}

impl Dispatcher {
    /// Takes at most `MAX_GROUP` ready tasks of a queue and dispatches for them. They are committed as `queued` before the first message, so
    /// a crash in between loses messages and no tasks.
    pub async fn run_once(&self, round: &mut Round) -> PortResult<Step> {
        let ahead = round.lookback.ahead(round.begun.elapsed());
        let dispatched = self.store.dispatch(round.queue, ahead, MAX_GROUP as u32).await?;
        round.lookback.saw(round.begun.elapsed(), dispatched.ended);
        self.credits.set(round.queue, if dispatched.more { 0 } else { dispatched.room_left });
        let confirmed = self.task_publisher.publish(&dispatched.messages).await;
        let step = Step {
            taken: dispatched.messages.len(),
            confirmed,
            more: dispatched.more,
            next_due: dispatched.next_due,
        };
        if step.unconfirmed() {
            // What is accepted meanwhile waits in the store, where it costs nothing.
            self.credits.close(round.queue);
        }
        Ok(step)
    }

    /// Runs rounds until `stop`, woken by notices, by the next due time and by a poll.
    pub async fn run(self, queue: Queue, stop: CancellationToken) {
        let mut round = Round::new(queue);
        let mut pace = Pace::default();
        let mut away = false;
        while !stop.is_cancelled() {
            let (pause, wakeable) = match self.run_once(&mut round).await {
                Ok(step) => {
                    away = false;
                    match step.unconfirmed() {
                        true => (pace.after_silence(rand::random()), false),
                        false => (pace.after(&step, self.clock.now()), true),
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

    /// While the store or the broker is away no notice shortens the pause: there is nothing to be had sooner.
    async fn wait(&self, queue: Queue, pause: Duration, wakeable: bool, stop: &CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
            () = self.wakes.poked(queue), if wakeable => {}
        }
    }
}
