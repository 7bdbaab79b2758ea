//! Ports that a test can take away while they are used.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use axum::body::Bytes;
use common::{
    id::{BatchId, Digest, Fence, JobId, ScheduleId, TaskId, TenantId, WorkerId},
    outcome::Settlement,
    port::{
        PortError, PortResult,
        broker::TaskMessage,
        view_cache::{ChangeStream, ViewCache, ViewCacheUsage},
    },
    queue::Queue,
    store::{
        Accepted, ArtifactReferences, Changes, Claimed, Course, Credit, DeadFilter, DeadWork,
        Demand, Dispatch, Dispatched, Heartbeat, HeartbeatReply, JobFilter, Leases, Limit,
        LimitScope, LiveWorker, Operations, Pausable, Pause, QueuePlace, Reads, Retention,
        Schedule, Schedules, Settled, Store, Submissions, SweepPolicy, Swept, Target, Upkeep,
        WorkerRegistration,
    },
    submission::Submission,
    view::{BatchView, ItemView, JobView, Page, TaskView},
};
use jiff::Timestamp;
use tokio::sync::Semaphore;

/// A store that can be taken away, counts its accepts, and can hold them up.
pub struct SwitchedStore {
    inner: Arc<dyn Store>,
    away: AtomicBool,
    panics: AtomicBool,
    pub accepts: AtomicUsize,
    /// Accepts go through while there are permits.
    pub gate: Semaphore,
}

impl SwitchedStore {
    pub fn new(inner: Arc<dyn Store>) -> Self {
        let (away, panics) = (AtomicBool::new(false), AtomicBool::new(false));
        Self {
            inner,
            away,
            panics,
            accepts: AtomicUsize::new(0),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
        }
    }

    pub fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    pub fn set_panics(&self) {
        self.panics.store(true, Ordering::SeqCst);
    }

    fn there(&self) -> PortResult<&dyn Store> {
        assert!(!self.panics.load(Ordering::SeqCst), "the store was told to panic");
        match self.away.load(Ordering::SeqCst) {
            true => Err(PortError::unavailable("the test's store", "it was taken away")),
            false => Ok(self.inner.as_ref()),
        }
    }
}

#[async_trait]
impl Submissions for SwitchedStore {
    async fn accept(
        &self,
        submissions: Vec<Submission>,
        credit: &[Credit],
    ) -> PortResult<Accepted> {
        self.accepts.fetch_add(1, Ordering::SeqCst);
        let _through = self.gate.acquire().await.expect("the gate stays");
        self.there()?.accept(submissions, credit).await
    }
    async fn cancel(&self, tenant: &TenantId, target: Target) -> PortResult<Option<Changes>> {
        self.there()?.cancel(tenant, target).await
    }
    async fn retry(&self, tenant: &TenantId, target: Target) -> PortResult<Option<(u32, Changes)>> {
        self.there()?.retry(tenant, target).await
    }
}

#[async_trait]
impl Dispatch for SwitchedStore {
    async fn dispatch(&self, queue: Queue, ahead: u32, most: u32) -> PortResult<Dispatched> {
        self.there()?.dispatch(queue, ahead, most).await
    }
    async fn hand_back(&self, tasks: &[TaskId]) -> PortResult<u64> {
        self.there()?.hand_back(tasks).await
    }
    async fn overdue(
        &self,
        queue: Queue,
        age: Duration,
        most: u32,
    ) -> PortResult<(Vec<TaskMessage>, u64)> {
        self.there()?.overdue(queue, age, most).await
    }
    async fn queue_place(&self, tenant: &TenantId, job: JobId) -> PortResult<Option<QueuePlace>> {
        self.there()?.queue_place(tenant, job).await
    }
    async fn demand(&self, queue: Queue) -> PortResult<Demand> {
        self.there()?.demand(queue).await
    }
}

