//! The disk cache: what it holds, what it never serves, and what a killed process leaves of it.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use backing::{
    artifacts::{
        cached::{self, CachedArtifacts},
        folder::FolderArtifacts,
        object::ObjectArtifacts,
    },
    cache::disk::DiskCache,
};
use common::{id::Digest, port::artifacts::Artifacts};
use object_store::memory::InMemory;
use tempfile::{TempDir, tempdir};

use super::fixture::StillClock;
use crate::view_cache::fixture::BOUND;

/// A disk cache in a folder of its own.
struct DiskFixture {
    folder: TempDir,
    clock: Arc<StillClock>,
    cache: DiskCache,
    limit: u64,
}

const FILE: usize = 1_000;

/// The content of file `number`.
fn content(number: usize) -> Vec<u8> {
    let mut bytes = vec![0; FILE];
    blake3::Hasher::new().update(&number.to_be_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

fn hash(number: usize) -> Digest {
    Digest::of(&content(number))
}

fn keep(cache: &DiskCache, number: usize) -> bool {
    let staged = cache.stage().unwrap();
    fs::write(staged.file(), content(number)).unwrap();
    cache.keep(&staged, &hash(number)).unwrap()
}

impl DiskFixture {
    fn new(files: u64) -> Self {
        let (folder, clock, limit) = (tempdir().unwrap(), StillClock::new(), files * FILE as u64);
        let cache = DiskCache::open(&folder.path().join("cache"), limit, clock.clone()).unwrap();
        Self { folder, clock, cache, limit }
    }

    fn reopen(&mut self) {
        self.cache =
            DiskCache::open(&self.folder.path().join("cache"), self.limit, self.clock.clone())
                .unwrap();
    }

    fn keep(&self, number: usize) -> bool {
        self.clock.advance(Duration::from_secs(1));
        keep(&self.cache, number)
    }

    /// Fetches a file, removes the copy, and returns whether it was cached.
    fn has(&self, number: usize) -> bool {
        self.clock.advance(Duration::from_secs(1));
        let to = self.folder.path().join("out");
        let found = self.cache.fetch(&hash(number), &to).unwrap();
        if found {
            assert_eq!(
                fs::read(&to).unwrap(),
                content(number),
                "what is served is what was asked for"
            );
            fs::remove_file(to).unwrap();
        }
        found
    }

    fn file(&self, number: usize) -> PathBuf {
        let name = hash(number).to_string();
        self.folder.path().join("cache/files").join(&name[..2]).join(name)
    }
}

/// Bytes of the cached files.
fn on_disk(folder: &Path) -> u64 {
    let groups = fs::read_dir(folder.join("files")).unwrap();
    let files = groups.flat_map(|group| fs::read_dir(group.unwrap().path()).unwrap());
    files.map(|file| file.unwrap().metadata().unwrap().len()).sum()
}

#[test]
fn the_least_recently_used_files_are_evicted_above_the_limit() {
    let fixture = DiskFixture::new(10);
    assert!((0..10).all(|number| fixture.keep(number)));
    assert!(fixture.has(0), "used now, so not the next to go");
    assert!(fixture.keep(10));
    assert!(on_disk(&fixture.folder.path().join("cache")) <= fixture.limit);
    assert!(!fixture.has(1) && fixture.has(0) && fixture.has(9) && fixture.has(10));
    let usage = fixture.cache.usage();
    assert_eq!((usage.hits, usage.misses, usage.limit), (4, 1, fixture.limit));
    assert_eq!(usage.bytes, on_disk(&fixture.folder.path().join("cache")));
    assert_eq!(usage.entries * FILE as u64, usage.bytes);
    assert_eq!(usage.evicted, 11 - usage.entries);
}

#[test]
fn a_file_in_use_is_not_evicted_and_one_that_does_not_fit_is_not_stored() {
    let fixture = DiskFixture::new(3);
    let used: Vec<PathBuf> =
        (0..3).map(|number| fixture.folder.path().join(format!("used-{number}"))).collect();
    for (number, to) in used.iter().enumerate() {
        fixture.keep(number);
        assert!(fixture.cache.fetch(&hash(number), to).unwrap());
    }
    assert!(!fixture.keep(3), "all is in use");
    assert!((0..3).all(|number| fixture.has(number)));
    fs::remove_file(&used[1]).unwrap();
    assert!(fixture.keep(3));
    assert!(fixture.has(0) && !fixture.has(1) && fixture.has(2) && fixture.has(3));
    let staged = fixture.cache.stage().unwrap();
    fs::write(staged.file(), vec![1; 3 * FILE + 1]).unwrap();
    assert!(
        !fixture.cache.keep(&staged, &Digest::of(&vec![1; 3 * FILE + 1])).unwrap(),
        "larger than the cache"
    );
}

#[test]
fn stored_files_are_served_after_a_restart_whatever_became_of_the_ledger() {
    let mut fixture = DiskFixture::new(10);
    (0..5).for_each(|number| assert!(fixture.keep(number)));
    for torn in ["", "5", "5 50", "x y\n", "99 1\n"] {
        fs::write(fixture.folder.path().join("cache/ledger"), torn).unwrap();
        fixture.reopen();
        assert!((0..5).all(|number| fixture.has(number)), "{torn:?}");
        assert_eq!(fixture.cache.usage().bytes, 5 * FILE as u64, "{torn:?}");
    }
    fixture.limit = 2 * FILE as u64;
    fixture.reopen();
    assert_eq!(
        on_disk(&fixture.folder.path().join("cache")),
        2 * FILE as u64,
        "a lower limit holds at once"
    );
    assert!(fixture.has(3) && fixture.has(4), "and the oldest went");
}

#[test]
fn a_file_whose_content_does_not_match_its_name_is_never_served() {
    let damage: [fn(&Path); 4] = [
        |file| File::options().write(true).open(file).unwrap().set_len(FILE as u64 / 2).unwrap(),
        |file| File::options().write(true).open(file).unwrap().set_len(0).unwrap(),
        |file| File::options().append(true).open(file).unwrap().write_all(b"x").unwrap(),
        |file| {
            let mut bytes = fs::read(file).unwrap();
            bytes[FILE / 2] ^= 1;
            fs::remove_file(file).unwrap();
            fs::write(file, bytes).unwrap();
        },
    ];
    for (index, damage) in damage.into_iter().enumerate() {
        for restarts in [false, true] {
            let mut fixture = DiskFixture::new(10);
            fixture.keep(7);
            assert!(fixture.has(7));
            damage(&fixture.file(7));
            if restarts {
                fixture.reopen();
            }
            assert!(!fixture.has(7), "damage {index}, restarts: {restarts}");
            assert!(!fixture.file(7).exists() && !fixture.folder.path().join("out").exists());
            assert_eq!(fixture.cache.usage().corrupt, 1);
            assert!(fixture.keep(7) && fixture.has(7), "and may be kept again");
        }
    }
}

#[test]
fn unfinished_files_of_a_dead_process_are_removed_and_those_of_a_live_one_stay() {
    let fixture = DiskFixture::new(10);
    let staging = fixture.folder.path().join("cache/staging");
    fs::create_dir(staging.join("left")).unwrap();
    fs::write(staging.join("left/file"), b"half").unwrap();
    let staged = fixture.cache.stage().unwrap();
    let _other =
        DiskCache::open(&fixture.folder.path().join("cache"), fixture.limit, fixture.clock.clone())
            .unwrap();
    assert!(!staging.join("left").exists());
    fs::write(staged.file(), content(1)).unwrap();
    assert!(fixture.cache.keep(&staged, &hash(1)).unwrap());
    drop(staged);
    assert_eq!(fs::read_dir(staging).unwrap().count(), 0);
}

#[test]
fn several_processes_in_one_folder_stay_within_its_limit_and_serve_only_whole_files() {
    let fixture = DiskFixture::new(20);
    let root = fixture.folder.path().join("cache");
    std::thread::scope(|scope| {
        for process in 0..4 {
            let (root, out, clock) = (&root, fixture.folder.path(), &fixture.clock);
            scope.spawn(move || {
                let cache = DiskCache::open(root, 20 * FILE as u64, clock.clone()).unwrap();
                let to = out.join(format!("out-{process}"));
                for round in 0..150 {
                    let number = (round * 7 + process * 3) % 40;
                    clock.advance(Duration::from_millis(1));
                    if cache.fetch(&hash(number), &to).unwrap() {
                        assert_eq!(fs::read(&to).unwrap(), content(number));
                        fs::remove_file(&to).unwrap();
                    } else {
                        keep(&cache, number);
                    }
                    assert!(on_disk_locked(root) <= 20 * FILE as u64);
                }
            });
        }
    });
}

/// As [`on_disk`], while other processes use the folder: holds its lock, so that no file is added
/// for one that was counted and then evicted.
fn on_disk_locked(folder: &Path) -> u64 {
    let lock = File::open(folder.join("lock")).unwrap();
    lock.lock().unwrap();
    on_disk(folder)
}

/// Names the folder for the child process of the test below. The child is no test of its own.
const CHILD_FOLDER: &str = "SPOOL_TEST_DISK_CACHE";

#[test]
#[ignore = "run as a child of the next, which kills it"]
fn child_that_fills_a_folder_until_it_is_killed() {
    let Ok(folder) = std::env::var(CHILD_FOLDER) else { return };
    let cache = DiskCache::open(
        Path::new(&folder),
        30 * FILE as u64,
        Arc::new(backing::clock::SystemClock),
    )
    .unwrap();
    for number in 0.. {
        keep(&cache, number % 100);
    }
}

#[test]
fn a_folder_whose_process_is_killed_again_and_again_serves_only_whole_files_within_its_limit() {
    let fixture = DiskFixture::new(30);
    let root = fixture.folder.path().join("cache");
    for round in 0..8 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "--ignored",
                "cache::disk::child_that_fills_a_folder_until_it_is_killed",
            ])
            .env(CHILD_FOLDER, &root)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let (began, kept) = (Instant::now(), fixture.cache.usage().entries);
        // Waits until the child has written, then kills it at a different moment each time.
        while fixture.cache.usage().entries == kept && kept < 30 {
            assert!(began.elapsed() < BOUND, "the child does not work");
            std::thread::yield_now();
        }
        let until = Instant::now() + Duration::from_micros(700 * round + 300);
        while Instant::now() < until {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let cache = DiskCache::open(&root, fixture.limit, fixture.clock.clone()).unwrap();
        assert_eq!(fs::read_dir(root.join("staging")).unwrap().count(), 0);
        assert!(on_disk(&root) <= fixture.limit);
        assert_eq!(cache.usage().bytes, on_disk(&root));
        let to = fixture.folder.path().join("out");
        for number in 0..100 {
            if cache.fetch(&hash(number), &to).unwrap() {
                assert_eq!(fs::read(&to).unwrap(), content(number));
                fs::remove_file(&to).unwrap();
            }
        }
        assert_eq!(cache.usage().corrupt, 0, "a kill leaves nothing half-written under a hash");
    }
}

