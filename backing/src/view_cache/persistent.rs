//! A view cache of one process whose shared values outlive it: what sources held and what they are is known again at the next start, so that
//! a second `spool render` neither reads nor probes what has not changed.
//!
//! Views stay in memory: the store has them. A file that is lost, cut short or out of date is a value that was forgotten.

use std::{
    fs, io,
    path::{Path, PathBuf},
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

/// A [`LocalViewCache`] with its values in a folder as well, a file each: the second at which it ends in eight bytes, then the value.
#[derive(Debug)]
pub struct PersistentViewCache {
    view_cache: LocalViewCache,
    folder: PathBuf,
}

const HEAD: usize = 8;

impl PersistentViewCache {
    /// A view cache over this folder, which is made if it is missing. What has ended is cleared away beside the work.
    pub fn open(folder: PathBuf) -> Self {
        let swept = folder.clone();
        std::thread::spawn(move || sweep(&swept));
        Self { view_cache: LocalViewCache::new(), folder }
    }

    fn place(&self, key: &str) -> PathBuf {
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
        let Ok(file) = tokio::fs::read(self.place(key)).await else { return Ok(None) };
        Ok(left(&file).map(|_| Bytes::from(file).slice(HEAD..)))
    }

    async fn cache(&self, key: &str, value: Bytes, ttl: Duration) -> PortResult<()> {
        let place = self.place(key);
        let file = [&(now() + ttl.as_secs()).to_le_bytes()[..], &value].concat();
        // What can't be written is forgotten at the end of the process, as it always was.
        let written = tokio::task::spawn_blocking(move || write(&place, &file)).await;
        if let Ok(Err(error)) = written {
            tracing::debug!(%error, "a value is not kept beyond this process");
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

/// How long a file's value still holds; none where it has ended or the file is no value.
fn left(file: &[u8]) -> Option<Duration> {
    let ends = u64::from_le_bytes(file.get(..HEAD)?.try_into().ok()?);
    ends.checked_sub(now()).filter(|seconds| *seconds > 0).map(Duration::from_secs)
}

/// Beside its place first, so that a value is there whole or not at all.
fn write(place: &Path, file: &[u8]) -> io::Result<()> {
    let folder = place.parent().unwrap_or(place);
    fs::create_dir_all(folder)?;
    let part = place.with_extension(format!("{}.part", uuid::Uuid::now_v7()));
    fs::write(&part, file).and_then(|()| fs::rename(&part, place)).inspect_err(|_| {
        let _ = fs::remove_file(&part);
    })
}

/// Removes what has ended and what was never finished.
fn sweep(folder: &Path) {
    let old = |path: &Path| match path.extension() {
        Some(_) => fs::metadata(path)
            .and_then(|meta| meta.modified())
            .is_ok_and(|at| at.elapsed().is_ok_and(|age| age > Duration::from_secs(3600))),
        None => fs::read(path).is_ok_and(|file| left(&file).is_none()),
    };
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if old(&entry.path()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_value_outlives_its_process_and_ends_when_it_said() {
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
        fs::write(second.place("a/b"), b"cut").expect("written");
        assert_eq!(view_cache().cached("a/b").await.expect("an answer"), None);
    }
}
