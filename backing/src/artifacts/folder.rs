//! Artifacts in a folder, as `ab/cd/<hash>` below a root. Files are moved in and linked out.
//!
//! `object_store` reads and deletes. It can't move a file in, and a rendered video has hundreds of
//! MB that are on this disk already: reading it once for its hash and renaming it costs a third of
//! copying it. Incomplete files are in `staging/`, never under a hash; leftovers of a crash are
//! removed when the folder is next opened, a day later or more.

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

use super::{
    address::{PART, address},
    files,
    object::ObjectArtifacts,
};

const STAGING: &str = "staging";
/// Prefix, before the hash, of the names of files in staging that are being removed.
const RETIRED: &str = "retired-";
/// Age past which a staged file is a leftover of a process that died: no put takes as long.
const ABANDONED_AFTER: Duration = Duration::from_secs(24 * 3600);

/// Content-addressed files in a folder of this machine.
#[derive(Debug, Clone)]
pub struct FolderArtifacts {
    root: PathBuf,
    objects: ObjectArtifacts,
}

impl FolderArtifacts {
    /// Opens the folder `root`, which is created if it is missing.
    pub fn open(root: &Path) -> PortResult<Self> {
        fs::create_dir_all(root.join(STAGING)).map_err(|error| files::unwritable(root, &error))?;
        let root = root.canonicalize().map_err(|error| files::unreadable(root, &error))?;
        let disk = LocalFileSystem::new_with_prefix(&root)
            .map_err(|error| PortError::broken(PART, error))?;
        let folder = Self { root, objects: ObjectArtifacts::new(Arc::new(disk)) };
        folder.recover_staging().map_err(|error| files::unreadable(&folder.root, &error))?;
        Ok(folder)
    }

    /// Cleans up after processes that died: removes abandoned files, and restores files that were
    /// being retired, because it is not known whether they had just been put again.
    fn recover_staging(&self) -> io::Result<()> {
        let now = SystemTime::now();
        for entry in fs::read_dir(self.root.join(STAGING))?.flatten() {
            // Errors are ignored, as another process may do the same at this moment.
            let name = entry.file_name();
            if let Some(hash) =
                name.to_str().and_then(|name| name.strip_prefix(RETIRED)?.parse().ok())
            {
                let _ = fs::rename(entry.path(), self.path_of(&hash));
            } else if put_at(&entry.path())
                .is_ok_and(|at| now.duration_since(at).unwrap_or_default() > ABANDONED_AFTER)
            {
                let _ = fs::remove_file(entry.path());
            }
        }
        Ok(())
    }

    fn path_of(&self, hash: &Digest) -> PathBuf {
        self.root.join(address(hash).as_ref())
    }

    /// Moves or copies a file in, and returns its hash and size.
    fn move_in(&self, file: &Path) -> PortResult<(Digest, u64)> {
        if files::is_movable(file, &self.root)? {
            let (hash, bytes) = files::digest(file)?;
            self.keep(file, &hash, bytes)?;
            return Ok((hash, bytes));
        }
        let staged = StagedFile(self.root.join(STAGING).join(Uuid::new_v4().to_string()));
        let (hash, bytes) = files::copy(file, &staged.0)?;
        self.keep(&staged.0, &hash, bytes)?;
        // The caller gave the file away. If it can't be removed, its folder is cleaned up
        // elsewhere.
        let _ = fs::remove_file(file);
        Ok((hash, bytes))
    }

    /// Moves a complete file under its hash, or removes it if the same bytes are there.
    fn keep(&self, file: &Path, hash: &Digest, bytes: u64) -> PortResult<()> {
        let kept = self.path_of(hash);
        if renew(&kept, bytes) {
            return fs::remove_file(file).map_err(|error| files::unwritable(file, &error));
        }
        files::publish(file, &kept)
    }

    /// Lists the hashes beginning with `first` that were put before a time.
    fn put_before(&self, first: u8, before: SystemTime) -> io::Result<Vec<Digest>> {
        let mut old = Vec::new();
        let Some(folders) = if_found(fs::read_dir(self.root.join(format!("{first:02x}"))))? else {
            return Ok(old);
        };
        for folder in folders {
            let Some(files) = if_found(fs::read_dir(folder?.path()))? else { continue };
            for file in files {
                let file = file?;
                let Some(hash) = file.file_name().to_str().and_then(|name| name.parse().ok())
                else {
                    continue;
                };
                // A file that was removed meanwhile is skipped.
                if put_at(&file.path()).is_ok_and(|put| put < before) {
                    old.push(hash);
                }
            }
        }
        Ok(old)
    }

