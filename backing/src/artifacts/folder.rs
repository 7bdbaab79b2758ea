//! Artifacts in a folder: `ab/cd/<hash>` below a root, moved in and linked out.
//!
//! Reads and deletes are `object_store`'s own. Taking in is ours, because a rendered video is hundreds of MB that already lie on this
//! disk: reading it once for its hash and renaming it costs a third of copying it. What is not whole lies in `staging/` and is never
//! seen under a hash; leftovers of a crash are swept a day later, when the folder is next opened.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use bytes::Bytes;
use common::{
    id::Digest,
    outcome::ArtifactRef,
    port::{PortError, PortResult, artifacts::Artifacts},
};
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use uuid::Uuid;

use super::{PART, address, intake, object::ObjectArtifacts};

const STAGING: &str = "staging";
/// No intake takes this long: what is older was left by a process that died.
const ABANDONED_AFTER: Duration = Duration::from_secs(24 * 3600);

/// Content-addressed files in a folder of this machine.
#[derive(Debug, Clone)]
pub struct FolderArtifacts {
    root: PathBuf,
    objects: ObjectArtifacts,
}

impl FolderArtifacts {
    /// Opens the folder `root`, making it if it is missing.
    pub fn open(root: &Path) -> PortResult<Self> {
        fs::create_dir_all(root.join(STAGING)).map_err(|error| intake::unwritable(root, &error))?;
        let root = root.canonicalize().map_err(|error| intake::unreadable(root, &error))?;
        sweep(&root.join(STAGING)).map_err(|error| intake::unreadable(&root, &error))?;
        let disk = LocalFileSystem::new_with_prefix(&root).map_err(|error| PortError::broken(PART, error))?;
        Ok(Self { root, objects: ObjectArtifacts::new(Arc::new(disk)) })
    }

    fn place(&self, hash: &Digest) -> PathBuf {
        self.root.join(address(hash).as_ref())
    }

    fn take_in(&self, file: &Path) -> PortResult<(Digest, u64)> {
        if intake::is_movable(file, &self.root)? {
            let (hash, bytes) = intake::digest(file)?;
            self.keep(file, &hash, bytes)?;
            return Ok((hash, bytes));
        }
        let staged = Staged(self.root.join(STAGING).join(Uuid::new_v4().to_string()));
        let (hash, bytes) = intake::copy(file, &staged.0)?;
        self.keep(&staged.0, &hash, bytes)?;
        // It was ours to move, and its path is not used again; a leftover is its folder's business.
        let _ = fs::remove_file(file);
        Ok((hash, bytes))
    }

    /// Moves a whole file under its hash, or drops it if the same bytes are there.
    fn keep(&self, file: &Path, hash: &Digest, bytes: u64) -> PortResult<()> {
        let place = self.place(hash);
        if fs::metadata(&place).is_ok_and(|held| held.len() == bytes) {
            return fs::remove_file(file).map_err(|error| intake::unwritable(file, &error));
        }
        intake::publish(file, &place)
    }
}

#[async_trait]
impl Artifacts for FolderArtifacts {
    async fn put(&self, file: &Path, media_type: &str) -> PortResult<ArtifactRef> {
        let (folder, file) = (self.clone(), file.to_owned());
        let (hash, bytes) = intake::blocking(move || folder.take_in(&file)).await?;
        Ok(ArtifactRef { hash, bytes, media_type: media_type.to_owned() })
    }

    async fn size(&self, hash: &Digest) -> PortResult<Option<u64>> {
        self.objects.size(hash).await
    }

    async fn fetch(&self, hash: &Digest, to: &Path) -> PortResult<bool> {
        let (place, to) = (self.place(hash), to.to_owned());
        intake::blocking(move || hand_out(&place, &to)).await
    }

    async fn read(
        &self,
        hash: &Digest,
        start: u64,
        end: u64,
    ) -> PortResult<Option<BoxStream<'static, PortResult<Bytes>>>> {
        self.objects.read(hash, start, end).await
    }

    fn path(&self, hash: &Digest) -> Option<PathBuf> {
        Some(self.place(hash))
    }

    async fn delete(&self, hashes: &[Digest]) -> PortResult<()> {
        self.objects.delete(hashes).await
    }

    async fn check(&self) -> PortResult<()> {
        self.objects.check().await
    }
}

/// A file in staging, gone when this is dropped unless it was renamed away.
struct Staged(PathBuf);

impl Drop for Staged {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Links a kept file to a new name, or copies it where the disk can't link.
fn hand_out(place: &Path, to: &Path) -> PortResult<bool> {
    if !place.try_exists().map_err(|error| intake::unreadable(place, &error))? {
        return Ok(false);
    }
    match fs::hard_link(place, to) {
        Ok(()) => Ok(true),
        Err(error) if matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound) => {
            Err(intake::unwritable(to, &error))
        }
        // Another file system, too many links, or a system that forbids linking what another user owns.
        Err(_) => intake::copy(place, to).map(|_| true),
    }
}

fn sweep(staging: &Path) -> io::Result<()> {
    let now = SystemTime::now();
    for entry in fs::read_dir(staging)?.flatten() {
        let age =
            entry.metadata().and_then(|meta| meta.modified()).map(|at| now.duration_since(at).unwrap_or_default());
        if age.is_ok_and(|age| age > ABANDONED_AFTER) {
            // Another process may be sweeping the same folder.
            let _ = fs::remove_file(entry.path());
        }
    }
    Ok(())
}
