//! Writers on the same jobs and batches at once: no deadlock, and counters that add up.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use common::{
    error::JobError,
    id::{Fence, WorkerId},
    outcome::{Settlement, Verdict},
    queue::Queue,
    rules::lifecycle::JobStatus,
    store::Target,
    submission::{NewBatch, NewJob},
};
use serde_json::json;
use sqlx::{Executor, PgConnection};
use tokio::task::JoinSet;

use super::{new_store, number};
use crate::store::{
    builders::{batch, equal, grown, job, plan, step, succeeded, tasks},
    fixture::{POLICY, SHORT, StoreFixture},
};

/// Work of every shape: single jobs, batches (some with a limit, some that stop), plans, growth,
/// shared outputs.
async fn varied_work(on: &StoreFixture) -> Vec<NewBatch> {
    let mut batches = Vec::new();
    for index in 0..6 {
        let shared = json!({ "shared": index % 2 });
        let jobs: Vec<NewJob> = vec![
            job(),
            job(),
            equal(shared.clone()),
            equal(shared.clone()),
            plan(&[
                step("a"),
                step("b").after("a"),
                step("c").despite("a"),
                step("end").after("b").after("c").result(),
            ]),
            plan(&[step("a").memo(shared.clone()), step("end").after("a").memo(shared).result()]),
            plan(&[step("a"), step("grows").after("a").result()]),
        ];
        let items = NewBatch {
            max_concurrent: (index % 3 == 0).then_some(2),
            stop_on_error: index % 4 == 3,
            ..batch(&jobs)
        };
        on.accept_batch(&items).await;
        batches.push(items);
    }
    batches
}

fn verdict(task: &common::store::Claimed, chance: u64) -> Verdict {
    let error = || JobError::transient("x", "a test wants it");
    match chance % 10 {
        0 => Verdict::Failed(error()),
        1 => Verdict::Retry { error: error(), pause: Duration::from_millis(chance % 3) },
        _ if task.name == "grows" => {
            let more = tasks(task.task.0, &[step("part"), step("end").after("part").result()]);
            grown(json!(1), more)
        }
        _ => succeeded(json!(chance % 4)),
    }
}

/// A pseudo-random generator that returns the same numbers in every run.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

async fn work_until(on: StoreFixture, seed: u64, over: Arc<AtomicBool>) {
    let (worker, mut chance) = (WorkerId::new(), seed);
    while !over.load(Ordering::Relaxed) {
        let messages = on.dispatch().await;
        let (queued, _) = on.store.overdue(Queue::Light, Duration::ZERO, 20).await.expect("reads");
        let ids: Vec<_> = messages.iter().chain(&queued).map(|message| message.task).collect();
        let lease =
            if next(&mut chance).is_multiple_of(5) { SHORT } else { Duration::from_secs(10) };
        let claimed: Vec<_> = on
            .store
            .claim(worker, &ids, lease)
            .await
            .expect("claims")
            .into_iter()
            .flatten()
            .collect();
        let fences: Vec<(_, Fence)> = claimed.iter().map(|one| (one.task, one.fence)).collect();
        match next(&mut chance) % 8 {
            0 => drop(on.store.release(worker, &fences).await.expect("releases")),
            // Left to the sweep, if the lease is short.
            1 if lease == SHORT => {}
            _ => {
                let settle = |one: &common::store::Claimed| Settlement {
                    task: one.task,
                    fence: one.fence,
                    verdict: verdict(one, next(&mut chance)),
                };
                let settlements = claimed.iter().rev().map(settle).collect();
                on.store.settle(worker, settlements).await.expect("settles");
            }
        }
    }
}

