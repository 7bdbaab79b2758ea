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
/// How the names begin of what is being removed, in staging; the hash follows.
const RETIRED: &str = "retired-";
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
        let disk = LocalFileSystem::new_with_prefix(&root)
            .map_err(|error| PortError::broken(PART, error))?;
        let folder = Self { root, objects: ObjectArtifacts::new(Arc::new(disk)) };
        folder.sweep().map_err(|error| intake::unreadable(&folder.root, &error))?;
        Ok(folder)
    }

    /// What a process left in staging that died: intakes that will never end go, and what was being retired is brought back, because
    /// whether it had just been put again is not known any more.
    fn sweep(&self) -> io::Result<()> {
        let now = SystemTime::now();
        for entry in fs::read_dir(self.root.join(STAGING))?.flatten() {
            // Another process may be sweeping the same folder: what it did first is no fault.
            let name = entry.file_name();
            if let Some(hash) =
                name.to_str().and_then(|name| name.strip_prefix(RETIRED)?.parse().ok())
            {
                let _ = fs::rename(entry.path(), self.place(&hash));
            } else if put_at(&entry.path())
                .is_ok_and(|at| now.duration_since(at).unwrap_or_default() > ABANDONED_AFTER)
            {
                let _ = fs::remove_file(entry.path());
            }
        }
        Ok(())
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
        if renew(&place, bytes) {
            return fs::remove_file(file).map_err(|error| intake::unwritable(file, &error));
        }
        intake::publish(file, &place)
    }

    fn old_in(&self, first: u8, before: SystemTime) -> io::Result<Vec<Digest>> {
        let mut old = Vec::new();
        let Some(folders) = absent(fs::read_dir(self.root.join(format!("{first:02x}"))))? else {
            return Ok(old);
        };
        for folder in folders {
            let Some(files) = absent(fs::read_dir(folder?.path()))? else { continue };
            for file in files {
                let file = file?;
                let Some(hash) = file.file_name().to_str().and_then(|name| name.parse().ok())
                else {
                    continue;
                };
                // What goes while this looks is no longer old.
                if put_at(&file.path()).is_ok_and(|put| put < before) {
                    old.push(hash);
                }
            }
        }
        Ok(old)
    }

    /// Removes a file unless it was put again at `before` or later. It is moved aside first: from there its time is the last word, for
    /// whoever comes after that finds nothing to renew.
    fn retire_one(&self, hash: &Digest, before: SystemTime) -> io::Result<bool> {
        let (place, aside) =
            (self.place(hash), self.root.join(STAGING).join(format!("{RETIRED}{hash}")));
        if absent(put_at(&place))?.is_none_or(|put| put >= before)
            || absent(fs::rename(&place, &aside))?.is_none()
        {
            return Ok(false);
        }
        // Another process may retire the same, or open this folder and bring it back.
        match absent(put_at(&aside))? {
            Some(put) if put < before => Ok(absent(fs::remove_file(&aside))?.is_some()),
            // Back where it was; if somebody has written it anew meanwhile, it is the same.
            _ => absent(fs::rename(&aside, &place)).map(|_| false),
        }
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

    async fn slice(&self, first: u8, quiet: Duration) -> PortResult<Vec<Digest>> {
        let folder = self.clone();
        let look = move || {
            folder
                .old_in(first, before(quiet))
                .map_err(|error| intake::unreadable(&folder.root, &error))
        };
        intake::blocking(look).await
    }

    async fn retire(&self, hashes: &[Digest], quiet: Duration) -> PortResult<u64> {
        let (folder, hashes) = (self.clone(), hashes.to_vec());
        let retire = move || {
            let mut gone = 0;
            for hash in &hashes {
                let retired = folder.retire_one(hash, before(quiet));
                gone += u64::from(
                    retired.map_err(|error| intake::unwritable(&folder.place(hash), &error))?,
                );
            }
            Ok(gone)
        };
        intake::blocking(retire).await
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

/// Returns whether these bytes are here, and counted as put just now. What is being moved aside at
/// this moment does not count as here.
fn renew(place: &Path, bytes: u64) -> bool {
    let renewed = fs::File::open(place).and_then(|held| {
        held.set_modified(SystemTime::now())?;
        Ok(held.metadata()?.len() == bytes)
    });
    renewed.unwrap_or(false) && fs::metadata(place).is_ok_and(|held| held.len() == bytes)
}

fn put_at(file: &Path) -> io::Result<SystemTime> {
    fs::metadata(file)?.modified()
}

fn before(quiet: Duration) -> SystemTime {
    SystemTime::now().checked_sub(quiet).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// `None` where there is nothing.
fn absent<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Links a kept file to a new name, or copies it where the disk can't link.
fn hand_out(place: &Path, to: &Path) -> PortResult<bool> {
    if !place.try_exists().map_err(|error| intake::unreadable(place, &error))? {
        return Ok(false);
    }
    match fs::hard_link(place, to) {
        Ok(()) => Ok(true),
        Err(error)
            if matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound) =>
        {
            Err(intake::unwritable(to, &error))
        }
        // Another file system, too many links, or a system that forbids linking what another user owns.
        Err(_) => intake::copy(place, to).map(|_| true),
    }
}
