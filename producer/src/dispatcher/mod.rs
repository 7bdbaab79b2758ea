//! Takes what is ready, under the window and the limits, and rings for it. One loop for each class; several processes may run it.

pub mod credit;
mod lookback;
mod pace;
pub mod ringer;
#[cfg(test)]
pub mod tests;
pub mod wakes;

use std::{sync::Arc, time::Duration};

use common::{
    kind::Class,
    limits::MAX_GROUP,
    port::{PortResult, clock::Clock, store::Store},
};
use jiff::Timestamp;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::{credit::Credits, lookback::Lookback, pace::Pace, ringer::Ringer, wakes::Wakes};

/// What the dispatchers of one process share.
#[derive(Clone)]
pub struct Dispatcher {
    /// The truth.
    pub store: Arc<dyn Store>,
    /// Rings what was taken.
    pub ringer: Ringer,
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
    /// Tasks taken and rung for.
    pub taken: usize,
    /// Those of them whose bell is surely in its queue; the others are ready again.
    pub confirmed: usize,
    /// Whether ready tasks were left for want of room.
    pub more: bool,
    /// When the next task that waits only for its time is due.
    pub next_due: Option<Timestamp>,
}

impl Step {
    /// Whether the broker took none of the bells: the next round would fare no better, and each costs the store two writes a task.
    pub fn unheard(&self) -> bool {
        self.taken > 0 && self.confirmed == 0
    }
}

/// One class's dispatcher between its rounds.
pub struct Round {
    class: Class,
    lookback: Lookback,
    begun: Instant,
}

impl Round {
    /// For a class, knowing nothing of its pace yet.
    pub fn new(class: Class) -> Self {
        Self { class, lookback: Lookback::default(), begun: Instant::now() }
    }
}

impl Dispatcher {
    /// Takes at most `MAX_GROUP` ready tasks of a class and rings for them. They are committed as `queued` before the first bell, so
    /// a crash in between loses bells and no tasks.
    pub async fn run_once(&self, round: &mut Round) -> PortResult<Step> {
        let ahead = round.lookback.ahead(round.begun.elapsed());
        let rung = self.store.ring(round.class, ahead, MAX_GROUP as u32).await?;
        round.lookback.saw(round.begun.elapsed(), rung.ended);
        self.credits.set(round.class, if rung.more { 0 } else { rung.left });
        let confirmed = self.ringer.ring(&rung.bells).await;
        let step =
            Step { taken: rung.bells.len(), confirmed, more: rung.more, next_due: rung.next_due };
        if step.unheard() {
            // What is accepted meanwhile waits in the store, where it costs nothing.
            self.credits.close(round.class);
        }
        Ok(step)
    }

    /// Runs rounds until `stop`, woken by notices, by the next due time and by a poll.
    pub async fn run(self, class: Class, stop: CancellationToken) {
        let mut round = Round::new(class);
        let mut pace = Pace::default();
        let mut away = false;
        while !stop.is_cancelled() {
            let (pause, wakeable) = match self.run_once(&mut round).await {
                Ok(step) => {
                    away = false;
                    match step.unheard() {
                        true => (pace.after_silence(rand::random()), false),
                        false => (pace.after(&step, self.clock.now()), true),
                    }
                }
                Err(error) => {
                    self.credits.close(class);
                    if !std::mem::replace(&mut away, true) {
                        tracing::warn!(%error, %class, "the dispatcher waits for the store");
                    }
                    (pace.after_error(rand::random()), false)
                }
            };
            self.wait(class, pause, wakeable, &stop).await;
        }
    }

    /// While the store or the broker is away no notice shortens the pause: there is nothing to be had sooner.
    async fn wait(&self, class: Class, pause: Duration, wakeable: bool, stop: &CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
            () = self.wakes.poked(class), if wakeable => {}
        }
    }
}
