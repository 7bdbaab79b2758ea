//! The limits and pauses that are set, the tasks that limits count, and the slots and kinds of live
//! workers.

use std::collections::BTreeMap;

use common::{
    id::TenantId,
    limits::WORKER_ALIVE,
    port::PortResult,
    queue::Queue,
    rules::{gates::InFlight, lifecycle::TaskEvent, waiting_for::Restrictions},
    store::{Limit, LimitScope, Pausable, Pause, WorkerRegistration},
};
use serde::{Deserialize, Serialize};
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow, types::Json};

use super::{
    column::{self, Columns},
    statement::transition,
};

/// All limits and pauses, with the tasks of all queues that limits count.
pub async fn all(sql: &mut SqliteConnection) -> PortResult<Restrictions> {
    let (limits, pauses) = (limits(sql).await?, pauses(sql).await?);
    let mut in_flight = InFlight::default();
    if !limits.is_empty() {
        in_flight.0 = rows!(
            sql,
            "SELECT tenant, kind, count(*) FROM (
                 SELECT tenant, kind FROM tasks
                     WHERE queue IN ('render', 'generate', 'light') AND state = 'queued'
                 UNION ALL SELECT tenant, kind FROM tasks
                     WHERE queue IN ('render', 'generate', 'light') AND state = 'running')
             GROUP BY tenant, kind"
        )?;
    }
    let pauses = pauses.into_iter().map(|pause| pause.target).collect();
    Ok(Restrictions { limits, pauses, in_flight })
}

/// All limits, by scope and name.
pub async fn limits(sql: &mut SqliteConnection) -> PortResult<Vec<Limit>> {
    let limit = |row: SqliteRow| {
        Ok(Limit {
            scope: row.spelled("scope", LimitScope::parse)?,
            name: row.try_get("name")?,
            most: row.try_get("most")?,
            // One that can't be read limits all kinds.
            kinds: row.json("kinds").ok().flatten().unwrap_or_default(),
        })
    };
    rows!(sql, "SELECT scope, name, most, kinds FROM limits ORDER BY scope, name"; => limit)
}

/// All pauses, queues first.
pub async fn pauses(sql: &mut SqliteConnection) -> PortResult<Vec<Pause>> {
    rows!(sql, "SELECT scope, name, since, paused_by FROM pauses ORDER BY scope, name"; => pause)
}

fn pause(row: SqliteRow) -> sqlx::Result<Pause> {
    let target = match row.try_get("scope")? {
        "queue" => Pausable::Queue(row.spelled("name", Queue::parse)?),
        _ => Pausable::Tenant(TenantId(row.try_get("name")?)),
    };
    Ok(Pause { target, since: row.time("since")?, by: row.try_get("paused_by")? })
}

/// Returns queued tasks to `ready` if their queue or tenant is paused.
pub async fn return_paused(sql: &mut SqliteConnection, queue: Queue) -> PortResult<()> {
    let statement = transition(
        TaskEvent::HandBack,
        "UPDATE tasks SET state = {to}, queued_at = NULL
         WHERE queue = ?1 AND {from} AND EXISTS (SELECT 1 FROM pauses
             WHERE (scope = 'queue' AND name = ?1) OR (scope = 'tenant' AND name = tasks.tenant))",
    );
    execute!(sql, statement; queue.as_str()).map(drop)
}

/// Slots of live workers by queue.
pub async fn slots(sql: &mut SqliteConnection, now: i64) -> PortResult<BTreeMap<Queue, i64>> {
    let rows: Vec<(String, i64)> = rows!(sql,
        "SELECT queue, sum(slots) FROM worker_slots JOIN workers ON workers.id = worker_slots.worker
         WHERE heartbeat_at > ? AND NOT draining GROUP BY queue";
        now - column::millis(WORKER_ALIVE))?;
    rows.into_iter().map(|(queue, slots)| Ok((column::queue(&queue)?, slots))).collect()
}

/// The kinds that a worker runs, each with the newest version that it knows. If there is none, it
/// runs any.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct WorkerKinds(BTreeMap<String, u32>);

impl WorkerKinds {
    /// The kinds of a registration that has some.
    pub fn of(registration: &WorkerRegistration) -> Option<Self> {
        let kinds = &registration.kinds;
        (!kinds.is_empty()).then(|| Self(kinds.iter().cloned().collect()))
    }

    /// Returns whether the worker can run a task of a kind and version.
    pub fn knows(&self, kind: &str, version: u32) -> bool {
        self.0.is_empty() || self.0.get(kind).is_some_and(|known| *known >= version)
    }
}

/// The kinds of the live workers of each queue.
#[derive(Debug, Default)]
pub struct LiveKinds(BTreeMap<Queue, Vec<WorkerKinds>>);

impl LiveKinds {
    /// Returns whether a live worker can run a task of a kind and version.
    pub fn has_worker(&self, queue: Queue, kind: &str, version: u32) -> bool {
        self.of(queue).iter().any(|kinds| kinds.knows(kind, version))
    }

    /// Returns whether the queue has workers, and none of them can run the task.
    pub fn none_can(&self, queue: Queue, kind: &str, version: u32) -> bool {
        !self.of(queue).is_empty() && !self.has_worker(queue, kind, version)
    }

    fn of(&self, queue: Queue) -> &[WorkerKinds] {
        self.0.get(&queue).map_or(&[], Vec::as_slice)
    }
}

/// Reads the kinds of live workers.
pub async fn live_kinds(sql: &mut SqliteConnection, now: i64) -> PortResult<LiveKinds> {
    let rows: Vec<(String, Option<Json<WorkerKinds>>)> = rows!(sql,
        "SELECT queue, kinds FROM worker_slots JOIN workers ON workers.id = worker_slots.worker
         WHERE slots > 0 AND heartbeat_at > ? AND NOT draining";
        now - column::millis(WORKER_ALIVE))?;
    let mut live = LiveKinds::default();
    for (queue, kinds) in rows {
        let kinds = kinds.map(|Json(kinds)| kinds).unwrap_or_default();
        live.0.entry(column::queue(&queue)?).or_default().push(kinds);
    }
    Ok(live)
}
