//! The reason why an open job does not run (`waitingFor`).

use super::gates::{InFlight, limits_of};
use crate::{
    queue::Queue,
    rules::lifecycle::TaskState,
    store::{Limit, LimitScope, Pausable},
    view::WaitingFor,
};

/// The task of a job that is due first. The job waits for what this task waits for.
#[derive(Debug, Clone, Copy)]
pub struct NextTask<'a> {
    /// `ready` or `queued`.
    pub state: TaskState,
    pub queue: Queue,
    pub tenant: &'a str,
    pub kind: &'a str,
    /// Set if its time has come.
    pub due: bool,
    /// Set if its batch has as many tasks in flight as its limit allows.
    pub batch_is_full: bool,
}

/// The limits and pauses that operators have set, and what they count.
#[derive(Debug, Default)]
pub struct Restrictions {
    pub limits: Vec<Limit>,
    pub pauses: Vec<Pausable>,
    pub in_flight: InFlight,
}

/// The reason why a job does not run. `next` is `None` where no task of it is `ready` or `queued`,
/// and `has_workers` says whether live workers have slots for the task's queue.
pub fn waiting_for(
    next: Option<NextTask<'_>>,
    restrictions: &Restrictions,
    has_workers: bool,
) -> WaitingFor {
    let Some(next) = next else { return WaitingFor::Needs };
    let slot = if has_workers { WaitingFor::Slot } else { WaitingFor::Worker };
    if next.state != TaskState::Ready {
        return slot;
    }
    if !next.due {
        return WaitingFor::Schedule;
    }
    match restrictions.held_back_by(next) {
        Some(restriction) => restriction,
        None if next.batch_is_full => WaitingFor::BatchLimit,
        None => slot,
    }
}

impl Restrictions {
    /// The pause, or the first full limit by scope and name, that holds a task back.
    fn held_back_by(&self, next: NextTask<'_>) -> Option<WaitingFor> {
        if self.pauses.iter().any(|pause| pause.holds(next.queue, next.tenant)) {
            return Some(WaitingFor::Paused);
        }
        let is_full =
            |limit: &&Limit| self.in_flight.under(limit, next.tenant) >= i64::from(limit.most);
        let first = limits_of(&self.limits, next.tenant, next.kind).filter(is_full).min()?;
        Some(match first.scope {
            LimitScope::Tenant => WaitingFor::TenantLimit,
            LimitScope::Kind => WaitingFor::KindLimit,
            LimitScope::Provider => WaitingFor::ProviderLimit,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::TenantId;

    const NEXT: NextTask<'static> = NextTask {
        state: TaskState::Ready,
        queue: Queue::Light,
        tenant: "a",
        kind: "speech",
        due: true,
        batch_is_full: false,
    };

    fn full(scope: LimitScope, name: &str) -> Limit {
        Limit { scope, name: name.to_owned(), most: 0, kinds: vec!["speech".to_owned()] }
    }

    #[test]
    fn a_job_without_a_next_task_waits_for_needs() {
        assert_eq!(waiting_for(None, &Restrictions::default(), true), WaitingFor::Needs);
    }

    #[test]
    fn a_task_that_may_run_waits_for_a_slot_or_for_a_worker() {
        let free = Restrictions::default();
        assert_eq!(waiting_for(Some(NEXT), &free, true), WaitingFor::Slot);
        assert_eq!(waiting_for(Some(NEXT), &free, false), WaitingFor::Worker);
        let queued = NextTask { state: TaskState::Queued, batch_is_full: true, ..NEXT };
        assert_eq!(waiting_for(Some(queued), &free, true), WaitingFor::Slot);
    }

    #[test]
    fn the_time_comes_before_pauses_these_before_limits_and_those_before_the_batch() {
        let paused = Pausable::Tenant(TenantId("a".to_owned()));
        let mut set = Restrictions {
            limits: vec![
                full(LimitScope::Provider, "speech"),
                full(LimitScope::Kind, "speech"),
                full(LimitScope::Tenant, "a"),
            ],
            pauses: vec![paused],
            in_flight: InFlight::default(),
        };
        let next = NextTask { batch_is_full: true, ..NEXT };
        let early = NextTask { due: false, ..next };
        assert_eq!(waiting_for(Some(early), &set, true), WaitingFor::Schedule);
        assert_eq!(waiting_for(Some(next), &set, true), WaitingFor::Paused);
        set.pauses.clear();
        for limit in [WaitingFor::TenantLimit, WaitingFor::KindLimit, WaitingFor::ProviderLimit] {
            assert_eq!(waiting_for(Some(next), &set, true), limit);
            set.limits.pop();
        }
        assert_eq!(waiting_for(Some(next), &set, true), WaitingFor::BatchLimit);
    }
}
