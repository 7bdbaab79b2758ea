//! Expired leases, and jobs that did not start in time.

use common::{
    id::WorkerId,
    port::PortResult,
    queue::Queue,
    rules::{cascade::Origin, decide::lease_expired, lifecycle::TaskEvent},
    store::{SweepPolicy, Swept},
};
use sqlx::SqliteConnection;
use uuid::Uuid;

use super::{
    attempts::{ReadyAgain, append_error, follow_ready_again},
    cascade::commit,
    column, deadlines,
    statement::transition,
    transaction::WriteTransaction,
    worklist::EndedRow,
};
use crate::store::reason;

/// An expired lease, with the columns that its task's chain of errors needs.
#[derive(sqlx::FromRow)]
struct ExpiredLease {
    losses: i64,
    attempt: i64,
    worker: Uuid,
    errors: Option<String>,
}

/// Settles expired leases and overdue starts, each in a write of its own. One that fails for good is
/// logged and stops none of the rest.
pub async fn sweep(
    writer: &mut SqliteConnection,
    policy: SweepPolicy,
    now: i64,
) -> PortResult<Swept> {
    let mut swept = Swept::default();
    for task in expired(writer, policy.most, now).await? {
        match sweep_lease(writer, task, policy, now).await {
            Ok(one) => add(&mut swept, one),
            Err(error) if error.is_transient() => return Err(error),
            Err(error) => tracing::error!(%task, %error, "an expired lease can't be settled"),
        }
    }
    for task in deadlines::passed(writer, policy.most, now).await? {
        match sweep_deadline(writer, task, now).await {
            Ok(one) => add(&mut swept, one),
            Err(error) if error.is_transient() => return Err(error),
            Err(error) => {
                tracing::error!(%task, %error, "a task that did not start in time can't be failed")
            }
        }
    }
    Ok(swept)
}

async fn expired(sql: &mut SqliteConnection, most: u32, now: i64) -> PortResult<Vec<Uuid>> {
    let mut tasks = Vec::new();
    for queue in Queue::ALL {
        let found: Vec<Uuid> = values!(&mut *sql,
            "SELECT id FROM tasks WHERE queue = ? AND state = 'running' AND lease_until <= ?
             ORDER BY lease_until LIMIT ?";
            queue.as_str(), now, most)?;
        tasks.extend(found);
    }
    Ok(tasks)
}

async fn sweep_lease(
    writer: &mut SqliteConnection,
    task: Uuid,
    policy: SweepPolicy,
    now: i64,
) -> PortResult<Swept> {
    let mut tx = WriteTransaction::begin(writer, now).await?;
    let event = expire_lease(&mut tx, task, policy.quarantine_after).await?;
    let changes = commit(tx).await?;
    Ok(match event {
        None => Swept::default(),
        Some(TaskEvent::Quarantine) => Swept { quarantined: 1, changes, ..Swept::default() },
        Some(_) => Swept { lost: 1, changes, ..Swept::default() },
    })
}

