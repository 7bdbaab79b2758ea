//! Follows up what a committed write caused in other jobs.
//!
//! A settle writes what happens within its jobs. Its effects on other jobs (tasks that wait for
//! this one's output, the rest of a batch that stops at its first failure) are statements of their
//! own right after it. So no statement ever needs locks that it could not name when it began, and
//! none can be one half of a deadlock. If this process dies in between, the sweep continues from
//! what the first statement left (`spool.unfinished_work`).

use std::collections::BTreeSet;

use common::{
    id::{Digest, TaskId, TenantId},
    port::PortResult,
    queue::Queue,
    store::Changes,
};
use uuid::Uuid;

use super::{
    PgStore,
    column::{self, Cells},
};

/// Keys in one decision: each is a lock until it commits.
const KEYS_AT_ONCE: usize = 100;
/// Rounds until the rest is left to the sweep. Each round settles at least one task, so this bounds
/// bugs and not work.
const ROUNDS: usize = 1_000;

/// A `spool.effects`: what a write changed, and what is to be done after its commit.
#[derive(Debug, Default)]
pub struct Effects {
    pub jobs: BTreeSet<Uuid>,
    pub ready_queues: BTreeSet<Queue>,
    pub tasks_to_stop: BTreeSet<TaskId>,
    pub keys: BTreeSet<(String, Vec<u8>)>,
    pub batches_to_stop: BTreeSet<Uuid>,
    pub jobs_to_repeat: Vec<Uuid>,
}

impl Effects {
    /// Reads the cells of a `spool.effects`.
    pub fn read(cells: &mut Cells<'_>) -> PortResult<Self> {
        Ok(Self {
            jobs: cells.list()?.into_iter().collect(),
            ready_queues: cells.queues()?,
            tasks_to_stop: cells.list()?.into_iter().map(TaskId).collect(),
            keys: cells.keys()?.collect(),
            batches_to_stop: cells.list()?.into_iter().collect(),
            jobs_to_repeat: cells.list()?,
        })
    }

    /// Notes that a key needs a decision.
    pub fn decide(&mut self, tenant: &TenantId, key: Digest) {
        self.keys.insert((tenant.0.clone(), column::bytes(key)));
    }

    /// Adds the effects of another write.
    pub fn add(&mut self, other: Self) {
        self.jobs.extend(other.jobs);
        self.ready_queues.extend(other.ready_queues);
        self.tasks_to_stop.extend(other.tasks_to_stop);
        self.keys.extend(other.keys);
        self.batches_to_stop.extend(other.batches_to_stop);
        self.jobs_to_repeat.extend(other.jobs_to_repeat);
    }
}

impl PgStore {
    /// Carries out all effects of a committed write, and returns what changed. It never fails: the
    /// write is committed, and effects that can't be carried out now are left to the sweep.
    pub(super) async fn follow(&self, mut effects: Effects) -> Changes {
        for _ in 0..ROUNDS {
            match self.follow_once(&mut effects).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    tracing::warn!(%error, "the effects of a write are left to the sweep");
                    break;
                }
            }
        }
        self.read_changes(effects).await
    }

    /// Carries out one effect, and returns whether there was one.
    async fn follow_once(&self, effects: &mut Effects) -> PortResult<bool> {
        let keys: Vec<_> = effects.keys.iter().take(KEYS_AT_ONCE).cloned().collect();
        if !keys.is_empty() {
            effects.keys.retain(|key| !keys.contains(key));
            let more = self.elect(keys).await?;
            effects.add(more);
            return Ok(true);
        }
        if let Some(batch) = effects.batches_to_stop.pop_first() {
            let more = self.cancel_rest(batch).await?;
            effects.add(more);
            return Ok(true);
        }
        Ok(false)
    }

    async fn elect(&self, keys: Vec<(String, Vec<u8>)>) -> PortResult<Effects> {
        let (tenants, keys): (Vec<String>, Vec<Vec<u8>>) = keys.into_iter().unzip();
        let query = sqlx::query("SELECT e.* FROM spool.elect($1, $2) e").bind(tenants).bind(keys);
        let row = self.work(query.fetch_one(&self.work)).await?;
        Effects::read(&mut Cells::of(&row))
    }

    async fn read_changes(&self, effects: Effects) -> Changes {
        let jobs: Vec<Uuid> = effects.jobs.into_iter().collect();
        let views = match self.views(None, &jobs).await {
            Ok(views) => views.into_values().collect(),
            Err(error) => {
                tracing::warn!(%error, jobs = jobs.len(), "changed jobs can't be read back");
                Vec::new()
            }
        };
        Changes {
            views,
            readied: effects.ready_queues.into_iter().collect(),
            stopping: effects.tasks_to_stop.into_iter().collect(),
        }
    }
}
