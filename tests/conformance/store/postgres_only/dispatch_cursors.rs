//! Dispatch cursors: in whatever order transactions commit, and by whatever path a
//! task becomes ready, no ready task is hidden from the dispatcher and no dispatched task is
//! forgotten.

use std::{collections::BTreeSet, time::Duration};

use common::{
    error::JobError,
    id::{TaskId, WorkerId},
    limits::LEASE,
    outcome::{Settlement, Verdict},
    queue::Queue,
    store::{Claimed, Target},
    submission::{NewBatch, NewJob, Priority, Work},
};
use serde_json::json;
use sqlx::{Connection, Executor, PgConnection};
use tokio::{sync::mpsc, task::JoinSet};

use super::{new_store, number};
use crate::store::{
    builders::{batch, equal, job, only, plan, step, succeeded},
    fixture::{POLICY, SHORT, StoreFixture},
};

/// Counts the ready tasks that no sub-queue of their dispatch cursor leads to, and the taken tasks
/// that it does not know, in one snapshot.
const HIDDEN: &str = "SELECT count(*) FROM spool.tasks t
    WHERE t.phase = 1 AND NOT EXISTS (
            SELECT FROM unnest(spool.sub_queues_of(t.queue)) l
            WHERE l.priority = t.priority AND l.tenant = t.tenant AND l.kind = t.kind
                AND l.since <= t.run_at
                AND l.batch = coalesce(t.limited_batch, '00000000-0000-0000-0000-000000000000'))
        OR t.phase = 2 AND NOT EXISTS (SELECT FROM spool.taken(t.queue) k WHERE k.id = t.id)";
/// Number of writes of a dispatch cursor that a waiting test causes, so that every earlier epoch is
/// over.
const WRITES: i64 = 12;

async fn writes(sql: &mut PgConnection) -> i64 {
    number(sql, "SELECT max(number) FROM spool.dispatch_cursors WHERE queue = 'light'").await
}

