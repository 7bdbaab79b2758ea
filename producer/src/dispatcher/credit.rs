//! What is left of each class's window, spent by accepts so that a job posted to an idle fleet needs no second write.
//!
//! A hint and no truth: two producers may each spend the whole of it. The next [`common::port::store::Store::ring`] counts what is
//! really `queued` and leaves less, so the window is passed by at most one fill for each producer.

use common::{
    kind::Class,
    port::{broker::Doorbell, store::Credit},
};
use parking_lot::Mutex;

/// The credits of all classes.
#[derive(Debug, Default)]
pub struct Credits {
    slots: Mutex<[Slot; Class::ALL.len()]>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    left: u32,
    /// Which ring this credit is from: what was taken before another is not given back on top of it.
    round: u64,
}

/// Credit taken by one accept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    credits: Vec<Credit>,
    rounds: [u64; Class::ALL.len()],
}

impl Taken {
    /// As the store wants it.
    pub fn credits(&self) -> &[Credit] {
        &self.credits
    }
}

impl Credits {
    /// What a ring left over; nothing where it left ready tasks behind, because they are older than what is accepted next.
    pub fn set(&self, class: Class, left: u32) {
        let mut slots = self.slots.lock();
        let slot = &mut slots[place(class)];
        *slot = Slot { left, round: slot.round + 1 };
    }

    /// Ready tasks are waiting: no accept may pass them.
    pub fn close(&self, class: Class) {
        self.set(class, 0);
    }

    /// Takes all there is, for one accept.
    pub fn take(&self) -> Taken {
        let mut slots = self.slots.lock();
        let rounds = slots.map(|slot| slot.round);
        let credits = Class::ALL
            .map(|class| Credit { class, tasks: std::mem::take(&mut slots[place(class)].left) });
        Taken { credits: credits.into_iter().filter(|credit| credit.tasks > 0).collect(), rounds }
    }

    /// Gives back what an accept did not use.
    pub fn give_back(&self, taken: &Taken, used: &[Doorbell]) {
        let mut slots = self.slots.lock();
        for credit in &taken.credits {
            let used = used.iter().filter(|bell| bell.class == credit.class).count();
            let slot = &mut slots[place(credit.class)];
            if slot.round == taken.rounds[place(credit.class)] {
                slot.left += credit.tasks.saturating_sub(u32::try_from(used).unwrap_or(u32::MAX));
            }
        }
    }
}

fn place(class: Class) -> usize {
    class as usize
}

#[cfg(test)]
mod tests {
    use common::id::{Fence, TaskId};

    use super::*;

    fn bells(count: usize) -> Vec<Doorbell> {
        (0..count).map(|_| Doorbell::new(TaskId::new(), Fence(0), Class::Light)).collect()
    }

    #[test]
    fn credit_is_spent_once_and_what_is_unused_comes_back() {
        let credits = Credits::default();
        credits.set(Class::Light, 5);
        let taken = credits.take();
        assert_eq!(taken.credits(), [Credit { class: Class::Light, tasks: 5 }]);
        assert_eq!(credits.take().credits(), []);
        credits.give_back(&taken, &bells(2));
        assert_eq!(credits.take().credits(), [Credit { class: Class::Light, tasks: 3 }]);
    }

    #[test]
    fn credit_from_before_a_ring_does_not_come_back_on_top_of_the_new_one() {
        let credits = Credits::default();
        credits.set(Class::Light, 5);
        let taken = credits.take();
        credits.set(Class::Light, 4);
        credits.give_back(&taken, &bells(0));
        assert_eq!(credits.take().credits(), [Credit { class: Class::Light, tasks: 4 }]);
    }

    #[test]
    fn no_credit_is_left_once_ready_tasks_wait() {
        let credits = Credits::default();
        credits.set(Class::Light, 5);
        let taken = credits.take();
        credits.close(Class::Light);
        credits.give_back(&taken, &bells(1));
        assert_eq!(credits.take().credits(), []);
    }
}
