//! The conformance suite of artifacts: a folder, and an object store (in memory), which lacks the
//! operations of a folder.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use backing::artifacts::{self, folder::FolderArtifacts, object::ObjectArtifacts};
use common::{id::Digest, port::artifacts::Artifacts};
use futures::TryStreamExt;
use object_store::memory::InMemory;
use tempfile::TempDir;

/// Artifacts, and a scratch folder on the same disk.
struct ArtifactsFixture {
    artifacts: Arc<dyn Artifacts>,
    scratch: TempDir,
}

impl ArtifactsFixture {
    fn new(open: impl FnOnce(&Path) -> Arc<dyn Artifacts>) -> Self {
        let scratch = TempDir::new().unwrap();
        Self { artifacts: open(&scratch.path().join("artifacts")), scratch }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    async fn put(&self, bytes: &[u8]) -> Digest {
        let file = self.file("to-put", bytes);
        self.artifacts.put(&file, "text/plain").await.unwrap().hash
    }

    async fn read(&self, hash: &Digest, start: u64, end: u64) -> Option<Vec<u8>> {
        let chunks = self.artifacts.read(hash, start, end).await.unwrap()?;
        Some(chunks.try_collect::<Vec<_>>().await.unwrap().concat())
    }
}

macro_rules! each_artifacts {
    ($($behaviour:ident),+ $(,)?) => {
        each_artifacts!(@ folder, |root| {
            std::sync::Arc::new(super::FolderArtifacts::open(root).unwrap())
        }; $($behaviour),+);
        each_artifacts!(@ object, |_| {
            let store = std::sync::Arc::new(super::InMemory::new());
            std::sync::Arc::new(super::ObjectArtifacts::new(store))
        }; $($behaviour),+);
        each_artifacts!(@ cached, |root| crate::cache::disk::cached(root); $($behaviour),+);
    };
    (@ $adapter:ident, $open:expr; $($behaviour:ident),+) => {
        mod $adapter {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $behaviour() {
                super::$behaviour(super::ArtifactsFixture::new($open)).await;
            })+
        }
    };
}

each_artifacts! {
    stored_bytes_are_found_by_their_hash,
    the_same_bytes_are_one_artifact,
    a_range_is_read_without_the_rest,
    a_missing_artifact_is_reported_as_missing,
    a_fetched_file_has_the_bytes_and_is_a_new_file,
    a_deleted_artifact_is_gone_and_may_be_put_again,
    a_missing_file_is_an_error_that_names_it,
    many_puts_of_the_same_bytes_at_once_are_one_artifact,
    healthy_storage_passes_its_check,
    only_artifacts_not_put_for_a_while_are_retired,
}

