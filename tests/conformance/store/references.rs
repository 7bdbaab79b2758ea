//! References to artifacts: the bytes of unreferenced ones are removed, so the store errs on the
//! side of keeping.

use std::time::Duration;

use common::{
    id::Digest,
    key,
    outcome::{ArtifactRef, Verdict},
    rules::lifecycle::TaskState,
    store::{Retention, Target},
    submission::NewJob,
};
use serde_json::json;

use super::{
    builders::{equal, job, only, plan, step, task},
    each_store,
    fixture::StoreFixture,
};

each_store!(
    a_stored_job_references_the_artifacts_of_its_tasks,
    a_memo_references_its_artifacts_after_the_job_is_gone,
    a_job_with_a_memo_hit_references_the_artifacts_of_the_memo,
    an_artifact_url_in_the_input_is_a_reference_while_the_job_is_stored,
    a_new_reference_restarts_the_unreferenced_time,
    a_memo_with_a_lost_file_is_forgotten_and_its_work_repeated,
);

const QUIET: Duration = Duration::from_millis(1);

fn artifact(seed: &str) -> ArtifactRef {
    ArtifactRef { hash: Digest::of(seed.as_bytes()), bytes: 3, media_type: "text/plain".into() }
}

fn made(artifacts: &[ArtifactRef]) -> Verdict {
    let output = json!({ "made": artifacts.len() });
    Verdict::Succeeded {
        hash: key::output_hash(&output),
        output,
        artifacts: artifacts.to_vec(),
        grown: Vec::new(),
        memo: true,
    }
}

async fn run(on: &StoreFixture, job: &NewJob, artifacts: &[ArtifactRef]) {
    on.accept(job).await;
    let claimed = on.start(only(job)).await;
    on.count(&claimed, made(artifacts)).await;
}

/// Asks twice, with a while in between: at first no artifact has been unreferenced for any time.
async fn unreferenced(on: &StoreFixture, artifacts: &[ArtifactRef]) -> Vec<Digest> {
    let hashes: Vec<Digest> = artifacts.iter().map(|artifact| artifact.hash).collect();
    on.store.unreferenced(&hashes, Duration::from_secs(3600)).await.expect("answers");
    on.tick().await;
    on.tick().await;
    on.store.unreferenced(&hashes, QUIET).await.expect("answers")
}

async fn forget(on: &StoreFixture, jobs: Duration, memos: Duration) {
    on.tick().await;
    on.tick().await;
    on.store.retain(Retention { jobs, memos, most: 100 }).await.expect("retains");
}

const HOUR: Duration = Duration::from_secs(3600);

async fn a_stored_job_references_the_artifacts_of_its_tasks(on: StoreFixture) {
    let (mine, loose) = (artifact("mine"), artifact("loose"));
    let job = plan(&[step("part"), step("end").after("part").result()]);
    on.accept(&job).await;
    let part = on.start(task(&job, "part")).await;
    on.count(&part, made(&[mine.clone(), mine.clone()])).await;
    let asked = [mine.clone(), loose.clone()];
    assert_eq!(unreferenced(&on, &asked).await, [loose.hash], "the job is open");
    on.run_badly(task(&job, "end"), "x").await;
    assert_eq!(unreferenced(&on, &asked).await, [loose.hash], "the job is kept");
    on.retry(Target::Job(job.id)).await;
    forget(&on, Duration::ZERO, HOUR).await;
    assert_eq!(unreferenced(&on, &asked).await, [loose.hash], "what runs again is not forgotten");
    on.cancel(Target::Job(job.id)).await;
    forget(&on, Duration::ZERO, HOUR).await;
    assert_eq!(unreferenced(&on, std::slice::from_ref(&mine)).await, [mine.hash]);
    assert_eq!(unreferenced(&on, &[]).await, []);
}

