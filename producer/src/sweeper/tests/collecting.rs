//! Files go when nothing names them, and not before.

use std::{fs, sync::Arc, time::Duration};

use backing::artifacts::folder::FolderArtifacts;
use common::{
    id::Digest,
    key::output_hash,
    limits::LEASE,
    outcome::{Settlement, Verdict},
    port::artifacts::Artifacts,
    queue::Queue,
    store::{Dispatch, Leases, Retention, Upkeep},
};
use serde_json::json;
use tempfile::TempDir;

use super::super::artifacts::Collector;
use crate::dispatcher::{Round, tests::Rig};

/// Looks at every slice.
async fn pass(collector: &Collector) -> u64 {
    let mut gone = 0;
    for _ in 0..=u8::MAX {
        gone += collector.run_once().await.unwrap();
    }
    gone
}

async fn put(
    artifacts: &FolderArtifacts,
    folder: &TempDir,
    text: &str,
) -> common::outcome::ArtifactRef {
    let file = folder.path().join("to-put");
    fs::write(&file, text).unwrap();
    artifacts.put(&file, "text/plain").await.unwrap()
}

async fn there(artifacts: &FolderArtifacts, hash: &Digest) -> bool {
    artifacts.size(hash).await.unwrap().is_some()
}

#[tokio::test]
async fn the_job_goes_first_and_the_bytes_a_while_later() {
    let rig = Rig::new().await;
    let folder = TempDir::new().unwrap();
    let artifacts = Arc::new(FolderArtifacts::open(&folder.path().join("artifacts")).unwrap());
    let (kept, loose) =
        (put(&artifacts, &folder, "kept").await, put(&artifacts, &folder, "loose").await);
    rig.slots(10).await;
    rig.submit(1).await;
    rig.dispatcher.run_once(&mut Round::new(Queue::Light)).await.unwrap();
    let messages = rig.store.overdue(Queue::Light, Duration::ZERO, 10).await.unwrap().0;
    let claimed =
        rig.store.claim(rig.worker, &[messages[0].task], LEASE).await.unwrap().remove(0).unwrap();
    let output = json!(1);
    let verdict = Verdict::Succeeded {
        hash: output_hash(&output),
        output,
        artifacts: vec![kept.clone()],
        grown: Vec::new(),
        memo: true,
    };
    rig.store
        .settle(rig.worker, vec![Settlement { task: claimed.task, fence: claimed.fence, verdict }])
        .await
        .unwrap();

    let quiet = Duration::from_millis(20);
    let collector = Collector::new(rig.store.clone(), artifacts.clone(), quiet);
    let patient = Collector::new(rig.store.clone(), artifacts.clone(), Duration::from_secs(3600));
    assert_eq!(pass(&patient).await, 0, "what was put just now is not even looked at");
    assert_eq!(artifacts.retire(&[loose.hash], Duration::from_secs(3600)).await, Ok(0));
    let mut gone = 0;
    while gone == 0 {
        gone = pass(&collector).await;
    }
    assert_eq!(
        (gone, there(&artifacts, &loose.hash).await, there(&artifacts, &kept.hash).await),
        (1, false, true)
    );
    rig.store
        .retain(Retention { jobs: Duration::ZERO, memos: Duration::ZERO, most: 100 })
        .await
        .unwrap();
    while there(&artifacts, &kept.hash).await {
        pass(&collector).await;
    }
    let again = put(&artifacts, &folder, "loose").await;
    assert!(there(&artifacts, &again.hash).await);
}