#[async_trait]
impl Leases for SwitchedStore {
    async fn claim(
        &self,
        worker: WorkerId,
        tasks: &[TaskId],
        lease: Duration,
    ) -> PortResult<Vec<Option<Claimed>>> {
        self.there()?.claim(worker, tasks, lease).await
    }
    async fn heartbeat(
        &self,
        registration: &WorkerRegistration,
        heartbeats: &[Heartbeat],
        lease: Duration,
    ) -> PortResult<Vec<HeartbeatReply>> {
        self.there()?.heartbeat(registration, heartbeats, lease).await
    }
    async fn settle(
        &self,
        worker: WorkerId,
        settlements: Vec<Settlement>,
    ) -> PortResult<(Vec<Settled>, Changes)> {
        self.there()?.settle(worker, settlements).await
    }
    async fn release(&self, worker: WorkerId, tasks: &[(TaskId, Fence)]) -> PortResult<Changes> {
        self.there()?.release(worker, tasks).await
    }
}

#[async_trait]
impl Reads for SwitchedStore {
    async fn jobs(&self, tenant: &TenantId, jobs: &[JobId]) -> PortResult<Vec<Option<JobView>>> {
        self.there()?.jobs(tenant, jobs).await
    }
    async fn tasks(&self, tenant: &TenantId, job: JobId) -> PortResult<Option<Vec<TaskView>>> {
        self.there()?.tasks(tenant, job).await
    }
    async fn task(&self, tenant: &TenantId, task: TaskId) -> PortResult<Option<TaskView>> {
        self.there()?.task(tenant, task).await
    }
    async fn batch(&self, tenant: &TenantId, batch: BatchId) -> PortResult<Option<BatchView>> {
        self.there()?.batch(tenant, batch).await
    }
    async fn batches(
        &self,
        tenant: &TenantId,
        after: Option<BatchId>,
        most: u32,
    ) -> PortResult<Page<BatchView>> {
        self.there()?.batches(tenant, after, most).await
    }
    async fn items(
        &self,
        tenant: &TenantId,
        batch: BatchId,
        from: u32,
        most: u32,
    ) -> PortResult<Option<Vec<(u32, ItemView)>>> {
        self.there()?.items(tenant, batch, from, most).await
    }
    async fn list(
        &self,
        tenant: &TenantId,
        filter: &JobFilter,
        after: Option<JobId>,
        most: u32,
    ) -> PortResult<Page<JobView>> {
        self.there()?.list(tenant, filter, after, most).await
    }
    async fn have_memos(&self, tenant: &TenantId, keys: &[Digest]) -> PortResult<Vec<bool>> {
        self.there()?.have_memos(tenant, keys).await
    }
}

#[async_trait]
impl Upkeep for SwitchedStore {
    async fn sweep(&self, policy: SweepPolicy) -> PortResult<Swept> {
        self.there()?.sweep(policy).await
    }
    async fn retain(&self, retention: Retention) -> PortResult<u64> {
        self.there()?.retain(retention).await
    }
    async fn check(&self) -> PortResult<()> {
        self.there()?.check().await
    }
}

#[async_trait]
impl ArtifactReferences for SwitchedStore {
    async fn unreferenced(&self, artifacts: &[Digest], quiet: Duration) -> PortResult<Vec<Digest>> {
        self.there()?.unreferenced(artifacts, quiet).await
    }
    async fn forget_unreferenced(&self, artifacts: &[Digest]) -> PortResult<()> {
        self.there()?.forget_unreferenced(artifacts).await
    }
    async fn memo_artifacts(&self, first: u8) -> PortResult<Vec<Digest>> {
        self.there()?.memo_artifacts(first).await
    }
    async fn forget_memos(&self, artifacts: &[Digest]) -> PortResult<u64> {
        self.there()?.forget_memos(artifacts).await
    }
}

#[async_trait]
impl DeadWork for SwitchedStore {
    async fn dead(
        &self,
        tenant: &TenantId,
        filter: &DeadFilter,
        after: Option<TaskId>,
        most: u32,
    ) -> PortResult<Page<TaskView>> {
        self.there()?.dead(tenant, filter, after, most).await
    }
}

