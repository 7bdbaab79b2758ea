//! Leases that ran out.

use common::{
    id::WorkerId,
    limits::{LEASE, SWEEP_EVERY},
    port::PortResult,
    queue::Queue,
    rules::lifecycle::TaskState,
    store::{SweepPolicy, Swept},
};
use sqlx::SqliteConnection;
use uuid::Uuid;

use super::{
    cascade::{Ended, EndedRow},
    column, deadlines,
    fault::port,
    lease::BackRow,
    write::Write,
};
use crate::store::reason;

/// Notices that this process was stopped for a while (a laptop's lid, `SIGSTOP`): then its workers could not heartbeat either, and for one
/// lease length nothing is judged.
#[derive(Debug, Default)]
pub struct Watch {
    last: Option<i64>,
    spare_until: i64,
}

impl Watch {
    /// Whether leases may be judged at `now`, in milliseconds.
    pub fn awake(&mut self, now: i64) -> bool {
        let pause = column::millis(LEASE / 2 + SWEEP_EVERY);
        if self.last.is_some_and(|last| now - last > pause) {
            self.spare_until = now + column::millis(LEASE);
        }
        self.last = Some(now);
        now >= self.spare_until
    }
}

/// A lease that ran out, with what its task's chain of errors is made of.
#[derive(sqlx::FromRow)]
struct Lost {
    losses: i64,
    attempt: i64,
    worker: Uuid,
    errors: Option<String>,
}

/// Judges expired leases, and tasks whose job did not start in time, each in a write of its own: one that can't be judged is logged and stops none of the rest.
pub async fn sweep(
    writer: &mut SqliteConnection,
    policy: SweepPolicy,
    now: i64,
) -> PortResult<Swept> {
    let mut swept = Swept::default();
    for task in expired(writer, policy.most, now).await? {
        match sweep_one(writer, task, policy, now).await {
            Ok(one) => add(&mut swept, one),
            Err(error) if error.is_transient() => return Err(error),
            Err(error) => tracing::error!(%task, %error, "an expired lease can't be judged"),
        }
    }
    for task in deadlines::overdue(writer, policy.most, now).await? {
        match deadlines::expire(writer, task, now).await {
            Ok(one) => add(&mut swept, one),
            Err(error) if error.is_transient() => return Err(error),
            Err(error) => {
                tracing::error!(%task, %error, "a task that did not start in time can't be failed")
            }
        }
    }
    Ok(swept)
}

async fn expired(reader: &mut SqliteConnection, most: u32, now: i64) -> PortResult<Vec<Uuid>> {
    let mut tasks = Vec::new();
    for queue in Queue::ALL {
        let found: Vec<Uuid> = sqlx::query_scalar(
            "SELECT id FROM tasks WHERE queue = ? AND state = 'running' AND lease_until <= ? ORDER BY lease_until LIMIT ?",
        )
        .bind(queue.as_str())
        .bind(now)
        .bind(most)
        .fetch_all(&mut *reader)
        .await
        .map_err(port)?;
        tasks.extend(found);
    }
    Ok(tasks)
}

async fn sweep_one(
    writer: &mut SqliteConnection,
    task: Uuid,
    policy: SweepPolicy,
    now: i64,
) -> PortResult<Swept> {
    let mut write = Write::begin(writer, now).await?;
    let quarantined = write.lose(task, policy.quarantine_after).await?;
    let changes = write.commit().await?;
    Ok(match quarantined {
        None => Swept::default(),
        Some(true) => Swept { quarantined: 1, changes, ..Swept::default() },
        Some(false) => Swept { lost: 1, changes, ..Swept::default() },
    })
}

fn add(swept: &mut Swept, other: Swept) {
    swept.lost += other.lost;
    swept.quarantined += other.quarantined;
    swept.expired += other.expired;
    let changes = &mut swept.changes;
    // A job's later view is the newer one.
    changes.views.retain(|view| other.changes.views.iter().all(|newer| newer.id != view.id));
    changes.views.extend(other.changes.views);
    changes.stopping.extend(other.changes.stopping);
    changes.readied.extend(other.changes.readied);
    changes.readied.sort_unstable();
    changes.readied.dedup();
}