async fn a_memo_references_its_artifacts_after_the_job_is_gone(on: StoreFixture) {
    let mine = artifact("mine");
    run(&on, &equal(json!({"a": 1})), std::slice::from_ref(&mine)).await;
    forget(&on, Duration::ZERO, HOUR).await;
    assert_eq!(unreferenced(&on, std::slice::from_ref(&mine)).await, []);
    forget(&on, Duration::ZERO, Duration::ZERO).await;
    assert_eq!(unreferenced(&on, std::slice::from_ref(&mine)).await, [mine.hash]);
    on.store.forget_unreferenced(&[mine.hash]).await.expect("forgets");
    assert_eq!(
        on.store.unreferenced(&[mine.hash], QUIET).await.expect("answers"),
        [],
        "it is seen for the first time"
    );
}

async fn a_job_with_a_memo_hit_references_the_artifacts_of_the_memo(on: StoreFixture) {
    let mine = artifact("mine");
    run(&on, &equal(json!({"a": 1})), std::slice::from_ref(&mine)).await;
    forget(&on, Duration::ZERO, HOUR).await;
    on.accept(&equal(json!({"a": 1}))).await;
    forget(&on, HOUR, Duration::ZERO).await;
    assert_eq!(
        unreferenced(&on, std::slice::from_ref(&mine)).await,
        [],
        "the memo is gone, the job is there"
    );
    forget(&on, Duration::ZERO, Duration::ZERO).await;
    assert_eq!(unreferenced(&on, std::slice::from_ref(&mine)).await, [mine.hash]);
}

async fn an_artifact_url_in_the_input_is_a_reference_while_the_job_is_stored(on: StoreFixture) {
    let (one, two) = (artifact("one"), artifact("two"));
    let url = |artifact: &ArtifactRef| format!("artifact://{}", artifact.hash);
    let clips = json!([{"src": url(&one)}, {"src": "artifact://x", "b": url(&two)}]);
    let input = json!({ "clips": clips });
    let job = NewJob { input, ..job() };
    on.accept(&job).await;
    let asked = [one, two];
    assert_eq!(unreferenced(&on, &asked).await, []);
    on.cancel(Target::Job(job.id)).await;
    forget(&on, Duration::ZERO, HOUR).await;
    assert_eq!(unreferenced(&on, &asked).await.len(), 2);
}

async fn a_new_reference_restarts_the_unreferenced_time(on: StoreFixture) {
    let mine = artifact("mine");
    assert_eq!(unreferenced(&on, std::slice::from_ref(&mine)).await, [mine.hash]);
    let job = job();
    run(&on, &job, std::slice::from_ref(&mine)).await;
    assert_eq!(unreferenced(&on, std::slice::from_ref(&mine)).await, []);
    forget(&on, Duration::ZERO, HOUR).await;
    let first =
        on.store.unreferenced(&[mine.hash], Duration::from_millis(1)).await.expect("answers");
    assert_eq!(first, [], "it counts from now, not from the first time");
}

async fn a_memo_with_a_lost_file_is_forgotten_and_its_work_repeated(on: StoreFixture) {
    let (lost, other) = (artifact("lost"), artifact("other"));
    run(&on, &equal(json!({"a": 1})), &[lost.clone(), other.clone()]).await;
    run(&on, &equal(json!({"a": 2})), std::slice::from_ref(&other)).await;
    let remembered = async |artifact: &ArtifactRef| {
        let found = on.store.memo_artifacts(artifact.hash.0[0]).await.expect("answers");
        found.iter().filter(|hash| **hash == artifact.hash).count()
    };
    assert_eq!(
        (remembered(&lost).await, remembered(&other).await),
        (1, 1),
        "each once, however many name it"
    );
    assert_eq!(on.store.forget_memos(&[lost.hash]).await.expect("forgets"), 1);
    assert_eq!((remembered(&lost).await, remembered(&other).await), (0, 1));
    let (again, known) = (equal(json!({"a": 1})), equal(json!({"a": 2})));
    on.accept(&again).await;
    on.accept(&known).await;
    assert_ne!(on.state(only(&again)).await, TaskState::Succeeded);
    assert_eq!(on.state(only(&known)).await, TaskState::Succeeded);
    assert_eq!(on.store.forget_memos(&[lost.hash]).await.expect("forgets"), 0, "twice is once");
}
