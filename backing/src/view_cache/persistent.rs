//! A view cache of one process whose shared values outlive the process, so that a second
//! `spool render` neither reads nor probes sources that have not changed.
//!
//! Views stay in memory, as the store has them. A file that is missing, truncated or expired counts
//! as a missing value.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::mpsc::{self, RecvTimeoutError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use common::{
    id::{Digest, JobId, TenantId},
    port::{
        PortResult,
        clock::Clock,
        view_cache::{ChangeStream, ViewCache, ViewCacheUsage},
    },
    view::JobView,
};

use super::local::LocalViewCache;
use crate::clock::SystemClock;

/// A [`LocalViewCache`] that also keeps each shared value in a file: eight bytes with the Unix time
/// at which it expires, then the value.
#[derive(Debug)]
pub struct PersistentViewCache {
    view_cache: LocalViewCache,
    folder: PathBuf,
    /// Ends the sweeps when it is dropped.
    _sweeping: mpsc::Sender<()>,
}

/// Bytes before the value.
const HEADER: usize = 8;
/// Time between two sweeps.
const SWEEP_EVERY: Duration = Duration::from_secs(600);

impl PersistentViewCache {
    /// A view cache over this folder, which is created when it is first written to. Expired files
    /// are removed in the background, now and every ten minutes.
    pub fn open(folder: PathBuf) -> Self {
        Self::swept_every(SWEEP_EVERY, folder)
    }

    fn swept_every(time: Duration, folder: PathBuf) -> Self {
        let (sweeping, dropped) = mpsc::channel();
        let to_sweep = folder.clone();
        std::thread::spawn(move || {
            remove_expired(&to_sweep);
            while dropped.recv_timeout(time) == Err(RecvTimeoutError::Timeout) {
                remove_expired(&to_sweep);
            }
        });
        Self { view_cache: LocalViewCache::new(), folder, _sweeping: sweeping }
    }

    fn path(&self, key: &str) -> PathBuf {
        self.folder.join(Digest::of(key.as_bytes()).to_string())
    }
}

#[async_trait]
impl ViewCache for PersistentViewCache {
    async fn put(&self, views: &[JobView]) -> PortResult<()> {
        self.view_cache.put(views).await
    }

    async fn get(&self, tenant: &TenantId, jobs: &[JobId]) -> PortResult<Vec<Option<JobView>>> {
        self.view_cache.get(tenant, jobs).await
    }

    async fn forget(&self, tenant: &TenantId, jobs: &[JobId]) -> PortResult<()> {
        self.view_cache.forget(tenant, jobs).await
    }

    async fn changes(&self) -> PortResult<Box<dyn ChangeStream>> {
        self.view_cache.changes().await
    }

    async fn cached(&self, key: &str) -> PortResult<Option<Bytes>> {
        if let Some(value) = self.view_cache.cached(key).await? {
            return Ok(Some(value));
        }
        let Ok(file) = tokio::fs::read(self.path(key)).await else { return Ok(None) };
        Ok(is_valid(&file).then(|| Bytes::from(file).slice(HEADER..)))
    }

    async fn cache(&self, key: &str, value: Bytes, ttl: Duration) -> PortResult<()> {
        let path = self.path(key);
        let file = [&(now() + ttl.as_secs()).to_le_bytes()[..], &value].concat();
        // A value that can't be written ends with the process.
        let written = tokio::task::spawn_blocking(move || write(&path, &file)).await;
        if let Ok(Err(error)) = written {
            tracing::debug!(%error, "a shared value could not be written to its file");
        }
        self.view_cache.cache(key, value, ttl).await
    }

    async fn usage(&self) -> PortResult<ViewCacheUsage> {
        self.view_cache.usage().await
    }

    async fn check(&self) -> PortResult<()> {
        self.view_cache.check().await
    }
}

fn now() -> u64 {
    u64::try_from(SystemClock.now().as_second()).unwrap_or_default()
}

/// Returns whether a file holds a value that has not expired.
fn is_valid(file: &[u8]) -> bool {
    let header = file.get(..HEADER).and_then(|header| header.try_into().ok());
    header.is_some_and(|header| u64::from_le_bytes(header) > now())
}

/// Reads the first bytes of a file, fewer if it is shorter than a header.
fn read_header(path: &Path) -> io::Result<Vec<u8>> {
    let mut header = Vec::with_capacity(HEADER);
    File::open(path)?.take(HEADER as u64).read_to_end(&mut header)?;
    Ok(header)
}

/// Writes a file under another name and renames it, so that it is there whole or not at all.
fn write(path: &Path, file: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder)?;
    let part = path.with_extension(format!("{}.part", uuid::Uuid::now_v7()));
    fs::write(&part, file).and_then(|()| fs::rename(&part, path)).inspect_err(|_| {
        let _ = fs::remove_file(&part);
    })
}

/// Removes expired files, and unfinished ones that are older than an hour.
fn remove_expired(folder: &Path) {
    let is_old = |path: &Path| match path.extension() {
        Some(_) => fs::metadata(path)
            .and_then(|meta| meta.modified())
            .is_ok_and(|at| at.elapsed().is_ok_and(|age| age > Duration::from_secs(3600))),
        None => read_header(path).is_ok_and(|header| !is_valid(&header)),
    };
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if is_old(&entry.path()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_value_outlives_its_process_until_it_expires() {
        let folder = tempfile::tempdir().expect("a folder");
        let view_cache = || PersistentViewCache::open(folder.path().join("values"));
        let first = view_cache();
        first
            .cache("a/b", Bytes::from_static(b"held"), Duration::from_secs(60))
            .await
            .expect("kept");
        first.cache("old", Bytes::from_static(b"gone"), Duration::ZERO).await.expect("kept");
        drop(first);
        let second = view_cache();
        assert_eq!(
            second.cached("a/b").await.expect("an answer"),
            Some(Bytes::from_static(b"held"))
        );
        assert_eq!(second.cached("old").await.expect("an answer"), None);
        fs::write(second.path("a/b"), b"cut").expect("written");
        assert_eq!(view_cache().cached("a/b").await.expect("an answer"), None);
    }

    #[tokio::test]
    async fn expired_files_are_removed_while_the_process_runs() {
        let folder = tempfile::tempdir().expect("a folder");
        let view_cache =
            PersistentViewCache::swept_every(Duration::from_millis(5), folder.path().into());
        let value = Bytes::from_static(b"held");
        view_cache.cache("kept", value.clone(), Duration::from_secs(60)).await.expect("kept");
        for key in ["old", "older"] {
            view_cache.cache(key, value.clone(), Duration::ZERO).await.expect("kept");
            let until = std::time::Instant::now() + Duration::from_secs(30);
            while view_cache.path(key).exists() {
                assert!(std::time::Instant::now() < until, "{key} is not removed");
                std::thread::yield_now();
            }
        }
        assert!(view_cache.path("kept").exists());
    }
}
