//! Unique jobs: of the same ones there is one, however many are posted at once.

use std::{collections::BTreeSet, time::Duration};

use common::{
    id::{Digest, JobId},
    rules::lifecycle::JobStatus,
    submission::{Acceptance, Idempotency, NewJob, Submission, Unique, Work},
};
use futures::future::join_all;
use serde_json::json;

use super::{
    builders::{job, only},
    each_store,
    fixture::StoreFixture,
};

each_store!(
    a_unique_job_is_answered_by_the_one_that_is_open,
    a_job_is_the_same_in_its_statuses_and_within_its_period,
    of_equal_unique_jobs_posted_at_once_one_is_stored,
    of_equal_unique_jobs_in_one_call_one_is_stored,
    a_call_that_is_answered_by_another_job_keeps_no_idempotency_key,
);

const HOUR: Duration = Duration::from_secs(3600);

fn unique(key: &str, period: Option<Duration>, statuses: &[JobStatus]) -> NewJob {
    let key = Digest::of(key.as_bytes());
    NewJob { unique: Some(Unique { key, period, statuses: statuses.to_vec() }), ..job() }
}

/// A job that is the same while one is open.
fn one_at_a_time() -> NewJob {
    unique("k", None, &[])
}

async fn answer(on: &StoreFixture, job: &NewJob) -> Acceptance {
    let submission = on.submission(Work::Job(job.clone()));
    on.try_accept(vec![submission]).await.expect("accepts").answers.remove(0)
}

async fn a_unique_job_is_answered_by_the_one_that_is_open(on: StoreFixture) {
    let (first, second, third) = (one_at_a_time(), one_at_a_time(), one_at_a_time());
    assert_eq!(answer(&on, &first).await, Acceptance::Stored);
    assert_eq!(answer(&on, &first).await, Acceptance::Stored, "a repeated call is no other job");
    assert_eq!(answer(&on, &second).await, Acceptance::Same(first.id));
    assert_eq!(on.try_job(second.id).await, None);
    assert_eq!(answer(&on, &unique("l", None, &[])).await, Acceptance::Stored, "of another key");
    let other = on.as_tenant("other");
    assert_eq!(answer(&other, &one_at_a_time()).await, Acceptance::Stored, "of another tenant");
    let claimed = on.start(only(&first)).await;
    assert_eq!(answer(&on, &second).await, Acceptance::Same(first.id), "it runs");
    on.succeed(&claimed, json!(1)).await;
    assert_eq!(answer(&on, &second).await, Acceptance::Stored);
    assert_eq!(answer(&on, &third).await, Acceptance::Same(second.id));
    on.run_badly(only(&second), "broken").await;
    assert_eq!(answer(&on, &third).await, Acceptance::Stored);
}

async fn a_job_is_the_same_in_its_statuses_and_within_its_period(on: StoreFixture) {
    let kept = || unique("k", Some(HOUR), &[JobStatus::Succeeded]);
    let first = kept();
    assert_eq!(answer(&on, &first).await, Acceptance::Stored);
    on.run(only(&first), json!(1)).await;
    assert_eq!(answer(&on, &kept()).await, Acceptance::Same(first.id));
    let failed = unique("k", Some(HOUR), &[JobStatus::Failed]);
    assert_eq!(answer(&on, &failed).await, Acceptance::Stored, "a success does not count for it");
    on.tick().await;
    let short = unique("k", Some(Duration::from_millis(1)), &[JobStatus::Failed]);
    assert_eq!(answer(&on, &short).await, Acceptance::Stored, "the period is over");
    on.run_badly(only(&short), "broken").await;
    let again = unique("k", Some(HOUR), &[JobStatus::Failed]);
    assert_eq!(answer(&on, &again).await, Acceptance::Same(short.id));
    assert_eq!(answer(&on, &kept()).await, Acceptance::Stored, "a failure does not count for it");
}