impl Write<'_> {
    /// Counts a loss if the lease is still expired. `Some(true)`: once too often.
    async fn lose(&mut self, task: Uuid, quarantine_after: u16) -> PortResult<Option<bool>> {
        let lost: Option<Lost> = sqlx::query_as(
            "SELECT losses + 1 AS losses, attempt, worker, errors FROM tasks
             WHERE id = ? AND state = 'running' AND lease_until <= ?",
        )
        .bind(task)
        .bind(self.now)
        .fetch_optional(self.sql())
        .await
        .map_err(port)?;
        let Some(lost) = lost else { return Ok(None) };
        let losses = lost.losses;
        if losses >= i64::from(quarantine_after) {
            self.quarantine(task, lost).await?;
            return Ok(Some(true));
        }
        let row: BackRow = sqlx::query_as(
            "UPDATE tasks SET state = 'ready', losses = ?, attempt = attempt - 1, lease_until = NULL, progress = NULL,
                 run_at = ?
             WHERE id = ?
             RETURNING queue, cancel_requested, id, job, tenant, name, kind, key, needed",
        )
        .bind(losses)
        .bind(self.now)
        .bind(task)
        .fetch_one(self.sql())
        .await
        .map_err(port)?;
        self.settle_back(row).await?;
        Ok(Some(false))
    }

    async fn quarantine(&mut self, task: Uuid, lost: Lost) -> PortResult<()> {
        let error = reason::poison(lost.losses);
        let errors = self.chained(
            lost.errors.as_deref(),
            lost.attempt,
            Some(WorkerId(lost.worker)),
            &error,
        )?;
        let row: EndedRow = sqlx::query_as(
            "UPDATE tasks SET state = 'failed', losses = ?, error = ?, errors = ?, lease_until = NULL, finished_at = ? WHERE id = ?
             RETURNING id, job, tenant, name, kind, key, needed",
        )
        .bind(lost.losses)
        .bind(column::text(&error)?)
        .bind(errors)
        .bind(self.now)
        .bind(task)
        .fetch_one(self.sql())
        .await
        .map_err(port)?;
        self.ended.push_back(Ended { task: row, state: TaskState::Failed, cached: false });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicI64, Ordering},
        },
        time::Duration,
    };

    use common::{
        id::{JobId, TaskId, TenantId},
        plan::{NewTask, Overrides},
        port::clock::Clock,
        store::{Dispatch, Leases, Submissions, Upkeep},
        submission::{NewJob, Priority, Submission, Work},
    };
    use jiff::Timestamp;
    use serde_json::json;
    use tempfile::TempDir;

    use super::{super::SqliteStore, *};

    const POLICY: SweepPolicy = SweepPolicy { quarantine_after: 5, most: 10 };

    /// A clock that goes when it is told to, in milliseconds.
    struct Dial(AtomicI64);

    impl Clock for Dial {
        fn now(&self) -> Timestamp {
            Timestamp::from_millisecond(self.0.load(Ordering::SeqCst)).expect("a time")
        }
    }

    fn job(task: TaskId) -> NewJob {
        let input = json!({"value": 1});
        let task = NewTask {
            id: task,
            name: "only".into(),
            kind: "echo".into(),
            kind_version: 1,
            queue: Queue::Light,
            needs: Vec::new(),
            result: true,
            input_key: None,
            input: input.clone(),
            timeout: Duration::from_secs(60),
            max_attempts: 3,
        };
        NewJob {
            id: JobId::new(),
            kind: "echo".into(),
            input,
            priority: Priority::default(),
            run_at: None,
            queue_timeout: None,
            tags: Vec::new(),
            metadata: None,
            overrides: Overrides::default(),
            tasks: vec![task],
            trace: None,
        }
    }

    /// A store with one task that runs since its clock's zero, under a lease of the usual length.
    async fn with_one_running(folder: &TempDir) -> (SqliteStore, Arc<Dial>, TaskId) {
        let (clock, task) = (Arc::new(Dial(AtomicI64::new(0))), TaskId::new());
        let store = SqliteStore::open_with(&folder.path().join("spool.db"), clock.clone())
            .await
            .expect("the store does it");
        let work = Work::Job(job(task));
        store
            .accept(vec![Submission { tenant: TenantId::default(), idempotency: None, work }], &[])
            .await
            .expect("the store does it");
        store.dispatch(Queue::Light, 10, 10).await.expect("the store does it");
        assert!(
            store.claim(WorkerId::new(), &[task], LEASE).await.expect("the store does it")[0]
                .is_some()
        );
        (store, clock, task)
    }

    #[test]
    fn a_pause_of_the_process_spares_every_lease_for_one_length() {
        let mut watch = Watch::default();
        assert!(watch.awake(0) && watch.awake(1_000) && watch.awake(2_000));
        assert!(!watch.awake(60_000), "it slept for a minute");
        assert!(!watch.awake(65_000));
        assert!(watch.awake(70_000));
    }

    #[tokio::test]
    async fn a_sweep_after_a_pause_of_the_process_judges_nothing_at_first() {
        let folder = TempDir::new().expect("a folder");
        let (store, clock, _) = with_one_running(&folder).await;
        let lost_at = async |now| {
            clock.0.store(now, Ordering::SeqCst);
            store.sweep(POLICY).await.expect("the store does it").lost
        };
        assert_eq!((lost_at(0).await, lost_at(60_000).await, lost_at(65_000).await), (0, 0, 0));
        assert_eq!(lost_at(70_000).await, 1, "and then what still does not heartbeat");
    }

    #[tokio::test]
    async fn a_lease_is_judged_as_it_is_and_not_as_it_was_when_it_was_found_expired() {
        let folder = TempDir::new().expect("a folder");
        let (store, _, task) = with_one_running(&folder).await;
        let mut writer = store.writer.lock().await;
        let end = column::millis(LEASE);
        let early =
            sweep_one(&mut writer, task.0, POLICY, end - 1).await.expect("the store does it");
        assert_eq!(early, Swept::default(), "it was renewed meanwhile");
        assert_eq!(
            sweep_one(&mut writer, task.0, POLICY, end).await.expect("the store does it").lost,
            1
        );
        let again = sweep_one(&mut writer, task.0, POLICY, end).await.expect("the store does it");
        assert_eq!(again, Swept::default(), "it was judged meanwhile");
    }
}