    /// Removes a file unless it was put at `before` or later. It is moved aside first, so that its
    /// time is final: a later put finds no file to renew.
    fn retire_one(&self, hash: &Digest, before: SystemTime) -> io::Result<bool> {
        let kept = self.path_of(hash);
        let aside = self.root.join(STAGING).join(format!("{RETIRED}{hash}"));
        if if_found(put_at(&kept))?.is_none_or(|put| put >= before)
            || if_found(fs::rename(&kept, &aside))?.is_none()
        {
            return Ok(false);
        }
        // Another process may retire the same file, or open this folder and restore it.
        match if_found(put_at(&aside))? {
            Some(put) if put < before => Ok(if_found(fs::remove_file(&aside))?.is_some()),
            // Restored. A file that was written meanwhile has the same content.
            _ => if_found(fs::rename(&aside, &kept)).map(|_| false),
        }
    }
}

#[async_trait]
impl Artifacts for FolderArtifacts {
    async fn put(&self, file: &Path, media_type: &str) -> PortResult<ArtifactRef> {
        let (folder, file) = (self.clone(), file.to_owned());
        let (hash, bytes) = files::blocking(move || folder.move_in(&file)).await?;
        Ok(ArtifactRef { hash, bytes, media_type: media_type.to_owned() })
    }

    async fn size(&self, hash: &Digest) -> PortResult<Option<u64>> {
        self.objects.size(hash).await
    }

    async fn fetch(&self, hash: &Digest, to: &Path) -> PortResult<bool> {
        let (kept, to) = (self.path_of(hash), to.to_owned());
        files::blocking(move || link_out(&kept, &to)).await
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
        Some(self.path_of(hash))
    }

    async fn slice(&self, first: u8, quiet: Duration) -> PortResult<Vec<Digest>> {
        let folder = self.clone();
        let list = move || {
            folder
                .put_before(first, before(quiet))
                .map_err(|error| files::unreadable(&folder.root, &error))
        };
        files::blocking(list).await
    }

    async fn retire(&self, hashes: &[Digest], quiet: Duration) -> PortResult<u64> {
        let (folder, hashes) = (self.clone(), hashes.to_vec());
        let retire = move || {
            let mut removed = 0;
            for hash in &hashes {
                let retired = folder
                    .retire_one(hash, before(quiet))
                    .map_err(|error| files::unwritable(&folder.path_of(hash), &error))?;
                removed += u64::from(retired);
            }
            Ok(removed)
        };
        files::blocking(retire).await
    }

    async fn delete(&self, hashes: &[Digest]) -> PortResult<()> {
        self.objects.delete(hashes).await
    }

    async fn check(&self) -> PortResult<()> {
        self.objects.check().await
    }
}

/// A file in staging, removed when this is dropped unless it was renamed.
struct StagedFile(PathBuf);

impl Drop for StagedFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Sets a kept file's time to now, and returns whether it is there with `bytes` bytes. A file that
/// is being moved aside at this moment does not count.
fn renew(kept: &Path, bytes: u64) -> bool {
    let renewed = fs::File::open(kept).and_then(|file| {
        file.set_modified(SystemTime::now())?;
        Ok(file.metadata()?.len() == bytes)
    });
    renewed.unwrap_or(false) && fs::metadata(kept).is_ok_and(|file| file.len() == bytes)
}

/// The time at which a file was last put.
fn put_at(file: &Path) -> io::Result<SystemTime> {
    fs::metadata(file)?.modified()
}

fn before(quiet: Duration) -> SystemTime {
    SystemTime::now().checked_sub(quiet).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// Turns "not found" into `None`.
fn if_found<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Links a kept file to a new name, or copies it where the disk can't link.
fn link_out(kept: &Path, to: &Path) -> PortResult<bool> {
    if !kept.try_exists().map_err(|error| files::unreadable(kept, &error))? {
        return Ok(false);
    }
    match fs::hard_link(kept, to) {
        Ok(()) => Ok(true),
        Err(error)
            if matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound) =>
        {
            Err(files::unwritable(to, &error))
        }
        // Another file system, too many links, or a system that forbids linking another user's
        // file.
        Err(_) => files::copy(kept, to).map(|_| true),
    }
}