async fn cancel_and_retry_at_random(
    on: StoreFixture,
    batches: Vec<NewBatch>,
    seed: u64,
    over: Arc<AtomicBool>,
) {
    let mut chance = seed;
    while !over.load(Ordering::Relaxed) {
        let items = &batches[next(&mut chance) as usize % batches.len()];
        match next(&mut chance) % 4 {
            0 => drop(on.store.cancel(&on.tenant, Target::Batch(items.id)).await.expect("cancels")),
            1 | 2 => {
                drop(on.store.retry(&on.tenant, Target::Batch(items.id)).await.expect("retries"))
            }
            _ => drop(on.store.sweep(POLICY).await.expect("sweeps")),
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_on_shared_jobs_and_batches_never_deadlock_and_counters_add_up() {
    let (on, mut sql, _) = new_store().await;
    let batches = varied_work(&on).await;
    let over = Arc::new(AtomicBool::new(false));
    let mut random_batch = JoinSet::new();
    for seed in 0..4 {
        random_batch.spawn(work_until(on.clone(), seed, over.clone()));
    }
    for seed in 4..7 {
        random_batch.spawn(cancel_and_retry_at_random(
            on.clone(),
            batches.clone(),
            seed,
            over.clone(),
        ));
    }
    // Enough for some thousand writes. The assertions hold however many there are.
    let enough = tokio::time::timeout(Duration::from_secs(4), random_batch.join_next()).await;
    assert!(enough.is_err(), "no task ends before the time is over: {enough:?}");
    over.store(true, Ordering::Relaxed);
    random_batch.join_all().await;

    check_counters(&mut sql).await;
    drain(&on).await;
    check_counters(&mut sql).await;
    for table in ["SELECT count(*) FROM spool.tasks", "SELECT count(*) FROM spool.edges"] {
        assert_eq!(number(&mut sql, table).await, 0, "{table}");
    }
    for items in &batches {
        assert_eq!(on.batch(items).await.pending(), 0);
    }
    sql.execute("SELECT pg_stat_force_next_flush()").await.expect("asks");
    assert_eq!(
        number(
            &mut sql,
            "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        )
        .await,
        0
    );
}

/// Runs all remaining tasks successfully.
async fn drain(on: &StoreFixture) {
    on.until(async || {
        on.store.sweep(POLICY).await.expect("sweeps");
        let ids: Vec<_> = on.dispatch().await.iter().map(|message| message.task).collect();
        let (queued, _) =
            on.store.overdue(Queue::Light, Duration::ZERO, 1_000).await.expect("reads");
        let ids: Vec<_> =
            ids.into_iter().chain(queued.iter().map(|message| message.task)).collect();
        let claimed = on.store.claim(on.worker, &ids, SHORT * 100).await.expect("claims");
        let settle = |one: common::store::Claimed| Settlement {
            task: one.task,
            fence: one.fence,
            verdict: succeeded(json!(1)),
        };
        on.store
            .settle(on.worker, claimed.into_iter().flatten().map(settle).collect())
            .await
            .expect("settles");
        let open = on.store.demand(Queue::Light).await.expect("reads");
        let mut pending = 0;
        let filter = common::store::JobFilter::default();
        let page = on.store.list(&on.tenant, &filter, None, 1_000).await.expect("lists");
        for view in &page.items {
            pending += u32::from(matches!(view.status, JobStatus::Queued | JobStatus::Running));
        }
        (open.waiting + open.running == 0 && pending == 0).then_some(())
    })
    .await;
}

async fn check_counters(sql: &mut PgConnection) {
    for (what, query) in [
        (
            "open tasks of jobs",
            "SELECT count(*) FROM spool.jobs j
             WHERE j.open_tasks <> (SELECT count(*) FROM spool.tasks t WHERE t.job = j.id)",
        ),
        (
            "settled tasks of plans by kind",
            "SELECT count(*) FROM spool.plan_kinds k
             WHERE k.settled <> (SELECT count(*) FROM spool.history h
                                 WHERE h.job = k.job AND h.kind = k.kind AND NOT h.superseded)",
        ),
        (
            "items of batches",
            "SELECT count(*) FROM spool.batches b
             WHERE b.fulfilled <> (SELECT count(*) FROM spool.jobs j
                                   WHERE j.batch = b.id AND j.status = 'succeeded')
                OR b.rejected <> (SELECT count(*) FROM spool.jobs j
                                  WHERE j.batch = b.id AND j.unsuccessful)",
        ),
        (
            "needs left",
            "SELECT count(*) FROM spool.tasks t
             WHERE t.needs_left <> (SELECT count(*) FROM spool.edges e WHERE e.task = t.id)",
        ),
    ] {
        assert_eq!(number(sql, query).await, 0, "{what}");
    }
}
