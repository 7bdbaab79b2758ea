//! The Store in one SQLite file, for `spool dev`, `spool render` and tests.
//!
//! One connection writes, a few read. A write is one `BEGIN IMMEDIATE … COMMIT` on disk (`synchronous=FULL`), and its logic is Rust
//! inside that transaction: SQLite lives in this process, so a statement costs microseconds, and no lock order has to be argued
//! about where there is one writer. Callers gather their rows into batches (`crate::group`), because what costs is the commit.
//!
//! A write does what it was asked, then follows the consequences to their end (`cascade`) before it commits.

mod accept;
mod cancel;
mod cascade;
mod claim;
mod column;
mod controls;
mod dead;
mod deadlines;
mod dispatch;
mod fate;
mod fault;
mod file;
mod gates;
mod insert;
mod items;
mod job_view;
mod lease;
mod list;
mod named;
mod ready;
mod retain;
mod retry;
mod schedules;
mod settle;
mod stock;
mod sweep;
mod task_view;
mod write;

use std::{collections::HashMap, fmt, path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use common::{
    id::{BatchId, Digest, Fence, JobId, TaskId, TenantId, WorkerId},
    outcome::Settlement,
    port::{PortResult, broker::TaskMessage, clock::Clock},
    queue::Queue,
    store::{
        Accepted, Changes, Claimed, Credit, Demand, Dispatch, Dispatched, Heartbeat,
        HeartbeatReply, JobFilter, Leases, Reads, Retention, Settled, Submissions, SweepPolicy,
        Swept, Target, Upkeep, WorkerRegistration,
    },
    submission::Submission,
    view::{BatchView, ItemView, JobView, Page, TaskView},
};
use parking_lot::Mutex;
use sqlx::{Sqlite, SqliteConnection, SqlitePool, pool::PoolConnection};

use self::{dispatch::Turns, sweep::Watch, write::Write};
use crate::clock::SystemClock;

/// The store. Cheap to share behind an `Arc`.
pub struct SqliteStore {
    writer: tokio::sync::Mutex<SqliteConnection>,
    readers: SqlitePool,
    turns: Mutex<HashMap<Queue, Turns>>,
    watch: Mutex<Watch>,
    clock: Arc<dyn Clock>,
}

impl SqliteStore {
    /// Opens the file, makes it if it is not there, and brings its schema up to date.
    ///
    /// An error says in one sentence which file it is about and what to do.
    pub async fn open(path: &Path) -> PortResult<Self> {
        Self::open_with(path, Arc::new(SystemClock)).await
    }

    /// The same with a clock of the caller's: all that the store decides by time, it decides by this one.
    pub async fn open_with(path: &Path, clock: Arc<dyn Clock>) -> PortResult<Self> {
        let (writer, readers) = file::open(path).await?;
        let writer = tokio::sync::Mutex::new(writer);
        Ok(Self { writer, readers, turns: Mutex::default(), watch: Mutex::default(), clock })
    }

    /// Milliseconds since the epoch.
    fn now(&self) -> i64 {
        self.clock.now().as_millisecond()
    }

    async fn reader(&self) -> PortResult<PoolConnection<Sqlite>> {
        self.readers.acquire().await.map_err(fault::port)
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").finish_non_exhaustive()
    }
}

#[async_trait]
impl Submissions for SqliteStore {
    async fn accept(
        &self,
        submissions: Vec<Submission>,
        credit: &[Credit],
    ) -> PortResult<Accepted> {
        let mut writer = self.writer.lock().await;
        let mut write = Write::begin(&mut writer, self.now()).await?;
        let (answers, messages) = write.accept(submissions, credit).await?;
        Ok(Accepted { answers, messages, changes: write.commit().await? })
    }

    async fn cancel(&self, tenant: &TenantId, target: Target) -> PortResult<Option<Changes>> {
        let mut writer = self.writer.lock().await;
        let mut write = Write::begin(&mut writer, self.now()).await?;
        let found = write.cancel(tenant, target).await?;
        let changes = write.commit().await?;
        Ok(found.then_some(changes))
    }

    async fn retry(&self, tenant: &TenantId, target: Target) -> PortResult<Option<(u32, Changes)>> {
        let mut writer = self.writer.lock().await;
        let mut write = Write::begin(&mut writer, self.now()).await?;
        let retried = write.retry(tenant, target).await?;
        let changes = write.commit().await?;
        Ok(retried.map(|jobs| (jobs, changes)))
    }
}

#[async_trait]
impl Dispatch for SqliteStore {
    async fn dispatch(&self, queue: Queue, ahead: u32, most: u32) -> PortResult<Dispatched> {
        let turns = self.turns.lock().get(&queue).cloned().unwrap_or_default();
        let mut writer = self.writer.lock().await;
        let mut write = Write::begin(&mut writer, self.now()).await?;
        let (dispatched, turns) = write.dispatch(queue, ahead, most, turns).await?;
        write.commit().await?;
        self.turns.lock().insert(queue, turns);
        Ok(dispatched)
    }

    async fn hand_back(&self, tasks: &[TaskId]) -> PortResult<u64> {
        let mut writer = self.writer.lock().await;
        let mut write = Write::begin(&mut writer, self.now()).await?;
        let handed = write.hand_back(tasks).await?;
        write.commit().await?;
        Ok(handed)
    }

    async fn overdue(
        &self,
        queue: Queue,
        age: Duration,
        most: u32,
    ) -> PortResult<(Vec<TaskMessage>, u64)> {
        stock::overdue(&mut *self.reader().await?, queue, age, most, self.now()).await
    }

    async fn demand(&self, queue: Queue) -> PortResult<Demand> {
        stock::demand(&mut *self.reader().await?, queue, self.now()).await
    }
}

#[async_trait]
impl Leases for SqliteStore {
    async fn claim(
        &self,
        worker: WorkerId,
        tasks: &[TaskId],
        lease: Duration,
    ) -> PortResult<Vec<Option<Claimed>>> {
        let mut writer = self.writer.lock().await;
        let mut write = Write::begin(&mut writer, self.now()).await?;
        let claimed = write.claim(worker, tasks, lease).await?;
        write.commit().await?;
        Ok(claimed)
    }

    async fn heartbeat(
        &self,
        registration: &WorkerRegistration,
        heartbeats: &[Heartbeat],
        lease: Duration,
    ) -> PortResult<Vec<HeartbeatReply>> {
        let mut writer = self.writer.lock().await;
        let mut write = Write::begin(&mut writer, self.now()).await?;
        let replies = write.heartbeat(registration, heartbeats, lease).await?;
        write.commit().await?;
        Ok(replies)
    }

    async fn settle(
        &self,
        worker: WorkerId,
        settlements: Vec<Settlement>,
    ) -> PortResult<(Vec<Settled>, Changes)> {
        let mut writer = self.writer.lock().await;
        let mut write = Write::begin(&mut writer, self.now()).await?;
        let settled = write.settle(worker, settlements).await?;
        Ok((settled, write.commit().await?))
    }

    async fn release(&self, worker: WorkerId, tasks: &[(TaskId, Fence)]) -> PortResult<Changes> {
        let mut writer = self.writer.lock().await;
        let mut write = Write::begin(&mut writer, self.now()).await?;
        write.release(worker, tasks).await?;
        write.commit().await
    }
}

#[async_trait]
impl Reads for SqliteStore {
    async fn jobs(&self, tenant: &TenantId, jobs: &[JobId]) -> PortResult<Vec<Option<JobView>>> {
        let ids: Vec<_> = jobs.iter().map(|job| job.0).collect();
        let mut found = job_view::load(&mut *self.reader().await?, &ids, self.now()).await?;
        found.retain(|_, view| view.tenant == *tenant);
        Ok(ids.iter().map(|id| found.get(id).cloned()).collect())
    }

    async fn tasks(&self, tenant: &TenantId, job: JobId) -> PortResult<Option<Vec<TaskView>>> {
        task_view::of_job(&mut *self.reader().await?, tenant, job).await
    }

    async fn task(&self, tenant: &TenantId, task: TaskId) -> PortResult<Option<TaskView>> {
        task_view::one(&mut *self.reader().await?, tenant, task).await
    }

    async fn batch(&self, tenant: &TenantId, batch: BatchId) -> PortResult<Option<BatchView>> {
        items::batch(&mut *self.reader().await?, tenant, batch).await
    }

    async fn items(
        &self,
        tenant: &TenantId,
        batch: BatchId,
        from: u32,
        most: u32,
    ) -> PortResult<Option<Vec<(u32, ItemView)>>> {
        items::items(&mut *self.reader().await?, tenant, batch, from, most, self.now()).await
    }

    async fn list(
        &self,
        tenant: &TenantId,
        filter: &JobFilter,
        after: Option<JobId>,
        most: u32,
    ) -> PortResult<Page<JobView>> {
        list::list(&mut *self.reader().await?, tenant, filter, after, most, self.now()).await
    }

    async fn have_memos(&self, tenant: &TenantId, keys: &[Digest]) -> PortResult<Vec<bool>> {
        ready::remembered(&mut *self.reader().await?, tenant, keys).await
    }
}

#[async_trait]
impl Upkeep for SqliteStore {
    async fn sweep(&self, policy: SweepPolicy) -> PortResult<Swept> {
        if !self.watch.lock().awake(self.now()) {
            return Ok(Swept::default());
        }
        let mut writer = self.writer.lock().await;
        sweep::sweep(&mut writer, policy, self.now()).await
    }

    async fn retain(&self, retention: Retention) -> PortResult<u64> {
        let mut writer = self.writer.lock().await;
        let mut write = Write::begin(&mut writer, self.now()).await?;
        let removed = write.retain(retention).await?;
        write.commit().await?;
        Ok(removed)
    }

    async fn check(&self) -> PortResult<()> {
        let mut writer = self.writer.lock().await;
        file::check(&mut writer).await
    }
}
