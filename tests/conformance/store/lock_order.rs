//! Every operation that writes to PostgreSQL against every other, on the same rows: none may be one
//! half of a deadlock.
//!
//! Jobs come due in the reverse order of their ids, and callers name tasks in that order too, so
//! that a statement that locks rows as it finds them locks them in another order than one that
//! locks by id.

use std::{sync::Arc, time::Duration};

use backing::store::postgres::{self, PgOptions};
use common::{
    error::JobError,
    id::{BatchId, TaskId},
    outcome::{Settlement, Verdict},
    port::{PortError, PortResult},
    queue::Queue,
    store::{Claimed, Heartbeat, Pausable, Retention, Target, WorkerRegistration},
    submission::{NewBatch, NewItem, NewJob, Work},
};
use jiff::{Timestamp, ToSpan};
use serde_json::json;
use sqlx::{Connection, Executor, PgConnection};
use tokio::task::JoinSet;

use super::{
    builders::{batch, equal, job, plan, step, succeeded},
    database::Database,
    fixture::{POLICY, StoreFixture},
};

/// Jobs in a round, a third of each sort.
const JOBS: usize = 60;
const ROUNDS: usize = 6;
/// Times that each operation is carried out in a round.
const TIMES: usize = 2;
/// Statements that wait before the locked task is let go, and how often they are counted at most.
const WAITING: i64 = 4;
const LOOKS: usize = 200;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Operation {
    Accept,
    Dispatch,
    HandBack,
    Heartbeat,
    Succeed,
    Fail,
    Retry,
    Release,
    Sweep,
    Cancel,
    CancelOne,
    RetryBatch,
    Pause,
    Retain,
}

const ALL: [Operation; 14] = [
    Operation::Accept,
    Operation::Dispatch,
    Operation::HandBack,
    Operation::Heartbeat,
    Operation::Succeed,
    Operation::Fail,
    Operation::Retry,
    Operation::Release,
    Operation::Sweep,
    Operation::Cancel,
    Operation::CancelOne,
    Operation::RetryBatch,
    Operation::Pause,
    Operation::Retain,
];

/// The jobs that all operations work on.
struct Round {
    items: NewBatch,
    /// Their tasks, the youngest first.
    tasks: Vec<TaskId>,
}

impl Round {
    /// Jobs of one task, jobs that share outputs, and plans.
    fn new() -> Self {
        let due = Timestamp::now() + (JOBS as i64).milliseconds();
        let mut jobs: Vec<NewJob> = (0..JOBS)
            .map(|number| match number % 3 {
                0 => job(),
                1 => equal(json!({ "value": number / 6 })),
                _ => plan(&[step("first"), step("second"), step("last").after("first").result()]),
            })
            .collect();
        jobs.sort_by_key(|job| job.id);
        for (number, job) in (0..).zip(&mut jobs) {
            job.run_at = Some(due - i64::milliseconds(number));
        }
        let tasks = jobs.iter().rev().flat_map(|job| job.tasks.iter().map(|task| task.id));
        Self { tasks: tasks.collect(), items: batch(&jobs) }
    }

    fn batch(&self) -> BatchId {
        self.items.id
    }
}

impl Operation {
    async fn run(self, on: &StoreFixture, round: &Round) -> PortResult<()> {
        let store = &on.store;
        match self {
            Self::Accept => {
                let mut again = round.items.clone();
                again.items.reverse();
                store.accept(vec![on.submission(Work::Batch(again))], &[]).await.map(drop)
            }
            Self::Dispatch => store.dispatch(Queue::Light, 1_000, 1_000).await.map(drop),
            Self::HandBack => store.hand_back(&round.tasks).await.map(drop),
            Self::Heartbeat => {
                let registration =
                    WorkerRegistration { slots: vec![(Queue::Light, 1)], ..on.registration() };
                let claimed = claim(on, round).await?;
                let held =
                    |one: Claimed| Heartbeat { task: one.task, fence: one.fence, progress: None };
                let heartbeats: Vec<Heartbeat> = claimed.into_iter().map(held).collect();
                store.heartbeat(&registration, &heartbeats, Duration::ZERO).await.map(drop)
            }
            Self::Succeed => settle(on, round, succeeded(json!(1))).await,
            Self::Fail => {
                settle(on, round, Verdict::Failed(JobError::permanent("no", "wanted"))).await
            }
            Self::Retry => {
                let error = JobError::transient("no", "wanted");
                settle(on, round, Verdict::Retry { error, pause: Duration::ZERO }).await
            }
            Self::Release => {
                let claimed = claim(on, round).await?;
                let tasks: Vec<_> = claimed.iter().map(|one| (one.task, one.fence)).collect();
                store.release(on.worker, &tasks).await.map(drop)
            }
            Self::Sweep => {
                claim(on, round).await?;
                store.sweep(POLICY).await.map(drop)
            }
            Self::Cancel => store.cancel(&on.tenant, Target::Batch(round.batch())).await.map(drop),
            Self::CancelOne => {
                for item in round.items.items.iter().rev().step_by(7) {
                    let NewItem::Job(job) = item else { continue };
                    store.cancel(&on.tenant, Target::Job(job.id)).await?;
                }
                Ok(())
            }
            Self::RetryBatch => {
                store.retry(&on.tenant, Target::Batch(round.batch())).await.map(drop)
            }
            Self::Pause => {
                let light = Pausable::Queue(Queue::Light);
                store.pause(&light, None).await?;
                store.resume(&light).await.map(drop)
            }
            Self::Retain => {
                let retention =
                    Retention { jobs: Duration::ZERO, memos: Duration::ZERO, most: 1_000 };
                store.retain(retention).await.map(drop)
            }
        }
    }
}

