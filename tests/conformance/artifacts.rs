//! The Artifacts' suite: a folder, and any object store (here one in memory) without what only a folder can do.

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
        each_artifacts!(@ folder, |root| std::sync::Arc::new(super::FolderArtifacts::open(root).unwrap()); $($behaviour),+);
        each_artifacts!(@ object, |_| {
            std::sync::Arc::new(super::ObjectArtifacts::new(std::sync::Arc::new(super::InMemory::new())))
        }; $($behaviour),+);
        each_artifacts!(@ cached, |root| crate::cache::disk::cached(root); $($behaviour),+);
    };
    (@ $place:ident, $open:expr; $($behaviour:ident),+) => {
        mod $place {
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

/// Larger than any buffer on the way.
fn large() -> Vec<u8> {
    (0..12_000_000u32).map(|index| index.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect()
}

async fn stored_bytes_are_found_by_their_hash(place: ArtifactsFixture) {
    for (bytes, media_type) in
        [(vec![], "text/plain"), (b"a".to_vec(), "video/mp4"), (large(), "image/png")]
    {
        let file = place.file("made", &bytes);
        let made = place.artifacts.put(&file, media_type).await.unwrap();
        assert_eq!(
            (made.hash, made.bytes, made.media_type.as_str()),
            (Digest::of(&bytes), bytes.len() as u64, media_type)
        );
        assert_eq!(place.artifacts.size(&made.hash).await.unwrap(), Some(made.bytes));
        assert_eq!(place.read(&made.hash, 0, made.bytes).await, Some(bytes));
    }
}

async fn the_same_bytes_are_one_artifact(place: ArtifactsFixture) {
    let first = place.put(b"twice").await;
    assert_eq!(place.put(b"twice").await, first);
    place.artifacts.delete(&[first]).await.unwrap();
    assert_eq!(place.artifacts.size(&first).await.unwrap(), None);
}

async fn a_range_is_read_without_the_rest(place: ArtifactsFixture) {
    let hash = place.put(b"0123456789").await;
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
            place.read(&hash, start, end).await,
            Some(expected.as_bytes().to_vec()),
            "{start}..{end}"
        );
    }
}

async fn a_missing_artifact_is_reported_as_missing(place: ArtifactsFixture) {
    let missing = Digest::of(b"missing");
    assert_eq!(place.artifacts.size(&missing).await.unwrap(), None);
    assert_eq!(place.read(&missing, 0, 1).await, None);
    assert!(!place.artifacts.fetch(&missing, &place.path("fetched")).await.unwrap());
    assert!(!place.path("fetched").exists());
    place.artifacts.delete(&[missing]).await.unwrap();
}

async fn a_fetched_file_has_the_bytes_and_is_a_new_file(place: ArtifactsFixture) {
    let bytes = large();
    let hash = place.put(&bytes).await;
    let to = place.path("fetched");
    assert!(place.artifacts.fetch(&hash, &to).await.unwrap());
    assert_eq!(fs::read(&to).unwrap(), bytes);
    // A file that is there already is nobody's to overwrite.
    let error = place.artifacts.fetch(&hash, &to).await.unwrap_err();
    assert!(error.to_string().contains("fetched"), "{error}");
    fs::remove_file(&to).unwrap();
    assert_eq!(place.artifacts.size(&hash).await.unwrap(), Some(bytes.len() as u64));
}

async fn a_deleted_artifact_is_gone_and_may_be_put_again(place: ArtifactsFixture) {
    let hashes = [place.put(b"one").await, Digest::of(b"missing"), place.put(b"two").await];
    let kept = place.put(b"kept").await;
    place.artifacts.delete(&hashes).await.unwrap();
    for hash in &hashes {
        assert_eq!(place.artifacts.size(hash).await.unwrap(), None);
    }
    assert_eq!(place.artifacts.size(&kept).await.unwrap(), Some(4));
    assert_eq!(place.put(b"one").await, hashes[0]);
    assert_eq!(place.read(&hashes[0], 0, 3).await, Some(b"one".to_vec()));
}

async fn a_missing_file_is_an_error_that_names_it(place: ArtifactsFixture) {
    let error = place.artifacts.put(&place.path("nowhere"), "text/plain").await.unwrap_err();
    assert!(error.to_string().contains("nowhere"), "{error}");
}

async fn many_puts_of_the_same_bytes_at_once_are_one_artifact(place: ArtifactsFixture) {
    let bytes = large();
    let files: Vec<PathBuf> =
        (0..8).map(|index| place.file(&format!("copy-{index}"), &bytes)).collect();
    let puts = files.iter().map(|file| place.artifacts.put(file, "video/mp4"));
    let made = futures::future::try_join_all(puts).await.unwrap();
    assert!(made.iter().all(|artifact| artifact.hash == Digest::of(&bytes)));
    assert_eq!(place.read(&made[0].hash, 0, u64::MAX).await, Some(bytes));
}

async fn healthy_storage_passes_its_check(place: ArtifactsFixture) {
    place.artifacts.check().await.unwrap();
}

fn folder_place() -> ArtifactsFixture {
    ArtifactsFixture::new(|root| artifacts::open(&format!("file://{}", root.display())).unwrap())
}

#[tokio::test]
async fn a_folder_takes_a_file_by_moving_it_and_gives_it_by_linking_it() {
    let place = folder_place();
    let file = place.file("made", b"moved");
    let inode = fs::metadata(&file).unwrap().ino();
    let hash = place.artifacts.put(&file, "video/mp4").await.unwrap().hash;
    assert!(!file.exists());
    let kept = place.artifacts.path(&hash).unwrap();
    let name = hash.to_string();
    assert!(
        kept.ends_with(Path::new(&name[..2]).join(&name[2..4]).join(&name)),
        "{}",
        kept.display()
    );
    assert_eq!(fs::metadata(&kept).unwrap().ino(), inode);
    place.artifacts.fetch(&hash, &place.path("out")).await.unwrap();
    assert_eq!(fs::metadata(place.path("out")).unwrap().ino(), inode);
    assert_eq!(
        fs::metadata(&kept).unwrap().permissions().mode() & 0o777,
        0o444,
        "what is kept is not written again"
    );
}

#[tokio::test]
async fn a_file_with_a_second_link_is_copied_because_the_other_may_be_written_to() {
    let place = folder_place();
    let file = place.file("made", b"shared");
    fs::hard_link(&file, place.path("second name")).unwrap();
    let hash = place.artifacts.put(&file, "video/mp4").await.unwrap().hash;
    fs::write(place.path("second name"), b"changed").unwrap();
    assert_eq!(place.read(&hash, 0, 99).await, Some(b"shared".to_vec()));
}

#[tokio::test]
async fn a_file_made_by_a_child_under_another_user_is_taken_over() {
    let place = folder_place();
    let file = place.file("made", b"by nobody");
    let ours = fs::metadata(&file).unwrap().uid();
    // Only root can give a file away; for anybody else there are no such children either.
    let _ = std::os::unix::fs::chown(&file, Some(65_534), None);
    let hash = place.artifacts.put(&file, "video/mp4").await.unwrap().hash;
    assert_eq!(fs::metadata(place.artifacts.path(&hash).unwrap()).unwrap().uid(), ours);
}

#[tokio::test]
async fn a_link_is_followed_and_not_kept() {
    let place = folder_place();
    let target = place.file("target", b"behind a link");
    std::os::unix::fs::symlink(&target, place.path("link")).unwrap();
    let hash = place.artifacts.put(&place.path("link"), "video/mp4").await.unwrap().hash;
    let kept = fs::symlink_metadata(place.artifacts.path(&hash).unwrap()).unwrap();
    assert!(kept.is_file());
    assert_eq!(place.read(&hash, 0, 99).await, Some(b"behind a link".to_vec()));
}

#[tokio::test]
async fn a_truncated_artifact_is_replaced_by_a_whole_one() {
    let place = folder_place();
    let hash = place.put(b"whole").await;
    let kept = place.artifacts.path(&hash).unwrap();
    fs::remove_file(&kept).unwrap();
    fs::write(&kept, b"who").unwrap();
    assert_eq!(place.put(b"whole").await, hash);
    assert_eq!(place.read(&hash, 0, 99).await, Some(b"whole".to_vec()));
}

#[tokio::test]
async fn nothing_is_left_in_staging() {
    let place = folder_place();
    let file = place.file("made", b"copied");
    fs::hard_link(&file, place.path("second name")).unwrap();
    place.artifacts.put(&file, "video/mp4").await.unwrap();
    place.artifacts.put(&place.path("second name"), "video/mp4").await.unwrap();
    place.artifacts.check().await.unwrap();
    assert_eq!(fs::read_dir(place.path("artifacts/staging")).unwrap().count(), 0);
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

async fn only_artifacts_not_put_for_a_while_are_retired(place: ArtifactsFixture) {
    let (hour, hash) = (Duration::from_secs(3600), place.put(b"to go").await);
    let other = place.put(b"another").await;
    let first = hash.0[0];
    assert_eq!(place.artifacts.slice(first, hour).await, Ok(vec![]));
    assert_eq!(place.artifacts.retire(&[hash, other], hour).await, Ok(0));
    assert!(place.artifacts.slice(first, Duration::ZERO).await.unwrap().contains(&hash));
    assert!(
        !place
            .artifacts
            .slice(first.wrapping_add(1), Duration::ZERO)
            .await
            .unwrap()
            .contains(&hash)
    );
    assert_eq!(place.artifacts.retire(&[hash, Digest::of(b"never")], Duration::ZERO).await, Ok(1));
    assert_eq!(
        (place.artifacts.size(&hash).await, place.artifacts.size(&other).await),
        (Ok(None), Ok(Some(7)))
    );
    assert_eq!(place.put(b"to go").await, hash);
    assert_eq!(place.artifacts.size(&hash).await, Ok(Some(5)));
}

/// The loser of the race is the removal: whoever put the file names it next.
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