/// Content larger than any buffer.
fn large() -> Vec<u8> {
    (0..12_000_000u32).map(|index| index.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect()
}

async fn stored_bytes_are_found_by_their_hash(fixture: ArtifactsFixture) {
    for (bytes, media_type) in
        [(vec![], "text/plain"), (b"a".to_vec(), "video/mp4"), (large(), "image/png")]
    {
        let file = fixture.file("made", &bytes);
        let made = fixture.artifacts.put(&file, media_type).await.unwrap();
        assert_eq!(
            (made.hash, made.bytes, made.media_type.as_str()),
            (Digest::of(&bytes), bytes.len() as u64, media_type)
        );
        assert_eq!(fixture.artifacts.size(&made.hash).await.unwrap(), Some(made.bytes));
        assert_eq!(fixture.read(&made.hash, 0, made.bytes).await, Some(bytes));
    }
}

async fn the_same_bytes_are_one_artifact(fixture: ArtifactsFixture) {
    let first = fixture.put(b"twice").await;
    assert_eq!(fixture.put(b"twice").await, first);
    fixture.artifacts.delete(&[first]).await.unwrap();
    assert_eq!(fixture.artifacts.size(&first).await.unwrap(), None);
}

async fn a_range_is_read_without_the_rest(fixture: ArtifactsFixture) {
    let hash = fixture.put(b"0123456789").await;
    let cases = [
        ((0, 10), "0123456789"),
        ((3, 5), "34"),
        ((9, 10), "9"),
        ((5, 5), ""),
        ((8, 99), "89"),
        ((10, 12), ""),
        ((40, 50), ""),
    ];
    for ((start, end), expected) in cases {
        assert_eq!(
            fixture.read(&hash, start, end).await,
            Some(expected.as_bytes().to_vec()),
            "{start}..{end}"
        );
    }
}

async fn a_missing_artifact_is_reported_as_missing(fixture: ArtifactsFixture) {
    let missing = Digest::of(b"missing");
    assert_eq!(fixture.artifacts.size(&missing).await.unwrap(), None);
    assert_eq!(fixture.read(&missing, 0, 1).await, None);
    assert!(!fixture.artifacts.fetch(&missing, &fixture.path("fetched")).await.unwrap());
    assert!(!fixture.path("fetched").exists());
    fixture.artifacts.delete(&[missing]).await.unwrap();
}

async fn a_fetched_file_has_the_bytes_and_is_a_new_file(fixture: ArtifactsFixture) {
    let bytes = large();
    let hash = fixture.put(&bytes).await;
    let to = fixture.path("fetched");
    assert!(fixture.artifacts.fetch(&hash, &to).await.unwrap());
    assert_eq!(fs::read(&to).unwrap(), bytes);
    // An existing file is never overwritten.
    let error = fixture.artifacts.fetch(&hash, &to).await.unwrap_err();
    assert!(error.to_string().contains("fetched"), "{error}");
    fs::remove_file(&to).unwrap();
    assert_eq!(fixture.artifacts.size(&hash).await.unwrap(), Some(bytes.len() as u64));
}

async fn a_deleted_artifact_is_gone_and_may_be_put_again(fixture: ArtifactsFixture) {
    let hashes = [fixture.put(b"one").await, Digest::of(b"missing"), fixture.put(b"two").await];
    let kept = fixture.put(b"kept").await;
    fixture.artifacts.delete(&hashes).await.unwrap();
    for hash in &hashes {
        assert_eq!(fixture.artifacts.size(hash).await.unwrap(), None);
    }
    assert_eq!(fixture.artifacts.size(&kept).await.unwrap(), Some(4));
    assert_eq!(fixture.put(b"one").await, hashes[0]);
    assert_eq!(fixture.read(&hashes[0], 0, 3).await, Some(b"one".to_vec()));
}

async fn a_missing_file_is_an_error_that_names_it(fixture: ArtifactsFixture) {
    let error = fixture.artifacts.put(&fixture.path("nowhere"), "text/plain").await.unwrap_err();
    assert!(error.to_string().contains("nowhere"), "{error}");
}

async fn many_puts_of_the_same_bytes_at_once_are_one_artifact(fixture: ArtifactsFixture) {
    let bytes = large();
    let files: Vec<PathBuf> =
        (0..8).map(|index| fixture.file(&format!("copy-{index}"), &bytes)).collect();
    let puts = files.iter().map(|file| fixture.artifacts.put(file, "video/mp4"));
    let made = futures::future::try_join_all(puts).await.unwrap();
    assert!(made.iter().all(|artifact| artifact.hash == Digest::of(&bytes)));
    assert_eq!(fixture.read(&made[0].hash, 0, u64::MAX).await, Some(bytes));
}

async fn healthy_storage_passes_its_check(fixture: ArtifactsFixture) {
    fixture.artifacts.check().await.unwrap();
}

fn folder_fixture() -> ArtifactsFixture {
    ArtifactsFixture::new(|root| artifacts::open(&format!("file://{}", root.display())).unwrap())
}

#[tokio::test]
async fn a_folder_takes_a_file_by_moving_it_and_gives_it_by_linking_it() {
    let fixture = folder_fixture();
    let file = fixture.file("made", b"moved");
    let inode = fs::metadata(&file).unwrap().ino();
    let hash = fixture.artifacts.put(&file, "video/mp4").await.unwrap().hash;
    assert!(!file.exists());
    let kept = fixture.artifacts.path(&hash).unwrap();
    let name = hash.to_string();
    assert!(
        kept.ends_with(Path::new(&name[..2]).join(&name[2..4]).join(&name)),
        "{}",
        kept.display()
    );
    assert_eq!(fs::metadata(&kept).unwrap().ino(), inode);
    fixture.artifacts.fetch(&hash, &fixture.path("out")).await.unwrap();
    assert_eq!(fs::metadata(fixture.path("out")).unwrap().ino(), inode);
    assert_eq!(
        fs::metadata(&kept).unwrap().permissions().mode() & 0o777,
        0o444,
        "what is kept is not written again"
    );
}

#[tokio::test]
async fn a_file_with_a_second_link_is_copied_because_the_other_may_be_written_to() {
    let fixture = folder_fixture();
    let file = fixture.file("made", b"shared");
    fs::hard_link(&file, fixture.path("second name")).unwrap();
    let hash = fixture.artifacts.put(&file, "video/mp4").await.unwrap().hash;
    fs::write(fixture.path("second name"), b"changed").unwrap();
    assert_eq!(fixture.read(&hash, 0, 99).await, Some(b"shared".to_vec()));
}

#[tokio::test]
async fn a_file_made_by_a_child_under_another_user_is_taken_over() {
    let fixture = folder_fixture();
    let file = fixture.file("made", b"by another user");
    let own_uid = fs::metadata(&file).unwrap().uid();
    // Only root can give a file away; for other users there are no such media processes either.
    let _ = std::os::unix::fs::chown(&file, Some(65_534), None);
    let hash = fixture.artifacts.put(&file, "video/mp4").await.unwrap().hash;
    assert_eq!(fs::metadata(fixture.artifacts.path(&hash).unwrap()).unwrap().uid(), own_uid);
}

#[tokio::test]
async fn a_link_is_followed_and_not_kept() {
    let fixture = folder_fixture();
    let target = fixture.file("target", b"behind a link");
    std::os::unix::fs::symlink(&target, fixture.path("link")).unwrap();
    let hash = fixture.artifacts.put(&fixture.path("link"), "video/mp4").await.unwrap().hash;
    let kept = fs::symlink_metadata(fixture.artifacts.path(&hash).unwrap()).unwrap();
    assert!(kept.is_file());
    assert_eq!(fixture.read(&hash, 0, 99).await, Some(b"behind a link".to_vec()));
}

#[tokio::test]
async fn a_truncated_artifact_is_replaced_by_a_whole_one() {
    let fixture = folder_fixture();
    let hash = fixture.put(b"whole").await;
    let kept = fixture.artifacts.path(&hash).unwrap();
    fs::remove_file(&kept).unwrap();
    fs::write(&kept, b"who").unwrap();
    assert_eq!(fixture.put(b"whole").await, hash);
    assert_eq!(fixture.read(&hash, 0, 99).await, Some(b"whole".to_vec()));
}

#[tokio::test]
async fn nothing_is_left_in_staging() {
    let fixture = folder_fixture();
    let file = fixture.file("made", b"copied");
    fs::hard_link(&file, fixture.path("second name")).unwrap();
    fixture.artifacts.put(&file, "video/mp4").await.unwrap();
    fixture.artifacts.put(&fixture.path("second name"), "video/mp4").await.unwrap();
    fixture.artifacts.check().await.unwrap();
    assert_eq!(fs::read_dir(fixture.path("artifacts/staging")).unwrap().count(), 0);
}

#[test]
fn an_address_that_names_no_folder_is_refused_with_the_remedy() {
    for wrong in [
        "",
        "artifacts",
        "/var/artifacts",
        "s3://bucket",
        "gs://bucket",
        "ftp://host/x",
        "file://host/x",
    ] {
        let sentence = artifacts::open(wrong).map(|_| ()).unwrap_err().to_string();
        assert!(sentence.contains("file:///"), "{wrong}: {sentence}");
    }
    let sentence = artifacts::open("file:///proc/no-folder").map(|_| ()).unwrap_err().to_string();
    assert!(sentence.contains("/proc/no-folder"), "{sentence}");
}

async fn only_artifacts_not_put_for_a_while_are_retired(fixture: ArtifactsFixture) {
    let (hour, hash) = (Duration::from_secs(3600), fixture.put(b"to go").await);
    let other = fixture.put(b"another").await;
    let first = hash.0[0];
    assert_eq!(fixture.artifacts.slice(first, hour).await, Ok(vec![]));
    assert_eq!(fixture.artifacts.retire(&[hash, other], hour).await, Ok(0));
    assert!(fixture.artifacts.slice(first, Duration::ZERO).await.unwrap().contains(&hash));
    assert!(
        !fixture
            .artifacts
            .slice(first.wrapping_add(1), Duration::ZERO)
            .await
            .unwrap()
            .contains(&hash)
    );
    assert_eq!(
        fixture.artifacts.retire(&[hash, Digest::of(b"never")], Duration::ZERO).await,
        Ok(1)
    );
    assert_eq!(
        (fixture.artifacts.size(&hash).await, fixture.artifacts.size(&other).await),
        (Ok(None), Ok(Some(7)))
    );
    assert_eq!(fixture.put(b"to go").await, hash);
    assert_eq!(fixture.artifacts.size(&hash).await, Ok(Some(5)));
}

/// The removal must lose the race: the process that put the file references it next.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_put_again_while_it_is_retired_is_there_afterwards() {
    let scratch = TempDir::new().unwrap();
    let artifacts = Arc::new(FolderArtifacts::open(&scratch.path().join("artifacts")).unwrap());
    let put = async |name: &str| {
        let file = scratch.path().join(name);
        fs::write(&file, b"raced for").unwrap();
        artifacts.put(&file, "text/plain").await.unwrap().hash
    };
    let (hash, hour) = (put("first").await, Duration::from_secs(3600));
    for _ in 0..300 {
        let held = fs::File::open(artifacts.path(&hash).unwrap()).unwrap();
        held.set_modified(SystemTime::now() - 2 * hour).unwrap();
        let retiring = tokio::spawn({
            let artifacts = artifacts.clone();
            async move { artifacts.retire(&[hash], hour).await }
        });
        put("again").await;
        retiring.await.unwrap().unwrap();
        assert_eq!(artifacts.size(&hash).await, Ok(Some(9)));
    }
}

#[tokio::test]
async fn an_artifact_being_retired_when_its_process_died_is_restored() {
    let scratch = TempDir::new().unwrap();
    let root = scratch.path().join("artifacts");
    let artifacts = FolderArtifacts::open(&root).unwrap();
    let file = scratch.path().join("to-put");
    fs::write(&file, b"kept").unwrap();
    let hash = artifacts.put(&file, "text/plain").await.unwrap().hash;
    fs::rename(
        artifacts.path(&hash).unwrap(),
        root.join("staging").join(format!("retired-{hash}")),
    )
    .unwrap();
    assert_eq!(artifacts.size(&hash).await, Ok(None));
    FolderArtifacts::open(&root).unwrap();
    assert_eq!(artifacts.size(&hash).await, Ok(Some(4)));
}