async fn of_equal_unique_jobs_posted_at_once_one_is_stored(on: StoreFixture) {
    for round in 0..20 {
        let post = |_| {
            let (on, job) = (on.clone(), unique(&round.to_string(), Some(HOUR), &[]));
            tokio::spawn(async move { (job.id, answer(&on, &job).await) })
        };
        let answers = join_all((0..16).map(post)).await;
        let answers = answers.into_iter().map(|answer| answer.expect("joins"));
        let (mut stored, mut same): (Vec<JobId>, BTreeSet<JobId>) = Default::default();
        for (id, answer) in answers {
            match answer {
                Acceptance::Stored => stored.push(id),
                Acceptance::Same(other) => drop(same.insert(other)),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(stored.len(), 1, "round {round}");
        assert_eq!(same.into_iter().collect::<Vec<_>>(), stored, "round {round}");
    }
}

async fn of_equal_unique_jobs_in_one_call_one_is_stored(on: StoreFixture) {
    let jobs = [one_at_a_time(), job(), one_at_a_time(), unique("l", None, &[]), one_at_a_time()];
    let submissions = jobs.iter().map(|job| on.submission(Work::Job(job.clone()))).collect();
    let accepted = on.try_accept(submissions).await.expect("accepts");
    let same = Acceptance::Same(jobs[0].id);
    let (stored, also) = (Acceptance::Stored, Acceptance::Stored);
    assert_eq!(accepted.answers, [stored, also, same.clone(), Acceptance::Stored, same]);
    let views: Vec<JobId> = accepted.changes.views.iter().map(|view| view.id).collect();
    let expected = [jobs[0].id, jobs[1].id, jobs[3].id];
    assert_eq!(BTreeSet::from_iter(views), BTreeSet::from(expected));
}

async fn a_call_that_is_answered_by_another_job_keeps_no_idempotency_key(on: StoreFixture) {
    let keyed = |job: &NewJob, key: &str| {
        let fingerprint = Digest::of(b"body");
        let answer = format!("answer {}", job.id);
        let idempotency = Idempotency { key: key.to_owned(), fingerprint, answer };
        Submission { idempotency: Some(idempotency), ..on.submission(Work::Job(job.clone())) }
    };
    let jobs: Vec<NewJob> = (0..5).map(|_| one_at_a_time()).collect();
    let calls = vec![keyed(&jobs[0], "a"), keyed(&job(), "b")];
    let answers = on.try_accept(calls).await.expect("accepts").answers;
    assert_eq!(answers, [Acceptance::Stored, Acceptance::Stored]);
    let calls = vec![keyed(&job(), "b"), keyed(&jobs[1], "c"), keyed(&job(), "d")];
    let answers = on.try_accept(calls).await.expect("accepts").answers;
    assert!(matches!(answers[0], Acceptance::Replayed(_)), "{answers:?}");
    assert_eq!(answers[1..], [Acceptance::Same(jobs[0].id), Acceptance::Stored]);
    let replayed = Acceptance::Replayed(format!("answer {}", jobs[0].id));
    let answers = on.try_accept(vec![keyed(&jobs[2], "a")]).await.expect("accepts").answers;
    assert_eq!(answers, std::slice::from_ref(&replayed), "its first call was stored");
    assert_eq!(answer(&on, &jobs[4]).await, Acceptance::Same(jobs[0].id), "a replay is no job");
    on.run(only(&jobs[0]), json!(1)).await;
    let answers = on.try_accept(vec![keyed(&jobs[2], "a")]).await.expect("accepts").answers;
    assert_eq!(answers, [replayed], "also after its job has ended");
    let answers = on.try_accept(vec![keyed(&jobs[3], "c")]).await.expect("accepts").answers;
    assert_eq!(answers, [Acceptance::Stored], "its first call was not");
    assert_eq!(answer(&on, &jobs[4]).await, Acceptance::Same(jobs[3].id));
}
