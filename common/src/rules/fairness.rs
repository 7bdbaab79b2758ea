//! Turn-taking between tenants: one task of each in turn, under their limits.

use std::collections::{BTreeMap, VecDeque};

use super::gates::{GateId, Gates};

/// The tenant that had the last turn, by priority. It is lost with the process, which costs a
/// tenant at most one turn.
pub type LastTurns = BTreeMap<i64, String>;

/// A ready task, with the limits that apply to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate<T> {
    pub task: T,
    pub gates: Vec<GateId>,
}

/// The ready tasks of one tenant, in the order in which they are to run.
#[derive(Debug)]
pub struct TenantTasks<T> {
    pub tenant: String,
    pub tasks: VecDeque<Candidate<T>>,
}

/// The tasks that were chosen.
#[derive(Debug, PartialEq, Eq)]
pub struct Chosen<T> {
    pub tasks: Vec<T>,
    /// Set if a task was left behind for lack of room, and not because of a limit.
    pub more: bool,
    /// The tenant that had the last turn.
    pub last: Option<String>,
}

/// Chooses up to `most` tasks. The first turn is of the tenant that follows `last` in the order of
/// names. `tenants` are in that order. A task that its limits hold back loses its turn.
pub fn take_turns<T>(
    mut tenants: Vec<TenantTasks<T>>,
    most: usize,
    last: Option<&str>,
    gates: &mut Gates,
) -> Chosen<T> {
    let follows = |of: &TenantTasks<T>| last.is_none_or(|last| of.tenant.as_str() > last);
    let first = tenants.iter().position(follows).unwrap_or(0);
    tenants.rotate_left(first);
    let mut tenants: VecDeque<TenantTasks<T>> = tenants.into();
    let (mut tasks, mut last) = (Vec::new(), None);
    while tasks.len() < most
        && let Some(mut of) = tenants.pop_front()
    {
        let Some(candidate) = next_allowed(&mut of.tasks, gates) else { continue };
        gates.pass(&candidate.gates);
        tasks.push(candidate.task);
        last = Some(of.tenant.clone());
        tenants.push_back(of);
    }
    let more = tenants.iter_mut().any(|of| next_allowed(&mut of.tasks, gates).is_some());
    Chosen { tasks, more, last }
}

/// Drops tasks that a limit holds back, up to the first that all limits let through.
fn next_allowed<T>(tasks: &mut VecDeque<Candidate<T>>, gates: &Gates) -> Option<Candidate<T>> {
    std::iter::from_fn(|| tasks.pop_front()).find(|task| gates.room(&task.gates) > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(tenant: &str, tasks: u32) -> TenantTasks<u32> {
        let candidate = |task| Candidate { task, gates: Vec::new() };
        TenantTasks { tenant: tenant.to_owned(), tasks: (0..tasks).map(candidate).collect() }
    }

    fn take(tenants: Vec<TenantTasks<u32>>, most: usize, last: Option<&str>) -> Chosen<u32> {
        take_turns(tenants, most, last, &mut Gates::default())
    }

    #[test]
    fn tenants_take_turns_from_where_they_stopped() {
        let tenants = || vec![of("a", 5), of("b", 1), of("c", 5)];
        let chosen = take(tenants(), 4, None);
        let last = Some("a".to_owned());
        assert_eq!(chosen, Chosen { tasks: vec![0, 0, 0, 1], more: true, last });
        assert_eq!(take(tenants(), 1, Some("a")).last.as_deref(), Some("b"));
        assert_eq!(take(tenants(), 1, Some("c")).last.as_deref(), Some("a"));
        assert_eq!(take(tenants(), 20, Some("b")).tasks.len(), 11);
    }

    #[test]
    fn without_room_it_is_known_that_a_task_waits() {
        assert!(take(vec![of("a", 1)], 0, None).more);
        assert!(!take(vec![of("a", 0)], 0, None).more);
    }

    #[test]
    fn a_task_behind_a_full_limit_is_passed_over_and_is_not_more_work() {
        let mut gates = Gates::default();
        let full = gates.of_batch(b"full", 1);
        let mut tenant = of("a", 3);
        tenant.tasks.iter_mut().take(2).for_each(|candidate| candidate.gates.push(full));
        let chosen = take_turns(vec![tenant], 3, None, &mut gates);
        assert_eq!((chosen.tasks, chosen.more), (vec![0, 2], false));
    }
}
