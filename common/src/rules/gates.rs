//! Limits and pauses: how many more tasks each lets through, during one dispatch.
//!
//! A limit counts the tasks that are `queued` or `running`. The store counts them within the write
//! that queues more, so a counter can't drift.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    queue::Queue,
    store::{EACH_TENANT, Limit, LimitScope, Pausable},
};

/// Index of a limit within the [`Gates`] of one dispatch.
pub type GateId = usize;

/// Number of tasks that are `queued` or `running`, by tenant and kind.
#[derive(Debug, Default)]
pub struct InFlight(pub Vec<(String, String, i64)>);

impl InFlight {
    /// The tasks that a limit counts. A tenant's limit counts this tenant's tasks.
    pub fn under(&self, limit: &Limit, tenant: &str) -> i64 {
        let counts = |owner: &str, kind: &String| match limit.scope {
            LimitScope::Tenant => owner == tenant,
            LimitScope::Kind | LimitScope::Provider => limit.kinds.contains(kind),
        };
        self.0
            .iter()
            .filter(|(owner, kind, _)| counts(owner, kind))
            .map(|(_, _, tasks)| tasks)
            .sum()
    }
}

/// The limits that apply to tasks of this tenant and kind.
pub fn limits_of<'a>(
    limits: &'a [Limit],
    tenant: &'a str,
    kind: &'a str,
) -> impl Iterator<Item = &'a Limit> {
    let tenant_has_its_own =
        limits.iter().any(|limit| limit.scope == LimitScope::Tenant && limit.name == tenant);
    limits.iter().filter(move |limit| match limit.scope {
        LimitScope::Tenant => {
            limit.name == tenant || (limit.name == EACH_TENANT && !tenant_has_its_own)
        }
        LimitScope::Kind | LimitScope::Provider => {
            limit.kinds.iter().any(|counted| counted == kind)
        }
    })
}

/// The limits and pauses that one dispatch obeys.
#[derive(Debug, Default)]
pub struct Gates {
    limits: Vec<Limit>,
    in_flight: InFlight,
    /// Room that each gate has left.
    room: Vec<i64>,
    ids: BTreeMap<(&'static str, Vec<u8>), GateId>,
    paused_tenants: BTreeSet<String>,
    queue_is_paused: bool,
}

impl Gates {
    /// The gates of a dispatch from this queue.
    pub fn new(queue: Queue, limits: Vec<Limit>, pauses: &[Pausable], in_flight: InFlight) -> Self {
        let queue_is_paused = pauses.contains(&Pausable::Queue(queue));
        let tenant = |pause: &Pausable| match pause {
            Pausable::Tenant(tenant) => Some(tenant.0.clone()),
            Pausable::Queue(_) => None,
        };
        let paused_tenants = pauses.iter().filter_map(tenant).collect();
        Self { limits, in_flight, paused_tenants, queue_is_paused, ..Self::default() }
    }

    /// Returns whether the whole queue is paused.
    pub fn queue_is_paused(&self) -> bool {
        self.queue_is_paused
    }

    /// Returns whether this tenant is paused.
    pub fn is_paused(&self, tenant: &str) -> bool {
        self.paused_tenants.contains(tenant)
    }

    /// The gates of the limits that apply to this tenant and kind.
    pub fn of(&mut self, tenant: &str, kind: &str) -> Vec<GateId> {
        let found: Vec<(&'static str, Vec<u8>, i64)> = limits_of(&self.limits, tenant, kind)
            .map(|limit| {
                // The default limit leaves each tenant a room of its own.
                let name = if limit.scope == LimitScope::Tenant { tenant } else { &limit.name };
                let room = i64::from(limit.most) - self.in_flight.under(limit, tenant);
                (limit.scope.as_str(), name.as_bytes().to_vec(), room)
            })
            .collect();
        found.into_iter().map(|(scope, name, room)| self.gate(scope, name, room)).collect()
    }

    /// The gate of a batch's own limit.
    pub fn of_batch(&mut self, batch: &[u8], room: i64) -> GateId {
        self.gate("batch", batch.to_vec(), room)
    }

    fn gate(&mut self, scope: &'static str, name: Vec<u8>, room: i64) -> GateId {
        *self.ids.entry((scope, name)).or_insert_with(|| {
            self.room.push(room);
            self.room.len() - 1
        })
    }

    /// The number of tasks that all of these gates let through.
    pub fn room(&self, gates: &[GateId]) -> i64 {
        gates.iter().map(|gate| self.room[*gate]).min().unwrap_or(i64::MAX)
    }

    /// Counts a task that went through these gates.
    pub fn pass(&mut self, gates: &[GateId]) {
        gates.iter().for_each(|gate| self.room[*gate] -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::TenantId;

    fn limit(scope: LimitScope, name: &str, most: u32, kinds: &[&str]) -> Limit {
        let kinds = kinds.iter().map(|kind| (*kind).to_owned()).collect();
        Limit { scope, name: name.to_owned(), most, kinds }
    }

    fn gates(limits: Vec<Limit>) -> Gates {
        let busy = |tenant: &str, kind: &str, tasks| (tenant.to_owned(), kind.to_owned(), tasks);
        let in_flight = InFlight(vec![busy("a", "speech", 2), busy("b", "image", 1)]);
        Gates::new(Queue::Render, limits, &[], in_flight)
    }

    #[test]
    fn the_narrowest_limit_decides_and_a_passed_task_takes_room() {
        let mut gates = gates(vec![
            limit(LimitScope::Tenant, "a", 5, &[]),
            limit(LimitScope::Kind, "speech", 3, &["speech"]),
        ]);
        let speech = gates.of("a", "speech");
        assert_eq!(gates.room(&speech), 1);
        gates.pass(&speech);
        assert_eq!(gates.room(&speech), 0);
        let image = gates.of("a", "image");
        assert_eq!(gates.room(&image), 2, "5 less 2 in flight and 1 that passed");
        let other = gates.of("b", "image");
        assert_eq!(gates.room(&other), i64::MAX);
    }

    #[test]
    fn the_default_of_tenants_counts_each_by_itself_and_not_those_with_a_limit_of_their_own() {
        let mut gates = gates(vec![
            limit(LimitScope::Tenant, EACH_TENANT, 3, &[]),
            limit(LimitScope::Tenant, "b", 9, &[]),
        ]);
        let (a, b, c) = (gates.of("a", "x"), gates.of("b", "x"), gates.of("c", "x"));
        assert_eq!((gates.room(&a), gates.room(&b), gates.room(&c)), (1, 8, 3));
    }

    #[test]
    fn a_pause_of_a_queue_closes_that_queue_alone() {
        let pauses = [Pausable::Queue(Queue::Light), Pausable::Tenant(TenantId("a".to_owned()))];
        let gates = |queue| Gates::new(queue, Vec::new(), &pauses, InFlight::default());
        assert!(gates(Queue::Light).queue_is_paused() && !gates(Queue::Render).queue_is_paused());
        assert!(gates(Queue::Render).is_paused("a") && !gates(Queue::Render).is_paused("b"));
    }
}