/// Artifacts in an object store with a disk cache in front, for the suite of all artifacts.
pub fn cached(root: &Path) -> Arc<dyn Artifacts> {
    let disk = DiskCache::open(root, 1 << 30, StillClock::new()).unwrap();
    Arc::new(CachedArtifacts::new(
        Arc::new(ObjectArtifacts::new(Arc::new(InMemory::new()))),
        Arc::new(disk),
    ))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_fetched_or_made_locally_are_served_when_the_artifacts_are_gone() {
    let folder = tempdir().unwrap();
    let far: Arc<dyn Artifacts> = Arc::new(ObjectArtifacts::new(Arc::new(InMemory::new())));
    let disk = Arc::new(
        DiskCache::open(&folder.path().join("cache"), 1 << 20, StillClock::new()).unwrap(),
    );
    let near = CachedArtifacts::new(Arc::clone(&far), Arc::clone(&disk));
    let file = |name: &str, number| {
        let path = folder.path().join(name);
        fs::write(&path, content(number)).unwrap();
        path
    };
    let made = near.put(&file("made", 1), "x/y").await.unwrap().hash;
    let found = far.put(&file("found", 2), "x/y").await.unwrap().hash;
    assert!(near.fetch(&found, &folder.path().join("first")).await.unwrap());
    far.delete(&[made, found]).await.unwrap();
    for (number, hash) in [(1, made), (2, found)] {
        let to = folder.path().join(format!("again-{number}"));
        assert!(near.fetch(&hash, &to).await.unwrap());
        assert_eq!(fs::read(to).unwrap(), content(number));
    }
    near.delete(&[made]).await.unwrap();
    assert!(
        !near.fetch(&made, &folder.path().join("gone")).await.unwrap(),
        "what is deleted is deleted near too"
    );
    assert_eq!((disk.usage().hits, disk.usage().misses), (2, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unusable_disk_cache_harms_nothing_and_one_beside_the_artifacts_is_left_out() {
    let folder = tempdir().unwrap();
    let disk = || {
        Arc::new(DiskCache::open(&folder.path().join("cache"), 1 << 20, StillClock::new()).unwrap())
    };
    let far: Arc<dyn Artifacts> = Arc::new(ObjectArtifacts::new(Arc::new(InMemory::new())));
    let near = CachedArtifacts::new(Arc::clone(&far), disk());
    fs::remove_dir_all(folder.path().join("cache")).unwrap();
    fs::write(folder.path().join("cache"), b"a file stands in the way").unwrap();
    let path = folder.path().join("file");
    fs::write(&path, content(1)).unwrap();
    let hash = near.put(&path, "x/y").await.unwrap().hash;
    let to = folder.path().join("to");
    assert!(near.fetch(&hash, &to).await.unwrap());
    assert_eq!(fs::read(to).unwrap(), content(1));
    fs::remove_file(folder.path().join("cache")).unwrap();

    assert!(cached::open(far, disk()).1.is_some(), "an object store is far");
    let beside: Arc<dyn Artifacts> =
        Arc::new(FolderArtifacts::open(&folder.path().join("artifacts")).unwrap());
    assert!(cached::open(beside, disk()).1.is_none(), "a folder on the same disk links by itself");
}
