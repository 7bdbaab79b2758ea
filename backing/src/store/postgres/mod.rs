//! The Store in PostgreSQL, for a fleet.
//!
//! Every write is one statement that commits by itself, nearly always the call of a function in
//! `migrations/postgres/functions` with arrays. So a process that freezes at any instruction holds
//! no lock, a batch costs one round trip and one commit, and a write is defined in one place, next
//! to the tables. This side converts values to columns and back.
//!
//! Locks are taken in one order everywhere: keys, jobs of plans by id, tasks by id (jobs of one
//! task are guarded by their task), batches by id. Effects beyond a job are statements of their own
//! (`effects`).

mod accept;
mod accept_columns;
mod bounds;
mod cancel;
mod claim;
mod column;
mod controls;
mod dead;
mod deadlines;
mod dispatch;
mod effects;
mod errors;
mod executor;
mod health_probe;
mod heartbeat;
mod migrate;
mod pool;
mod reads;
mod references;
mod release;
mod retain;
mod retry;
mod rows;
mod schedules;
mod settle;
mod sweep;
mod traces;
mod usage;
mod views;

use std::{
    future::Future,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use async_trait::async_trait;
use common::{
    id::{BatchId, Digest, Fence, JobId, TaskId, TenantId, WorkerId},
    outcome::Settlement,
    port::{PortError, PortResult, broker::TaskMessage},
    queue::Queue,
    store::{
        Accepted, Changes, Claimed, Credit, Demand, Dispatch, Dispatched, Heartbeat,
        HeartbeatReply, JobFilter, Leases, Reads, Retention, Settled, Submissions, SweepPolicy,
        Swept, Target, Upkeep, WorkerRegistration,
    },
    submission::Submission,
    view::{BatchView, ItemView, JobView, Page, TaskView},
};
use sqlx::Connection;

use self::{health_probe::HealthProbe, pool::Pool};
pub use self::{
    migrate::{migrate, migrations},
    pool::PgOptions,
};
use super::reason;

/// The store. Cheap to clone and to share.
#[derive(Debug, Clone)]
pub struct PgStore {
    work: Pool,
    heartbeats: Pool,
    health_probe: HealthProbe,
    options: PgOptions,
    vacuuming: Arc<AtomicBool>,
}

/// Connects to the database behind `url`, whose schema must be up to date ([`migrate`]).
///
/// An error says in one sentence what is wrong with the URL, the server or the schema.
pub async fn connect(url: &str, options: PgOptions) -> PortResult<PgStore> {
    let mut sql = pool::connect_once(url, &options).await?;
    migrate::check(&errors::within(options.acquire_timeout, migrate::find(&mut sql)).await?)?;
    errors::within(options.acquire_timeout, sql.close()).await?;
    let health_probe = HealthProbe::new(pool::parse(url)?);
    let (work, heartbeats) = (
        Pool::for_work(url, &options, &health_probe)?,
        Pool::for_heartbeats(url, &options, &health_probe)?,
    );
    Ok(PgStore { work, heartbeats, health_probe, options, vacuuming: Arc::default() })
}

impl PgStore {
    /// Awaits a statement for a client, for as long as a statement may take, and no longer than the
    /// server seems to be there.
    async fn work<T>(&self, answer: impl Future<Output = Result<T, sqlx::Error>>) -> PortResult<T> {
        tokio::select! {
            biased;
            answer = self.patiently(answer) => answer,
            () = self.health_probe.until_silent() => {
                Err(PortError::unavailable(errors::PART, "it does not reply to pings"))
            }
        }
    }

    /// Awaits a statement for as long as it may take. For writes that a server which was frozen for
    /// a moment may still carry out: claims would be lost and messages not dispatched, and no
    /// client waits for them in front of a screen.
    async fn patiently<T>(
        &self,
        answer: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> PortResult<T> {
        errors::within(self.options.patience(), answer).await
    }

    /// Writes a row: a replica or a server without space answers reads and refuses this.
    async fn write_something(&self) -> PortResult<()> {
        let query = sqlx::query("UPDATE spool.sweep_state SET swept_at = swept_at");
        self.work(query.execute(&self.work)).await.map(drop)
    }
}

#[async_trait]
impl Submissions for PgStore {
    async fn accept(
        &self,
        submissions: Vec<Submission>,
        credit: &[Credit],
    ) -> PortResult<Accepted> {
        self.accept_all(submissions, credit).await
    }

    async fn cancel(&self, tenant: &TenantId, target: Target) -> PortResult<Option<Changes>> {
        self.cancel_target(tenant, target).await
    }

    async fn retry(&self, tenant: &TenantId, target: Target) -> PortResult<Option<(u32, Changes)>> {
        self.retry_target(tenant, target).await
    }
}

#[async_trait]
impl Dispatch for PgStore {
    async fn dispatch(&self, queue: Queue, ahead: u32, most: u32) -> PortResult<Dispatched> {
        self.ring_queue(queue, ahead, most).await
    }

    async fn hand_back(&self, tasks: &[TaskId]) -> PortResult<u64> {
        self.hand_back_all(tasks).await
    }

    async fn overdue(
        &self,
        queue: Queue,
        age: Duration,
        most: u32,
    ) -> PortResult<(Vec<TaskMessage>, u64)> {
        self.overdue_messages(queue, age, most).await
    }

    async fn demand(&self, queue: Queue) -> PortResult<Demand> {
        self.demand_of(queue).await
    }
}

#[async_trait]
impl Leases for PgStore {
    async fn claim(
        &self,
        worker: WorkerId,
        tasks: &[TaskId],
        lease: Duration,
    ) -> PortResult<Vec<Option<Claimed>>> {
        self.claim_all(worker, tasks, lease).await
    }

    async fn heartbeat(
        &self,
        registration: &WorkerRegistration,
        heartbeats: &[Heartbeat],
        lease: Duration,
    ) -> PortResult<Vec<HeartbeatReply>> {
        self.heartbeat_all(registration, heartbeats, lease).await
    }

    async fn settle(
        &self,
        worker: WorkerId,
        settlements: Vec<Settlement>,
    ) -> PortResult<(Vec<Settled>, Changes)> {
        self.settle_all(worker, settlements).await
    }

    async fn release(&self, worker: WorkerId, tasks: &[(TaskId, Fence)]) -> PortResult<Changes> {
        self.release_all(worker, tasks).await
    }
}

#[async_trait]
impl Reads for PgStore {
    async fn jobs(&self, tenant: &TenantId, jobs: &[JobId]) -> PortResult<Vec<Option<JobView>>> {
        self.job_views(tenant, jobs).await
    }

    async fn tasks(&self, tenant: &TenantId, job: JobId) -> PortResult<Option<Vec<TaskView>>> {
        self.plan(tenant, job).await
    }

    async fn task(&self, tenant: &TenantId, task: TaskId) -> PortResult<Option<TaskView>> {
        self.task_view(tenant, task).await
    }

    async fn batch(&self, tenant: &TenantId, batch: BatchId) -> PortResult<Option<BatchView>> {
        self.batch_view(tenant, batch).await
    }

    async fn items(
        &self,
        tenant: &TenantId,
        batch: BatchId,
        from: u32,
        most: u32,
    ) -> PortResult<Option<Vec<(u32, ItemView)>>> {
        self.item_views(tenant, batch, from, most).await
    }

    async fn list(
        &self,
        tenant: &TenantId,
        filter: &JobFilter,
        after: Option<JobId>,
        most: u32,
    ) -> PortResult<Page<JobView>> {
        self.page(tenant, filter, after, most).await
    }

    async fn have_memos(&self, tenant: &TenantId, keys: &[Digest]) -> PortResult<Vec<bool>> {
        self.remembered(tenant, keys).await
    }
}

#[async_trait]
impl Upkeep for PgStore {
    async fn sweep(&self, policy: SweepPolicy) -> PortResult<Swept> {
        self.sweep_all(policy).await
    }

    async fn retain(&self, retention: Retention) -> PortResult<u64> {
        self.retain_all(retention).await
    }

    async fn check(&self) -> PortResult<()> {
        let found = async {
            let mut lent = self.work.lend().await?;
            let found = migrate::find(lent.sql()).await;
            lent.heard(found)
        };
        migrate::check(&self.work(found).await?)?;
        self.write_something().await
    }
}
