//! The part of the store that sweepers use.

use async_trait::async_trait;
use common::{
    id::WorkerId,
    limits::WORKER_KEPT,
    port::PortResult,
    rules::{decide::lease_expired, lifecycle::TaskEvent},
    store::{Retention, SweepPolicy, Swept, Upkeep},
};
use uuid::Uuid;

use super::{
    SqliteStore,
    cascade::commit,
    column, migrate,
    tasks::{fail, make_ready},
    transaction::Transaction,
};
use crate::store::reason;

#[async_trait]
impl Upkeep for SqliteStore {
    /// Each lease and each deadline is a write of its own. One that fails for good is logged and
    /// stops none of the rest.
    async fn sweep(&self, policy: SweepPolicy) -> PortResult<Swept> {
        let mut swept = Swept::default();
        if !self.suspension.lock().is_awake(self.now()) {
            return Ok(swept);
        }
        for task in self.expired_leases(policy.most).await? {
            add(&mut swept, task, self.sweep_lease(task, policy).await)?;
        }
        let overdue: Vec<Uuid> = values!(&self.readers,
            "SELECT task FROM deadlines WHERE due_at <= ? ORDER BY due_at LIMIT ?";
            self.now(), policy.most)?;
        for task in overdue {
            add(&mut swept, task, self.sweep_deadline(task).await)?;
        }
        Ok(swept)
    }

    async fn retain(&self, retention: Retention) -> PortResult<u64> {
        let mut tx = self.write().await?;
        let before = |age| tx.now - column::millis(age);
        let (jobs, memos, workers) =
            (before(retention.jobs), before(retention.memos), before(WORKER_KEPT));
        let most = retention.most;
        let mut removed = remove_jobs(&mut tx, jobs, most).await?;
        removed += remove_batches(&mut tx, jobs, most).await?;
        removed += execute!(tx.sql(),
            "DELETE FROM memos WHERE (tenant, key) IN
                 (SELECT tenant, key FROM memos WHERE used_at < ? ORDER BY used_at LIMIT ?)";
            memos, most)?;
        removed += execute!(tx.sql(),
            "DELETE FROM idempotency_keys WHERE (tenant, key) IN
                 (SELECT tenant, key FROM idempotency_keys WHERE expires_at < ?
                  ORDER BY expires_at LIMIT ?)";
            tx.now, most)?;
        removed += execute!(tx.sql(),
            "DELETE FROM workers WHERE id IN
                 (SELECT id FROM workers WHERE heartbeat_at < ? LIMIT ?)";
            workers, most)?;
        tx.end().await?;
        Ok(removed)
    }

    async fn check(&self) -> PortResult<()> {
        let mut tx = self.write().await?;
        execute!(tx.sql(), "UPDATE schema_major SET major = major")?;
        migrate::check(tx.sql()).await
    }
}

impl SqliteStore {
    /// Tasks whose lease has expired, longest expired first.
    async fn expired_leases(&self, most: u32) -> PortResult<Vec<Uuid>> {
        values!(&self.readers,
            "SELECT id FROM tasks WHERE queue IN ('render', 'generate', 'light')
                 AND state = 'running' AND lease_until <= ?
             ORDER BY lease_until LIMIT ?";
            self.now(), most)
    }

    /// Counts a loss if the lease is still expired.
    async fn sweep_lease(&self, task: Uuid, policy: SweepPolicy) -> PortResult<Swept> {
        let mut tx = self.write().await?;
        let lease: Option<(u16, u16, Uuid)> = maybe_row!(tx.sql(),
            "UPDATE tasks SET losses = losses + 1
             WHERE id = ? AND state = 'running' AND lease_until <= ?
             RETURNING losses, attempt, worker";
            task, tx.now)?;
        let Some((losses, attempt, worker)) = lease else { return Ok(Swept::default()) };
        let event = lease_expired(losses, policy.quarantine_after);
        if event == TaskEvent::Quarantine {
            let error = reason::poison(i64::from(losses));
            fail(&mut tx, task, event, attempt, Some(WorkerId(worker)), &error).await?;
        } else {
            let now = tx.now;
            make_ready(&mut tx, task, event, now).await?;
        }
        let quarantined = u32::from(event == TaskEvent::Quarantine);
        let changes = commit(tx).await?;
        Ok(Swept { lost: 1 - quarantined, quarantined, changes, ..Swept::default() })
    }

    /// Removes a deadline, and fails its task if nothing of the job has started.
    async fn sweep_deadline(&self, task: Uuid) -> PortResult<Swept> {
        let mut tx = self.write().await?;
        let deadline: Option<(i64, bool)> = maybe_row!(tx.sql(),
            "DELETE FROM deadlines WHERE task = ? RETURNING allowed_ms,
                 EXISTS (SELECT 1 FROM tasks JOIN jobs ON jobs.id = tasks.job
                     WHERE tasks.id = task AND fence = 0 AND jobs.status = 'queued')";
            task)?;
        let expired = match deadline {
            Some((allowed, true)) => {
                let error = reason::expired(allowed);
                fail(&mut tx, task, TaskEvent::Expire, 0, None, &error).await?
            }
            _ => false,
        };
        let changes = commit(tx).await?;
        Ok(Swept { expired: u32::from(expired), changes, ..Swept::default() })
    }
}

/// Adds the sweep of one task. An error that may go away ends the whole sweep.
fn add(swept: &mut Swept, task: Uuid, one: PortResult<Swept>) -> PortResult<()> {
    let one = match one {
        Err(error) if !error.is_transient() => {
            tracing::error!(%task, %error, "a task can't be swept");
            return Ok(());
        }
        one => one?,
    };
    swept.lost += one.lost;
    swept.quarantined += one.quarantined;
    swept.expired += one.expired;
    swept.changes.merge(one.changes);
    Ok(())
}