/// Claims the tasks for a lease that is over at once, so that a sweep finds what is left running.
async fn claim(on: &StoreFixture, round: &Round) -> PortResult<Vec<Claimed>> {
    let claimed = on.store.claim(on.worker, &round.tasks, Duration::ZERO).await?;
    Ok(claimed.into_iter().flatten().collect())
}

async fn settle(on: &StoreFixture, round: &Round, verdict: Verdict) -> PortResult<()> {
    let settlement =
        |one: Claimed| Settlement { task: one.task, fence: one.fence, verdict: verdict.clone() };
    let settlements = claim(on, round).await?.into_iter().map(settlement).collect();
    on.store.settle(on.worker, settlements).await.map(drop)
}

/// How many statements wait for a lock.
async fn waiting(sql: &mut PgConnection) -> i64 {
    let query = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'";
    sqlx::query_scalar(query).fetch_one(sql).await.expect("answers")
}

/// Carries out all operations at once. One of the tasks is locked meanwhile, until some statements
/// wait for it: each then holds what it locked before that task, in its own order.
async fn all_at_once(on: &StoreFixture, round: &Arc<Round>, held: TaskId, url: &str) {
    let mut sql = PgConnection::connect(url).await.expect("connects");
    let mut watch = PgConnection::connect(url).await.expect("connects");
    let mut lock = sql.begin().await.expect("begins");
    sqlx::query("SELECT FROM spool.tasks WHERE id = $1 FOR UPDATE")
        .bind(held.0)
        .execute(&mut *lock)
        .await
        .expect("locks");
    let mut sides = JoinSet::new();
    for operation in ALL {
        let (on, round) = (on.clone(), round.clone());
        sides.spawn(async move {
            for _ in 0..TIMES {
                operation.run(&on, &round).await.map_err(|error| (operation, error))?;
            }
            Ok::<_, (Operation, PortError)>(())
        });
    }
    for _ in 0..LOOKS {
        if waiting(&mut watch).await >= WAITING {
            break;
        }
    }
    lock.rollback().await.expect("lets go");
    for result in sides.join_all().await {
        assert_eq!(result, Ok(()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_two_operations_wait_for_each_other() {
    let database = Database::new().await;
    let url = database.url();
    let options = PgOptions { connections: ALL.len() as u32, ..PgOptions::default() };
    let store = postgres::connect(&url, options).await.expect("a new store opens");
    let on = StoreFixture::new(Arc::new(store), database);
    for number in 0..ROUNDS {
        let round = Arc::new(Round::new());
        on.accept_batch(&round.items).await;
        let due = round.items.items.iter().filter_map(|item| match item {
            NewItem::Job(job) => job.run_at,
            NewItem::Refused(_) => None,
        });
        let due = due.max().expect("a job");
        on.until(async || (Timestamp::now() > due).then_some(())).await;
        if number % 2 == 1 {
            on.dispatch().await;
        }
        let held = round.tasks[round.tasks.len() * (number + 1) / (ROUNDS + 1)];
        all_at_once(&on, &round, held, &url).await;
        on.store.cancel(&on.tenant, Target::Batch(round.batch())).await.expect("cancels");
    }
    let mut sql = PgConnection::connect(&url).await.expect("connects");
    sql.execute("SELECT pg_stat_force_next_flush()").await.expect("asks");
    let query = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    let deadlocks: i64 = sqlx::query_scalar(query).fetch_one(&mut sql).await.expect("answers");
    assert_eq!(deadlocks, 0);
}
