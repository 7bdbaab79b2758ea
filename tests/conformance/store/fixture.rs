//! A store under test, with the steps that most cases share.

use std::{any::Any, sync::Arc, time::Duration};

use common::{
    error::JobError,
    id::{Fence, JobId, TaskId, TenantId, WorkerId},
    limits::{LEASE, QUARANTINE_AFTER},
    outcome::{Settlement, Verdict},
    port::{PortResult, broker::TaskMessage},
    queue::Queue,
    rules::lifecycle::TaskState,
    store::{
        Accepted, Changes, Claimed, Settled, Store, SweepPolicy, Swept, Target, WorkerRegistration,
    },
    submission::{Acceptance, NewBatch, NewJob, Submission, Work},
    view::{BatchView, JobView, TaskView},
};
use futures::future::BoxFuture;
use jiff::Timestamp;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::builders::{only, succeeded};

/// Longest wait of a test: longer than any wait of a healthy store.
pub const BOUND: Duration = Duration::from_secs(40);
/// A lease that expires during a test.
pub const SHORT: Duration = Duration::from_millis(60);
/// The policy of the product's sweeper.
pub const POLICY: SweepPolicy = SweepPolicy { quarantine_after: QUARANTINE_AFTER, most: 1_000 };

/// A fresh store and one worker.
#[derive(Clone)]
pub struct StoreFixture {
    pub store: Arc<dyn Store>,
    pub tenant: TenantId,
    pub worker: WorkerId,
    /// Owner of the store's folder or database, which must live as long as the store.
    _place: Arc<dyn Any + Send + Sync>,
    damage: Option<Damage>,
}

/// Damages each stored document that holds the word "poison".
pub type Damage = Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

impl StoreFixture {
    pub fn new(store: Arc<dyn Store>, place: impl Any + Send + Sync) -> Self {
        Self {
            store,
            tenant: TenantId::default(),
            worker: WorkerId::new(),
            _place: Arc::new(place),
            damage: None,
        }
    }

    /// The same store, with a way to damage its documents.
    pub fn with_damage(self, damage: Damage) -> Self {
        Self { damage: Some(damage), ..self }
    }

    /// Damages each stored document that holds the word "poison".
    pub async fn damage(&self) {
        let damage = self.damage.as_ref().expect("the adapter can damage documents");
        damage().await;
    }

    /// The same store as another tenant sees it.
    pub fn as_tenant(&self, name: &str) -> Self {
        Self { tenant: TenantId(name.to_owned()), ..self.clone() }
    }

    /// The registration of the worker, with no slots.
    pub fn registration(&self) -> WorkerRegistration {
        WorkerRegistration {
            worker: self.worker,
            name: "a test".into(),
            slots: Vec::new(),
            draining: false,
            kinds: Vec::new(),
        }
    }

    pub fn submission(&self, work: Work) -> Submission {
        Submission { tenant: self.tenant.clone(), idempotency: None, work }
    }

    pub async fn accept(&self, job: &NewJob) -> Accepted {
        self.submit(Work::Job(job.clone())).await
    }

    pub async fn accept_batch(&self, batch: &NewBatch) -> Accepted {
        self.submit(Work::Batch(batch.clone())).await
    }

    async fn submit(&self, work: Work) -> Accepted {
        let accepted = self.store.accept(vec![self.submission(work)], &[]).await.expect("accepts");
        assert_eq!(accepted.answers, [Acceptance::Stored]);
        accepted
    }

    /// Dispatches every task that may be dispatched, with or without live workers.
    pub async fn dispatch(&self) -> Vec<TaskMessage> {
        let mut messages = Vec::new();
        for queue in Queue::ALL {
            messages.extend(
                self.store.dispatch(queue, 100_000, 100_000).await.expect("dispatches").messages,
            );
        }
        messages
    }

    /// Dispatches, then claims this task, which must be ready or queued.
    pub async fn start(&self, task: TaskId) -> Claimed {
        self.start_for(task, LEASE).await
    }

    pub async fn start_for(&self, task: TaskId, lease: Duration) -> Claimed {
        self.dispatch().await;
        self.claim(task, lease).await.expect("the task was queued")
    }

    pub async fn claim(&self, task: TaskId, lease: Duration) -> Option<Claimed> {
        self.store.claim(self.worker, &[task], lease).await.expect("claims").remove(0)
    }

    pub async fn settle(&self, claimed: &Claimed, verdict: Verdict) -> (Settled, Changes) {
        self.settle_as(self.worker, claimed.task, claimed.fence, verdict).await
    }

