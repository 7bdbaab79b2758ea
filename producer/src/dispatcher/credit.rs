//! Dispatch credit: the free room of each queue, spent by accepts, so that a job posted to an idle
//! fleet needs no second write.
//!
//! Credit is a hint. Two producers may each spend all of it. The next
//! [`common::store::Store::dispatch`] counts what is really `queued` and leaves less, so the room
//! is exceeded by at most one fill per producer.

use common::{port::broker::TaskMessage, queue::Queue, store::Credit};
use parking_lot::Mutex;

/// The credit of all queues.
#[derive(Debug, Default)]
pub struct Credits {
    slots: Mutex<[QueueCredit; Queue::ALL.len()]>,
}

#[derive(Debug, Clone, Copy, Default)]
struct QueueCredit {
    left: u32,
    /// The dispatch round that granted this credit. Credit taken before a later round is not
    /// returned on top of that round's.
    round: u64,
}

/// The credit taken by one accept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenCredit {
    credits: Vec<Credit>,
    rounds: [u64; Queue::ALL.len()],
}

impl TakenCredit {
    /// The credit in the form that the store takes.
    pub fn credits(&self) -> &[Credit] {
        &self.credits
    }
}

impl Credits {
    /// Grants the room that a dispatch left; none if it left ready tasks behind, since those are
    /// older than the next accepted job.
    pub fn set(&self, queue: Queue, left: u32) {
        let mut slots = self.slots.lock();
        let slot = &mut slots[index(queue)];
        *slot = QueueCredit { left, round: slot.round + 1 };
    }

    /// Withdraws the credit: ready tasks wait, and no accept may overtake them.
    pub fn close(&self, queue: Queue) {
        self.set(queue, 0);
    }

    /// Takes all credit for one accept.
    pub fn take(&self) -> TakenCredit {
        let mut slots = self.slots.lock();
        let rounds = slots.map(|slot| slot.round);
        let credits = Queue::ALL
            .map(|queue| Credit { queue, tasks: std::mem::take(&mut slots[index(queue)].left) });
        TakenCredit {
            credits: credits.into_iter().filter(|credit| credit.tasks > 0).collect(),
            rounds,
        }
    }

    /// Returns the credit that an accept did not use.
    pub fn give_back(&self, taken: &TakenCredit, used: &[TaskMessage]) {
        let mut slots = self.slots.lock();
        for credit in &taken.credits {
            let used = used.iter().filter(|message| message.queue == credit.queue).count();
            let slot = &mut slots[index(credit.queue)];
            if slot.round == taken.rounds[index(credit.queue)] {
                slot.left += credit.tasks.saturating_sub(u32::try_from(used).unwrap_or(u32::MAX));
            }
        }
    }
}

fn index(queue: Queue) -> usize {
    queue as usize
}

#[cfg(test)]
mod tests {
    use common::id::{Fence, TaskId};

    use super::*;

    fn messages(count: usize) -> Vec<TaskMessage> {
        (0..count).map(|_| TaskMessage::new(TaskId::new(), Fence(0), Queue::Light)).collect()
    }

    #[test]
    fn credit_is_spent_once_and_unused_credit_is_returned() {
        let credits = Credits::default();
        credits.set(Queue::Light, 5);
        let taken = credits.take();
        assert_eq!(taken.credits(), [Credit { queue: Queue::Light, tasks: 5 }]);
        assert_eq!(credits.take().credits(), []);
        credits.give_back(&taken, &messages(2));
        assert_eq!(credits.take().credits(), [Credit { queue: Queue::Light, tasks: 3 }]);
    }

    #[test]
    fn credit_taken_before_a_dispatch_is_not_returned_on_top_of_the_new_one() {
        let credits = Credits::default();
        credits.set(Queue::Light, 5);
        let taken = credits.take();
        credits.set(Queue::Light, 4);
        credits.give_back(&taken, &messages(0));
        assert_eq!(credits.take().credits(), [Credit { queue: Queue::Light, tasks: 4 }]);
    }

    #[test]
    fn no_credit_is_left_once_ready_tasks_wait() {
        let credits = Credits::default();
        credits.set(Queue::Light, 5);
        let taken = credits.take();
        credits.close(Queue::Light);
        credits.give_back(&taken, &messages(1));
        assert_eq!(credits.take().credits(), []);
    }
}
