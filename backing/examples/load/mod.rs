//! Shared by the examples that load the store: a database of their own, echo jobs of one task, a
//! worker that stays alive.

#![allow(clippy::unwrap_used, dead_code)]

use std::{env, time::Duration};

use backing::store::postgres::{self, PgOptions, PgStore};
use common::{
    id::{Fence, JobId, TaskId, TenantId, WorkerId},
    key,
    limits::HEARTBEAT_EVERY,
    outcome::{Settlement, Verdict},
    plan::{NewTask, Overrides},
    queue::Queue,
    store::{Dispatch, Leases, Submissions, WorkerRegistration},
    submission::{NewJob, Priority, Submission, Work},
};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

pub const LEASE: Duration = Duration::from_secs(60);

/// A database on the server of `SPOOL_DATABASE_URL`, migrated.
pub struct BenchDatabase {
    admin: PgConnection,
    name: String,
    pub url: String,
    pub store: PgStore,
}

impl BenchDatabase {
    pub async fn new() -> Self {
        let server = env::var("SPOOL_DATABASE_URL").expect("SPOOL_DATABASE_URL");
        let name = format!("spool_bench_{}", std::process::id());
        let mut admin = PgConnection::connect(&server).await.expect("connects");
        admin
            .execute(AssertSqlSafe(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")))
            .await
            .expect("clears");
        admin.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.expect("creates");
        let url = format!("{}/{name}", server.rsplit_once('/').expect("a URL with a database").0);
        postgres::migrate(&url).await.expect("migrates");
        let store = postgres::connect(&url, PgOptions::default()).await.expect("connects");
        Self { admin, name, url, store }
    }

    pub async fn drop(mut self) {
        let drop = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        self.admin.execute(AssertSqlSafe(drop)).await.expect("drops");
    }
}

/// A worker with slots for light work that heartbeats until it is aborted.
pub async fn keep_alive(store: &PgStore, slots: usize) -> tokio::task::JoinHandle<()> {
    let slots = vec![(Queue::Light, u32::try_from(slots).unwrap())];
    let registration = WorkerRegistration {
        worker: WorkerId::new(),
        name: "bench".into(),
        slots,
        draining: false,
        kinds: Vec::new(),
    };
    store.heartbeat(&registration, &[], LEASE).await.expect("heartbeats");
    let store = store.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(HEARTBEAT_EVERY).await;
            store.heartbeat(&registration, &[], LEASE).await.expect("heartbeats");
        }
    })
}

/// Accepts this many jobs, in groups.
pub async fn accept(store: &PgStore, count: usize, group: usize, tenant: &str, priority: u8) {
    let mut left = count;
    while left > 0 {
        let now = left.min(group);
        let submissions = (0..now).map(|_| submission(tenant, priority)).collect();
        store.accept(submissions, &[]).await.expect("accepts");
        left -= now;
    }
}

/// Dispatches up to `group` tasks, claims and settles them, and returns their number.
pub async fn round(store: &PgStore, worker: WorkerId, group: usize) -> usize {
    let dispatched =
        store.dispatch(Queue::Light, 0, u32::try_from(group).unwrap()).await.expect("dispatches");
    let tasks: Vec<TaskId> = dispatched.messages.iter().map(|message| message.task).collect();
    if tasks.is_empty() {
        return 0;
    }
    let claimed = store.claim(worker, &tasks, LEASE).await.expect("claims");
    let settlements: Vec<Settlement> =
        claimed.into_iter().flatten().map(|one| settlement(one.task, one.fence)).collect();
    let settled = settlements.len();
    store.settle(worker, settlements).await.expect("settles");
    settled
}

pub fn submission(tenant: &str, priority: u8) -> Submission {
    let id = JobId::new();
    let input = json!({ "value": 1 });
    let task = NewTask {
        id: TaskId::derive(id.0, 0),
        name: "echo".into(),
        kind: "echo".into(),
        kind_version: 1,
        queue: Queue::Light,
        input: input.clone(),
        needs: Vec::new(),
        result: true,
        input_key: None,
        timeout: Duration::from_secs(60),
        max_attempts: 3,
    };
    let job = NewJob {
        id,
        kind: "echo".into(),
        input,
        priority: Priority(priority),
        run_at: None,
        queue_timeout: None,
        tags: Vec::new(),
        metadata: None,
        overrides: Overrides::default(),
        tasks: vec![task],
        trace: None,
        unique: None,
    };
    Submission { tenant: TenantId(tenant.into()), idempotency: None, work: Work::Job(job) }
}

pub fn settlement(task: TaskId, fence: Fence) -> Settlement {
    let output = json!(1);
    let hash = key::output_hash(&output);
    Settlement {
        task,
        fence,
        verdict: Verdict::Succeeded {
            output,
            hash,
            artifacts: Vec::new(),
            grown: Vec::new(),
            memo: true,
        },
    }
}
