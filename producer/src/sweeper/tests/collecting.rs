//! Files are removed when nothing refers to them, and not before.

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

use super::super::artifacts::ArtifactCollector;
use crate::dispatcher::{Round, tests::TestDispatcher};

/// Sweeps every slice.
async fn pass(collector: &ArtifactCollector) -> u64 {
    let mut removed = 0;
    for _ in 0..=u8::MAX {
        removed += collector.run_once().await.unwrap();
    }
    removed
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

async fn exists(artifacts: &FolderArtifacts, hash: &Digest) -> bool {
    artifacts.size(hash).await.unwrap().is_some()
}

#[tokio::test]
async fn the_job_is_removed_first_and_its_files_later() {
    let fixture = TestDispatcher::new().await;
    let folder = TempDir::new().unwrap();
    let artifacts = Arc::new(FolderArtifacts::open(&folder.path().join("artifacts")).unwrap());
    let (kept, loose) =
        (put(&artifacts, &folder, "kept").await, put(&artifacts, &folder, "loose").await);
    fixture.slots(10).await;
    fixture.submit(1).await;
    fixture.dispatcher.run_once(&mut Round::new(Queue::Light)).await.unwrap();
    let messages = fixture.store.overdue(Queue::Light, Duration::ZERO, 10).await.unwrap().0;
    let claimed = fixture
        .store
        .claim(fixture.worker, &[messages[0].task], LEASE)
        .await
        .unwrap()
        .remove(0)
        .unwrap();
    let output = json!(1);
    let verdict = Verdict::Succeeded {
        hash: output_hash(&output),
        output,
        artifacts: vec![kept.clone()],
        grown: Vec::new(),
        memo: true,
    };
    fixture
        .store
        .settle(
            fixture.worker,
            vec![Settlement { task: claimed.task, fence: claimed.fence, verdict }],
        )
        .await
        .unwrap();

    let quiet = Duration::from_millis(20);
    let collector = ArtifactCollector::new(fixture.store.clone(), artifacts.clone(), quiet);
    let patient =
        ArtifactCollector::new(fixture.store.clone(), artifacts.clone(), Duration::from_secs(3600));
    assert_eq!(pass(&patient).await, 0, "a recent file is not a candidate");
    assert_eq!(artifacts.retire(&[loose.hash], Duration::from_secs(3600)).await, Ok(0));
    let mut gone = 0;
    while gone == 0 {
        gone = pass(&collector).await;
    }
    assert_eq!(
        (gone, exists(&artifacts, &loose.hash).await, exists(&artifacts, &kept.hash).await),
        (1, false, true)
    );
    fixture
        .store
        .retain(Retention { jobs: Duration::ZERO, memos: Duration::ZERO, most: 100 })
        .await
        .unwrap();
    while exists(&artifacts, &kept.hash).await {
        pass(&collector).await;
    }
    let again = put(&artifacts, &folder, "loose").await;
    assert!(exists(&artifacts, &again.hash).await);
}