/// Runs other work until the dispatch cursor has been written [`WRITES`] times.
async fn run_others(on: &StoreFixture, sql: &mut PgConnection) {
    let until = writes(sql).await + WRITES;
    while writes(sql).await < until {
        let other = job();
        on.accept(&other).await;
        on.run(only(&other), json!(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_commit_is_not_hidden_by_later_submissions() {
    let (on, mut sql, url) = new_store().await;
    run_others(&on, &mut sql).await;
    let slow = plan(&[step("first"), step("last").after("first").result()]);
    let mut holder = PgConnection::connect(&url).await.expect("connects");
    // Its tasks and their ready events are written, and it is blocked before it can commit.
    holder.execute("BEGIN; LOCK TABLE spool.plan_kinds IN SHARE MODE").await.expect("locks");
    let accepting = tokio::spawn({
        let (on, slow) = (on.clone(), slow.clone());
        async move { on.accept(&slow).await }
    });
    on.until(async || {
        let mut sql = PgConnection::connect(&url).await.expect("connects");
        let waits = "SELECT count(*) FROM pg_stat_activity
            WHERE wait_event_type = 'Lock' AND datname = current_database()";
        (number(&mut sql, waits).await > 0).then_some(())
    })
    .await;
    run_others(&on, &mut sql).await;
    holder.execute("ROLLBACK").await.expect("ends");
    accepting.await.expect("joins");
    assert_eq!(number(&mut sql, HIDDEN).await, 0);
    let dispatched: BTreeSet<TaskId> =
        on.dispatch().await.into_iter().map(|message| message.task).collect();
    assert!(
        dispatched.contains(&only(&slow)),
        "it is older than the dispatch cursor's position, and found all the same"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_ready_again_far_behind_the_cursor_is_dispatched() {
    let (on, mut sql, _) = new_store().await;
    let old: Vec<NewJob> = (0..3).map(|_| job()).collect();
    for job in &old {
        on.accept(job).await;
    }
    on.dispatch().await;
    let released = on.claim(only(&old[1]), LEASE).await.expect("claims");
    let lost = on.claim(only(&old[2]), SHORT).await.expect("claims");
    run_others(&on, &mut sql).await;
    on.store.hand_back(&[only(&old[0])]).await.expect("hands back");
    on.store.release(on.worker, &[(released.task, released.fence)]).await.expect("releases");
    on.sweep_until_lost(POLICY).await;
    assert_eq!(number(&mut sql, HIDDEN).await, 0);
    let dispatched: BTreeSet<TaskId> =
        on.dispatch().await.into_iter().map(|message| message.task).collect();
    assert_eq!(dispatched, old.iter().map(only).collect());
    on.fail_stale(&lost).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_set_back_hides_no_task() {
    let (on, mut sql, _) = new_store().await;
    run_others(&on, &mut sql).await;
    sql.execute(
        "UPDATE spool.dispatch_cursors SET
             low_water = low_water + 3600000, epoch_at = epoch_at + 3600000,
             taken_since = taken_since + 3600000, written_at = written_at + 3600000,
             next_write_at = next_write_at + 3600000, full_scan_at = full_scan_at + 3600000",
    )
    .await
    .expect("as if all of it were an hour from now");
    let (first, second) = (job(), job());
    on.accept(&first).await;
    assert_eq!(on.dispatch().await[0].task, only(&first));
    on.accept(&second).await;
    assert_eq!(on.dispatch().await[0].task, only(&second));
    assert_eq!(number(&mut sql, HIDDEN).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drained_sub_queue_takes_no_turn() {
    let (on, mut sql, _) = new_store().await;
    let (b, c) = (on.as_tenant("b"), on.as_tenant("c"));
    let of_b = [job(), job(), job()];
    for job in &of_b {
        b.accept(job).await;
        on.tick().await;
    }
    let of_c = job();
    c.accept(&of_c).await;
    let dispatch = async |ahead| {
        on.store.dispatch(Queue::Light, ahead, 1).await.expect("dispatches").messages[0].task
    };
    assert_eq!(dispatch(1).await, only(&of_b[0]));
    sql.execute(
        "UPDATE spool.dispatch_cursors
         SET next_write_at = next_write_at + 3600000, full_scan_at = full_scan_at + 3600000",
    )
    .await
    .expect("no more writes");
    let rest = [dispatch(2).await, dispatch(3).await, dispatch(4).await];
    assert_eq!(
        rest,
        [only(&of_c), only(&of_b[1]), only(&of_b[2])],
        "the dispatch cursor still has c's sub-queue, which is empty"
    );
}

/// A pseudo-random generator (xorshift): the same numbers for the same seed.
struct TestRng(u64);

impl TestRng {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

fn some_job(chance: &mut TestRng) -> NewJob {
    let mut job = match chance.below(4) {
        0 => plan(&[step("a"), step("b").after("a"), step("c").despite("a").after("b").result()]),
        1 => equal(json!({ "value": chance.below(3) })),
        _ => job(),
    };
    job.priority = Priority([0, 5, 9][chance.below(3)]);
    for task in &mut job.tasks {
        task.queue = [Queue::Light, Queue::Render][chance.below(2)];
    }
    job
}

/// Acts on the store at random, as concurrent clients, dispatchers and workers do.
async fn act(on: StoreFixture, mut chance: TestRng) {
    let mut on = on.as_tenant(["a", "b", "c"][chance.below(3)]);
    on.worker = WorkerId::new();
    let mut jobs: Vec<NewJob> = Vec::new();
    for _ in 0..60 {
        match chance.below(6) {
            0 | 1 => {
                let job = some_job(&mut chance);
                on.accept(&job).await;
                jobs.push(job);
            }
            2 => {
                let some = [some_job(&mut chance), some_job(&mut chance), some_job(&mut chance)];
                on.accept_batch(&NewBatch { max_concurrent: Some(2), ..batch(&some) }).await;
            }
            3 if !jobs.is_empty() => {
                let job = jobs.swap_remove(chance.below(jobs.len()));
                on.store.cancel(&on.tenant, Target::Job(job.id)).await.expect("cancels");
            }
            4 => drop(on.store.sweep(POLICY).await.expect("sweeps")),
            _ => work(&on, &mut chance).await,
        }
    }
}

async fn work(on: &StoreFixture, chance: &mut TestRng) {
    let queue = [Queue::Light, Queue::Render][chance.below(2)];
    let messages = on
        .store
        .dispatch(queue, 50, 1 + chance.below(6) as u32)
        .await
        .expect("dispatches")
        .messages;
    let lease = if chance.below(4) == 0 { Duration::from_millis(5) } else { LEASE };
    for message in messages {
        if chance.below(5) == 0 {
            on.store.hand_back(&[message.task]).await.expect("hands back");
            continue;
        }
        let Some(claimed) = on.claim(message.task, lease).await else { continue };
        end(on, chance, &claimed).await;
    }
}

async fn end(on: &StoreFixture, chance: &mut TestRng, claimed: &Claimed) {
    let verdict = match chance.below(5) {
        0 => {
            return drop(
                on.store
                    .release(on.worker, &[(claimed.task, claimed.fence)])
                    .await
                    .expect("releases"),
            );
        }
        1 => Verdict::Retry {
            error: JobError::transient("again", "a test wants it"),
            pause: Duration::ZERO,
        },
        2 => Verdict::Failed(JobError::permanent("unwell", "a test wants it")),
        // Left running: its lease expires, or it is still running at the end.
        3 => return,
        _ => succeeded(json!(1)),
    };
    let settlement = Settlement { task: claimed.task, fence: claimed.fence, verdict };
    on.store.settle(on.worker, vec![settlement]).await.expect("settles");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_work_hides_no_ready_task_and_forgets_no_taken_one() {
    let (on, mut sql, _) = new_store().await;
    let seed = std::env::var("SPOOL_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(rand::random::<u64>() | 1);
    println!("SPOOL_SEED={seed}");
    let mut actors = JoinSet::new();
    let (ends, mut ended) = mpsc::channel::<()>(1);
    for actor in 0..6 {
        let (on, ends) = (on.clone(), ends.clone());
        actors.spawn(async move {
            act(on, TestRng(seed.wrapping_add(actor * 7919) | 1)).await;
            drop(ends);
        });
    }
    drop(ends);
    while ended.try_recv() != Err(mpsc::error::TryRecvError::Disconnected) {
        assert_eq!(number(&mut sql, HIDDEN).await, 0, "seed {seed}");
        tokio::task::yield_now().await;
    }
    while let Some(actor) = actors.join_next().await {
        actor.expect("seed above");
    }
    assert_eq!(number(&mut sql, HIDDEN).await, 0, "seed {seed}");
    on.dispatch().await;
    let limited = "SELECT count(*) FROM spool.tasks WHERE phase = 1 AND limited_batch IS NULL";
    assert_eq!(number(&mut sql, limited).await, 0, "all that is ready was dispatched, seed {seed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_submitted_while_another_connection_holds_a_transaction_open_is_dispatched() {
    let (on, mut sql, url) = new_store().await;
    let mut holder = PgConnection::connect(&url).await.expect("connects");
    holder
        .execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT pg_current_xact_id()")
        .await
        .expect("begins");
    run_others(&on, &mut sql).await;
    let last = job();
    on.store.accept(vec![on.submission(Work::Job(last.clone()))], &[]).await.expect("accepts");
    assert_eq!(on.dispatch().await.len(), 1);
    holder.execute("ROLLBACK").await.expect("ends");
}