async fn sweep_deadline(writer: &mut SqliteConnection, task: Uuid, now: i64) -> PortResult<Swept> {
    let mut tx = WriteTransaction::begin(writer, now).await?;
    let failed = deadlines::fail_overdue_start(&mut tx, task).await?;
    let changes = commit(tx).await?;
    Ok(Swept { expired: u32::from(failed), changes, ..Swept::default() })
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

/// Counts a loss if the lease is still expired. Returns the event that followed.
async fn expire_lease(
    tx: &mut WriteTransaction<'_>,
    task: Uuid,
    quarantine_after: u16,
) -> PortResult<Option<TaskEvent>> {
    let now = tx.now;
    let lease: Option<ExpiredLease> = maybe_row!(tx.sql(),
        "SELECT losses + 1 AS losses, attempt, worker, errors FROM tasks
         WHERE id = ? AND state = 'running' AND lease_until <= ?";
        task, now)?;
    let Some(lease) = lease else { return Ok(None) };
    let losses = column::number("tasks.losses", lease.losses)?;
    let event = lease_expired(losses, quarantine_after);
    match event {
        TaskEvent::Quarantine => quarantine(tx, task, lease).await?,
        _ => lose(tx, task, lease).await?,
    }
    Ok(Some(event))
}

async fn lose(tx: &mut WriteTransaction<'_>, task: Uuid, lease: ExpiredLease) -> PortResult<()> {
    let statement = transition(
        TaskEvent::Lose,
        "UPDATE tasks SET state = {to}, losses = ?, attempt = attempt - 1, lease_until = NULL,
             progress = NULL, run_at = ?
         WHERE id = ? AND {from}
         RETURNING queue, cancel_requested, id, job, tenant, name, kind, key, needed",
    );
    let now = tx.now;
    let row: ReadyAgain = row!(tx.sql(), statement; lease.losses, now, task)?;
    follow_ready_again(tx, row).await
}

async fn quarantine(
    tx: &mut WriteTransaction<'_>,
    task: Uuid,
    lease: ExpiredLease,
) -> PortResult<()> {
    let (error, now, worker) = (reason::poison(lease.losses), tx.now, WorkerId(lease.worker));
    let errors = append_error(lease.errors.as_deref(), lease.attempt, Some(worker), &error, now)?;
    let statement = transition(
        TaskEvent::Quarantine,
        "UPDATE tasks SET state = {to}, losses = ?, error = ?, errors = ?, lease_until = NULL,
             finished_at = ?
         WHERE id = ? AND {from} RETURNING id, job, tenant, name, kind, key, needed",
    );
    let row: EndedRow =
        row!(tx.sql(), statement; lease.losses, column::text(&error)?, errors, now, task)?;
    tx.work.add(row, TaskEvent::Quarantine, Origin::Own);
    Ok(())
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
        limits::LEASE,
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

    /// A clock that a test sets, in milliseconds.
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
            .expect("the store answers");
        let work = Work::Job(job(task));
        store
            .accept(vec![Submission { tenant: TenantId::default(), idempotency: None, work }], &[])
            .await
            .expect("the store answers");
        store.dispatch(Queue::Light, 10, 10).await.expect("the store answers");
        assert!(
            store.claim(WorkerId::new(), &[task], LEASE).await.expect("the store answers")[0]
                .is_some()
        );
        (store, clock, task)
    }

    #[tokio::test]
    async fn a_sweep_after_a_suspension_of_the_process_expires_no_lease_at_first() {
        let folder = TempDir::new().expect("a folder");
        let (store, clock, _) = with_one_running(&folder).await;
        let lost_at = async |now| {
            clock.0.store(now, Ordering::SeqCst);
            store.sweep(POLICY).await.expect("the store answers").lost
        };
        assert_eq!((lost_at(0).await, lost_at(60_000).await, lost_at(65_000).await), (0, 0, 0));
        assert_eq!(lost_at(70_000).await, 1, "then a lease that is still not renewed");
    }

    #[tokio::test]
    async fn a_lease_is_expired_as_it_is_and_not_as_it_was_when_it_was_found() {
        let folder = TempDir::new().expect("a folder");
        let (store, _, task) = with_one_running(&folder).await;
        let mut writer = store.writer.lock().await;
        let end = column::millis(LEASE);
        let early =
            sweep_lease(&mut writer, task.0, POLICY, end - 1).await.expect("the store answers");
        assert_eq!(early, Swept::default(), "it was renewed meanwhile");
        assert_eq!(
            sweep_lease(&mut writer, task.0, POLICY, end).await.expect("the store answers").lost,
            1
        );
        let again = sweep_lease(&mut writer, task.0, POLICY, end).await.expect("the store answers");
        assert_eq!(again, Swept::default(), "it was expired meanwhile");
    }
}