#[async_trait]
impl Schedules for SwitchedStore {
    async fn create_schedule(&self, schedule: &Schedule) -> PortResult<bool> {
        self.there()?.create_schedule(schedule).await
    }
    async fn change_schedule(&self, schedule: &Schedule) -> PortResult<bool> {
        self.there()?.change_schedule(schedule).await
    }
    async fn delete_schedule(&self, tenant: &TenantId, schedule: ScheduleId) -> PortResult<bool> {
        self.there()?.delete_schedule(tenant, schedule).await
    }
    async fn schedule(
        &self,
        tenant: &TenantId,
        schedule: ScheduleId,
    ) -> PortResult<Option<Schedule>> {
        self.there()?.schedule(tenant, schedule).await
    }
    async fn schedules(
        &self,
        tenant: &TenantId,
        after: Option<ScheduleId>,
        most: u32,
    ) -> PortResult<Page<Schedule>> {
        self.there()?.schedules(tenant, after, most).await
    }
    async fn store_time(&self) -> PortResult<Timestamp> {
        self.there()?.store_time().await
    }
    async fn pending_schedules(
        &self,
        after: Option<ScheduleId>,
        most: u32,
    ) -> PortResult<Vec<Schedule>> {
        self.there()?.pending_schedules(after, most).await
    }
    async fn due_schedules(&self, most: u32) -> PortResult<(Timestamp, Vec<Schedule>)> {
        self.there()?.due_schedules(most).await
    }
    async fn advance_schedule(
        &self,
        schedule: ScheduleId,
        revision: i64,
        course: &Course,
    ) -> PortResult<bool> {
        self.there()?.advance_schedule(schedule, revision, course).await
    }
}

#[async_trait]
impl Operations for SwitchedStore {
    async fn limits(&self) -> PortResult<Vec<Limit>> {
        self.there()?.limits().await
    }
    async fn set_limit(&self, limit: &Limit) -> PortResult<()> {
        self.there()?.set_limit(limit).await
    }
    async fn unset_limit(&self, scope: LimitScope, name: &str) -> PortResult<bool> {
        self.there()?.unset_limit(scope, name).await
    }
    async fn pauses(&self) -> PortResult<Vec<Pause>> {
        self.there()?.pauses().await
    }
    async fn pause(&self, what: &Pausable, by: Option<&str>) -> PortResult<()> {
        self.there()?.pause(what, by).await
    }
    async fn resume(&self, what: &Pausable) -> PortResult<bool> {
        self.there()?.resume(what).await
    }
    async fn live_workers(&self) -> PortResult<Vec<LiveWorker>> {
        self.there()?.live_workers().await
    }
}

/// A view cache that can be taken away.
pub struct SwitchedViewCache {
    inner: Arc<dyn ViewCache>,
    away: AtomicBool,
}

impl SwitchedViewCache {
    pub fn new(inner: Arc<dyn ViewCache>) -> Self {
        Self { inner, away: AtomicBool::new(false) }
    }

    pub fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    /// Writes a job's view, as any process that changes the job does.
    pub async fn put_view(&self, view: &JobView) {
        self.put(std::slice::from_ref(view)).await.expect("the view cache takes it");
    }

    fn there(&self) -> PortResult<&dyn ViewCache> {
        match self.away.load(Ordering::SeqCst) {
            true => Err(PortError::unavailable("the test's view_cache", "it was taken away")),
            false => Ok(self.inner.as_ref()),
        }
    }
}

#[async_trait]
impl ViewCache for SwitchedViewCache {
    async fn put(&self, views: &[JobView]) -> PortResult<()> {
        self.there()?.put(views).await
    }
    async fn get(&self, tenant: &TenantId, jobs: &[JobId]) -> PortResult<Vec<Option<JobView>>> {
        self.there()?.get(tenant, jobs).await
    }
    async fn forget(&self, tenant: &TenantId, jobs: &[JobId]) -> PortResult<()> {
        self.there()?.forget(tenant, jobs).await
    }
    async fn changes(&self) -> PortResult<Box<dyn ChangeStream>> {
        self.there()?.changes().await
    }
    async fn cached(&self, key: &str) -> PortResult<Option<Bytes>> {
        self.there()?.cached(key).await
    }
    async fn cache(&self, key: &str, value: Bytes, ttl: Duration) -> PortResult<()> {
        self.there()?.cache(key, value, ttl).await
    }
    async fn usage(&self) -> PortResult<ViewCacheUsage> {
        self.there()?.usage().await
    }
    async fn check(&self) -> PortResult<()> {
        self.there()?.check().await
    }
}