/// Removes jobs that ended before `before`. A batch's jobs go when the batch has been settled for
/// as long, so its results are complete while they are there.
async fn remove_jobs(tx: &mut Transaction, before: i64, most: u32) -> PortResult<u64> {
    let old: Vec<Uuid> = values!(tx.sql(),
        "SELECT jobs.id FROM jobs LEFT JOIN batches ON batches.id = jobs.batch
         WHERE jobs.finished_at < ?1 AND jobs.finished_at IS NOT NULL
             AND (jobs.batch IS NULL OR batches.settled_at < ?1)
         ORDER BY jobs.finished_at LIMIT ?2";
        before, most)?;
    let ids = column::id_list(&old);
    for statement in [
        "DELETE FROM job_tags WHERE (tenant, tag, job) IN
             (SELECT jobs.tenant, tag.value, jobs.id FROM jobs, json_each(jobs.tags) AS tag
              WHERE jobs.id IN (SELECT unhex(value) FROM json_each(?)))",
        "DELETE FROM edges WHERE task IN
             (SELECT id FROM tasks WHERE job IN (SELECT unhex(value) FROM json_each(?)))",
        "DELETE FROM inputs WHERE owner IN
             (SELECT id FROM tasks WHERE job IN (SELECT unhex(value) FROM json_each(?)))",
        "DELETE FROM inputs WHERE owner IN (SELECT unhex(value) FROM json_each(?))",
        "DELETE FROM unique_jobs WHERE job IN (SELECT unhex(value) FROM json_each(?))",
        "DELETE FROM tasks WHERE job IN (SELECT unhex(value) FROM json_each(?))",
        "DELETE FROM jobs WHERE id IN (SELECT unhex(value) FROM json_each(?))",
    ] {
        execute!(tx.sql(), statement; &ids)?;
    }
    Ok(old.len() as u64)
}

async fn remove_batches(tx: &mut Transaction, before: i64, most: u32) -> PortResult<u64> {
    let old: Vec<Uuid> = values!(tx.sql(),
        "SELECT id FROM batches WHERE settled_at IS NOT NULL AND settled_at < ?
             AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.batch = batches.id) LIMIT ?";
        before, most)?;
    let ids = column::id_list(&old);
    for statement in [
        "DELETE FROM refused_items WHERE batch IN (SELECT unhex(value) FROM json_each(?))",
        "DELETE FROM batches WHERE id IN (SELECT unhex(value) FROM json_each(?))",
    ] {
        execute!(tx.sql(), statement; &ids)?;
    }
    Ok(old.len() as u64)
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
        queue::Queue,
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
            unique: None,
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
        let (store, clock, task) = with_one_running(&folder).await;
        let end = column::millis(LEASE);
        let swept_at = async |now| {
            clock.0.store(now, Ordering::SeqCst);
            store.sweep_lease(task.0, POLICY).await.expect("the store answers")
        };
        assert_eq!(swept_at(end - 1).await, Swept::default(), "it was renewed meanwhile");
        assert_eq!(swept_at(end).await.lost, 1);
        assert_eq!(swept_at(end).await, Swept::default(), "it was expired meanwhile");
    }

    #[tokio::test]
    async fn a_clock_that_is_set_back_holds_neither_ready_tasks_nor_leases() {
        let folder = TempDir::new().expect("a folder");
        let (store, clock, running) = with_one_running(&folder).await;
        const HOUR: i64 = 3_600_000;
        clock.0.store(HOUR, Ordering::SeqCst);
        let (due, later) = (TaskId::new(), TaskId::new());
        let mut jobs = [job(due), job(later)];
        jobs[1].run_at = Some(Timestamp::from_millisecond(2 * HOUR).expect("a time"));
        for job in jobs {
            let work = Work::Job(job);
            let submission = Submission { tenant: TenantId::default(), idempotency: None, work };
            store.accept(vec![submission], &[]).await.expect("the store answers");
        }
        execute!(&store.writer, "UPDATE tasks SET lease_until = ? WHERE id = ?";
            HOUR + column::millis(LEASE), running.0)
        .expect("the store answers");

        clock.0.store(60_000, Ordering::SeqCst);
        let sent = store.dispatch(Queue::Light, 10, 10).await.expect("the store answers").messages;
        assert_eq!(sent.iter().map(|message| message.task).collect::<Vec<_>>(), [due]);
        let lost_at = async |now| {
            clock.0.store(now, Ordering::SeqCst);
            store.sweep(POLICY).await.expect("the store answers").lost
        };
        let end = 60_000 + column::millis(LEASE);
        assert_eq!((lost_at(end - 4_000).await, lost_at(end).await), (0, 1));
        let left: i64 = value!(&store.writer, "SELECT run_at FROM tasks WHERE id = ?"; later.0)
            .expect("the store answers");
        assert_eq!(left, 2 * HOUR, "a time that the caller chose stays");
    }

    #[tokio::test]
    async fn the_next_process_ends_the_leases_of_the_one_before_whatever_the_clock_shows() {
        let folder = TempDir::new().expect("a folder");
        let (store, clock, _) = with_one_running(&folder).await;
        drop(store);
        clock.0.store(-3_600_000, Ordering::SeqCst);
        let store = SqliteStore::open_with(&folder.path().join("spool.db"), clock.clone())
            .await
            .expect("the store answers");
        store.end_leases().await.expect("the store answers");
        assert_eq!(store.sweep(POLICY).await.expect("the store answers").lost, 1);
    }
}