    pub async fn settle_as(
        &self,
        worker: WorkerId,
        task: TaskId,
        fence: Fence,
        verdict: Verdict,
    ) -> (Settled, Changes) {
        let settlement = Settlement { task, fence, verdict };
        let (mut settled, changes) =
            self.store.settle(worker, vec![settlement]).await.expect("settles");
        assert_eq!(settled.len(), 1);
        (settled.remove(0), changes)
    }

    /// Settles a running task as succeeded; the settlement must be accepted.
    pub async fn succeed(&self, claimed: &Claimed, output: Value) -> Changes {
        self.count(claimed, succeeded(output)).await
    }

    /// Settles a running task as failed; the settlement must be accepted.
    pub async fn fail(&self, claimed: &Claimed, code: &str) -> Changes {
        self.count(claimed, Verdict::Failed(JobError::permanent(code, "a test wants it"))).await
    }

    /// Settles a task whose lease is lost; the settlement must be refused.
    pub async fn fail_stale(&self, claimed: &Claimed) {
        let (settled, changes) =
            self.settle(claimed, Verdict::Failed(JobError::permanent("stale", "late"))).await;
        assert_eq!((settled, changes), (Settled::Stale, Changes::default()));
    }

    /// Settles a running task; the settlement must be accepted.
    pub async fn count(&self, claimed: &Claimed, verdict: Verdict) -> Changes {
        let (settled, changes) = self.settle(claimed, verdict).await;
        assert_eq!(settled, Settled::Counted);
        changes
    }

    /// Starts a task and settles it as succeeded.
    pub async fn run(&self, task: TaskId, output: Value) -> Changes {
        let claimed = self.start(task).await;
        self.succeed(&claimed, output).await
    }

    /// Starts a task and settles it as failed.
    pub async fn run_badly(&self, task: TaskId, code: &str) -> Changes {
        let claimed = self.start(task).await;
        self.fail(&claimed, code).await
    }

    pub async fn job(&self, job: JobId) -> JobView {
        self.try_job(job).await.expect("the job is there")
    }

    pub async fn try_job(&self, job: JobId) -> Option<JobView> {
        self.store.jobs(&self.tenant, &[job]).await.expect("reads").remove(0)
    }

    pub async fn task(&self, task: TaskId) -> TaskView {
        self.store.task(&self.tenant, task).await.expect("reads").expect("the task is there")
    }

    pub async fn state(&self, task: TaskId) -> TaskState {
        self.task(task).await.state
    }

    /// A job's plan: each task's name and state, in the order of insertion.
    pub async fn states(&self, job: JobId) -> Vec<(String, TaskState)> {
        let tasks =
            self.store.tasks(&self.tenant, job).await.expect("reads").expect("the job is there");
        tasks.into_iter().map(|task| (task.name, task.state)).collect()
    }

    pub async fn batch(&self, batch: &NewBatch) -> BatchView {
        self.store.batch(&self.tenant, batch.id).await.expect("reads").expect("the batch is there")
    }

    /// The first task of the first of these jobs whose first task is in `state`.
    pub async fn first_in(&self, jobs: &[NewJob], state: TaskState) -> TaskId {
        for job in jobs {
            if self.state(only(job)).await == state {
                return only(job);
            }
        }
        panic!("none of {} tasks is {state}", jobs.len());
    }

    pub async fn cancel(&self, target: Target) -> Changes {
        self.store
            .cancel(&self.tenant, target)
            .await
            .expect("cancels")
            .expect("the target is there")
    }

    pub async fn retry(&self, target: Target) -> (u32, Changes) {
        self.store.retry(&self.tenant, target).await.expect("retries").expect("the target is there")
    }

    /// Sweeps until an expired lease was found.
    pub async fn sweep_until_lost(&self, policy: SweepPolicy) -> Swept {
        self.until(async || {
            let swept = self.store.sweep(policy).await.expect("sweeps");
            (swept.lost + swept.quarantined > 0).then_some(swept)
        })
        .await
    }

    /// Waits for the next millisecond, the resolution of the store's time, so that later rows are
    /// younger than earlier ones.
    pub async fn tick(&self) {
        let before = Timestamp::now().as_millisecond();
        self.until(async || (Timestamp::now().as_millisecond() > before).then_some(())).await;
    }

    /// Repeats `ask` until it returns a value.
    pub async fn until<T>(&self, ask: impl AsyncFn() -> Option<T>) -> T {
        let patience = Instant::now() + BOUND;
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            assert!(Instant::now() < patience, "it did not come to pass within {BOUND:?}");
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// As [`Store::accept`] of many submissions, with the error.
    pub async fn try_accept(&self, submissions: Vec<Submission>) -> PortResult<Accepted> {
        self.store.accept(submissions, &[]).await
    }
}
