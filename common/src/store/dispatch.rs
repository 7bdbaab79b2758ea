//! Moving ready tasks to `queued` and back, and the demand for workers.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::{
    id::{JobId, TaskId, TenantId},
    limits::DRAIN_WITHIN,
    port::{PortResult, broker::TaskMessage},
    queue::Queue,
};

/// Result of [`Dispatch::dispatch`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Dispatched {
    /// Messages to publish, one for each task that is now `queued`, highest priority first.
    pub messages: Vec<TaskMessage>,
    /// Room that is left after these: credit for accepts while `more` is false.
    pub room_left: u32,
    /// Set if ready tasks were left behind for lack of room, and not because of a limit or their
    /// time.
    pub more: bool,
    /// The time at which the next task is due that only waits for its time.
    pub next_due: Option<Timestamp>,
    /// Attempts that live workers have ended in this queue, a running total. Its growth tells the
    /// dispatcher how far ahead to queue.
    pub ended: u64,
}

/// Work that waits in a queue, and the workers that are there for it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Demand {
    /// Tasks `ready` (and due) or `queued`, counted up to [`crate::limits::COUNTED_BACKLOG`].
    pub waiting: u64,
    /// The `queued` ones of these.
    pub queued: u64,
    pub running: u64,
    /// Slots of live workers.
    pub slots: u64,
    /// Live workers that have slots for this queue.
    pub workers: u64,
    /// Median duration of the latest attempts that succeeded, in milliseconds; `None` before the
    /// first.
    pub median_ms: Option<u64>,
    /// Set if the queue is paused.
    pub paused: bool,
    /// Age of the oldest due task that does not run, in milliseconds.
    pub oldest_ms: u64,
}

/// The place of a job in the order of its queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueuePlace {
    pub queue: Queue,
    /// Tasks that come before it: those already queued, those of a higher priority, and the older
    /// ones of its own. Tenants take turns, so it is an estimate where several have work. Counted
    /// up to [`crate::limits::COUNTED_PLACES`].
    pub ahead: u64,
}

impl Demand {
    /// Slots that would finish the waiting tasks within [`DRAIN_WITHIN`], beside the running ones:
    /// at the median of the latest attempts, or one for each waiting task where none has ended yet.
    /// Never more than one for each task, and none for tasks of a paused queue.
    pub fn slots_needed(&self) -> u64 {
        if self.paused {
            return self.running;
        }
        let drain_ms = u64::try_from(DRAIN_WITHIN.as_millis()).unwrap_or(u64::MAX);
        let for_waiting =
            self.median_ms.map_or(self.waiting, |ms| (self.waiting * ms).div_ceil(drain_ms));
        self.running + for_waiting.clamp(self.waiting.min(1), self.waiting)
    }

    /// Workers that have these slots together, each with the average of the live ones (one slot if
    /// none is alive).
    pub fn workers_needed(&self) -> u64 {
        let each = self.slots.checked_div(self.workers).unwrap_or(1).max(1);
        self.slots_needed().div_ceil(each)
    }

    /// The time until a task starts that has this number of tasks ahead: those beyond the free
    /// slots must end first, one in each slot within the median run time. `None` without live
    /// slots or before the first run.
    pub fn time_to_start(&self, ahead: u64) -> Option<Duration> {
        let free = self.slots.saturating_sub(self.running);
        let ends = (ahead + 1).saturating_sub(free);
        let each = self.median_ms.filter(|_| self.slots > 0)?;
        Some(Duration::from_millis(ends.saturating_mul(each).div_ceil(self.slots)))
    }
}

/// The part of the store that the dispatcher uses.
#[async_trait]
pub trait Dispatch: Send + Sync + 'static {
    /// `ready` → `queued`, at most `most`: highest priority first, fair between tenants within a
    /// priority, under every limit, and no more than the queue has room for: slots of live workers,
    /// less its `queued` and `running` tasks, plus `ahead`.
    async fn dispatch(&self, queue: Queue, ahead: u32, most: u32) -> PortResult<Dispatched>;

    /// `queued` → `ready`, after a message that could not be published or a worker without a free
    /// slot. Tasks in any other state stay as they are. Returns how many changed.
    async fn hand_back(&self, tasks: &[TaskId]) -> PortResult<u64>;

    /// Tasks that are `queued` for longer than `age`, oldest first, with the number of `queued`
    /// tasks in all: the broker may have lost their messages.
    async fn overdue(
        &self,
        queue: Queue,
        age: Duration,
        most: u32,
    ) -> PortResult<(Vec<TaskMessage>, u64)>;

    /// The place of the next task of a job in its queue. `None` if the tenant has no such job, or
    /// none of its tasks is `ready` and due, or `queued`.
    async fn queue_place(&self, tenant: &TenantId, job: JobId) -> PortResult<Option<QueuePlace>>;

    /// The demand of a queue.
    async fn demand(&self, queue: Queue) -> PortResult<Demand>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_starts_when_enough_tasks_ahead_of_it_have_ended() {
        let demand = Demand { slots: 4, running: 4, median_ms: Some(1_000), ..Demand::default() };
        let start = |ahead| demand.time_to_start(ahead).map(|time| time.as_millis());
        assert_eq!([0, 3, 7].map(start), [Some(250), Some(1_000), Some(2_000)]);
        let free = Demand { running: 2, ..demand.clone() };
        assert_eq!(free.time_to_start(1), Some(Duration::ZERO), "a slot is free for it");
        assert_eq!(Demand { slots: 0, ..demand.clone() }.time_to_start(0), None);
        assert_eq!(Demand { median_ms: None, ..demand }.time_to_start(0), None);
    }

    #[test]
    fn the_workers_needed_are_those_that_drain_what_waits_in_time() {
        let demand = |waiting, running, median_ms| Demand {
            waiting,
            running,
            median_ms,
            slots: 8,
            workers: 2,
            ..Demand::default()
        };
        assert_eq!(demand(0, 0, Some(50)).workers_needed(), 0, "nothing waits and nothing runs");
        assert_eq!(
            (demand(1, 0, Some(50)).slots_needed(), demand(1, 0, Some(50)).workers_needed()),
            (1, 1)
        );
        assert_eq!(demand(600, 0, Some(1_000)).slots_needed(), 20, "600 s of work within 30 s");
        assert_eq!(demand(600, 4, Some(1_000)).workers_needed(), 6, "24 slots by fours");
        assert_eq!(demand(5, 0, Some(3_600_000)).slots_needed(), 5, "never more slots than tasks");
        assert_eq!(demand(7, 1, None).slots_needed(), 8, "a slot for each while nothing is known");
        assert_eq!(
            Demand { waiting: 3, ..Demand::default() }.workers_needed(),
            3,
            "of one slot each while none is alive"
        );
        assert_eq!(
            Demand { paused: true, ..demand(9, 2, None) }.slots_needed(),
            2,
            "a paused queue needs none for waiting tasks"
        );
    }
}
