//! Programs of different age on one database and one broker: an update rolls through a fleet for
//! hours, and no process stops for it.

use std::time::Duration;

use backing::store::postgres::{self, PgOptions};
use common::{
    id::TenantId,
    queue::Queue,
    store::{Dispatch, Dispatched, Submissions},
    submission::{Submission, Work},
};
use lapin::{BasicProperties, Connection, ConnectionProperties, options::BasicPublishOptions};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{
    audit,
    builders::job,
    environment::service,
    fleet::{FaultFleet, program},
    load::Clients,
    verification::all_settled,
};

const PATIENCE: Duration = Duration::from_secs(60);

/// A migration that an older program must tolerate: columns, indexes, tables and functions that it
/// does not know.
const LATER: &str = "
    ALTER TABLE spool.jobs ADD COLUMN later text NOT NULL DEFAULT 'later';
    ALTER TABLE spool.tasks ADD COLUMN later bigint;
    ALTER TABLE spool.history ADD COLUMN later bigint;
    ALTER TABLE spool.batches ADD COLUMN later boolean NOT NULL DEFAULT false;
    ALTER TABLE spool.workers ADD COLUMN later text;
    CREATE INDEX jobs_later ON spool.jobs (later, id);
    CREATE TABLE spool.later (id uuid PRIMARY KEY);
    CREATE FUNCTION spool.later(task_ids uuid[]) RETURNS bigint
        LANGUAGE sql AS 'SELECT cardinality(task_ids)::bigint';
    INSERT INTO spool.migrations (name, checksum, applied_at)
        VALUES ('schema/9999_later.sql', 'later', now());";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_accepts_a_later_schema_and_task_messages_of_a_later_version() {
    let mut fleet = FaultFleet::prepare("mixed-later").await;
    audit::execute(&fleet.database.url, LATER).await.expect("a later migration");
    fleet.add_worker(program()).await;
    fleet.member(0).works().await;
    // No producer runs, so only the later one of this test dispatches.
    let store =
        postgres::connect(&fleet.database.url, PgOptions::default()).await.expect("a store");
    let work = Work::Job(job());
    store
        .accept(vec![Submission { tenant: TenantId::default(), idempotency: None, work }], &[])
        .await
        .unwrap();
    let dispatched = store.dispatch(Queue::Light, 0, 10).await.unwrap();
    assert_eq!(dispatched.messages.len(), 1);
    publish_as_a_later_version(&fleet.namespace, &dispatched).await;
    all_settled(&fleet.database.url, PATIENCE).await.expect("the worker heard");

    fleet.add_producer().await;
    fleet.member(1).works().await;
    run_a_batch(&fleet, 40).await;
    end(fleet).await;
}

/// Run by `scripts/faults --mixed`, which builds the program from before the newest migration.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an older program: scripts/faults --mixed"]
async fn an_older_worker_works_beside_a_newer_one() {
    let older = std::env::var("FAULTS_OLDER_PROGRAM")
        .expect("FAULTS_OLDER_PROGRAM names a program: run scripts/faults --mixed");
    let mut fleet = FaultFleet::prepare("mixed-older").await;
    fleet.add_producer().await;
    fleet.add_worker(older.into()).await;
    fleet.add_worker(program()).await;
    for index in 0..3 {
        fleet.member(index).works().await;
    }
    run_a_batch(&fleet, 500).await;
    let workers: Vec<(i64,)> =
        audit::query(&fleet.database.url, "SELECT count(DISTINCT worker) FROM spool.history")
            .await
            .unwrap();
    assert_eq!(workers[0].0, 2, "both ran some");
    end(fleet).await;
}

async fn publish_as_a_later_version(namespace: &str, dispatched: &Dispatched) {
    let connection =
        Connection::connect(&service("SPOOL_AMQP_URL"), ConnectionProperties::default())
            .await
            .unwrap();
    let channel = connection.create_channel().await.unwrap();
    for sent in &dispatched.messages {
        let mut message = serde_json::to_value(sent).unwrap();
        message["v"] = json!(sent.v + 1);
        message["laterField"] = json!({"of": ["a", "later", "version"]});
        let (exchange, payload) = (format!("{namespace}.tasks"), message.to_string());
        let options = BasicPublishOptions { mandatory: true, ..Default::default() };
        let publishing = channel.basic_publish(
            exchange.into(),
            "light".into(),
            options,
            payload.as_bytes(),
            BasicProperties::default(),
        );
        publishing.await.unwrap().await.unwrap();
    }
    connection.close(200, "dispatched".into()).await.unwrap();
}

/// Runs a batch of everything that `echo` does without a media process; every item must end as
/// expected.
async fn run_a_batch(fleet: &FaultFleet, size: u64) {
    let clients = Clients::of(&fleet.addresses);
    let item = |n: u64| -> Value {
        match n % 5 {
            0 => json!({"kind": "echo", "input": {"fail": "no luck"}}),
            1 => json!({"kind": "echo", "input": {"value": n, "failTimes": 1}}),
            _ => json!({"kind": "echo", "input": {"value": n, "sleepMs": 30}}),
        }
    };
    let jobs: Vec<Value> = (0..size).map(item).collect();
    let id = clients.submit_to("/v1/batches", &json!({"jobs": jobs, "maxConcurrent": 20})).await;
    let deadline = Instant::now() + PATIENCE;
    let batch = loop {
        let batch = clients.get(&format!("/v1/batches/{id}")).await;
        if batch["status"] == "settled" {
            break batch;
        }
        assert!(Instant::now() < deadline, "the batch does not settle: {batch}");
        sleep(Duration::from_millis(100)).await;
    };
    let failed = size.div_ceil(5);
    assert_eq!(
        batch["counts"],
        json!({"total": size, "fulfilled": size - failed, "rejected": failed, "pending": 0})
    );
}

async fn end(fleet: FaultFleet) {
    let faults = audit::faults(&fleet.database.url).await;
    let (complaints, database, _folder) = fleet.end().await;
    assert_eq!([faults, complaints].concat(), Vec::<String>::new());
    database.drop().await;
}
