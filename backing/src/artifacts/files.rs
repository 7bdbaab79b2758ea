//! File operations: hashing, copying, and moving a file to its final name whole or not at all.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::Path,
};

use common::{
    error::exhaustion,
    id::Digest,
    port::{PortError, PortResult},
};

use uuid::Uuid;

use super::address::PART;

/// Bytes of one read, large enough that the cost of a system call does not count.
const CHUNK: usize = 256 * 1024;
/// Mode of an artifact's file, which is never written again, not through a link either.
const READ_ONLY: u32 = 0o444;

/// Returns the hash of a file and its size in bytes.
pub(crate) fn digest(file: &Path) -> PortResult<(Digest, u64)> {
    let mut source = File::open(file).map_err(|error| unreadable(file, &error))?;
    copy_hashed(&mut source, &mut io::sink()).map_err(|error| unreadable(file, &error))
}

/// Returns whether a file may be moved into `root`: a plain file on the same file system with no
/// other name.
pub(super) fn is_movable(file: &Path, root: &Path) -> PortResult<bool> {
    let meta = fs::symlink_metadata(file).map_err(|error| unreadable(file, &error))?;
    let folder = fs::metadata(root).map_err(|error| unreadable(root, &error))?;
    Ok(meta.is_file()
        && meta.nlink() == 1
        && meta.dev() == folder.dev()
        && take_ownership(file, &meta, folder.uid()))
}

/// Makes `owner` the owner of a file, which a media process may have written as another user.
/// Returns `false` where that is not allowed: the file's owner could still write to it, so it must
/// be copied.
fn take_ownership(file: &Path, meta: &fs::Metadata, owner: u32) -> bool {
    meta.uid() == owner || chown(file, Some(owner), None).is_ok()
}

/// Copies a file to a new one and hashes it on the way.
pub(super) fn copy(file: &Path, to: &Path) -> PortResult<(Digest, u64)> {
    let mut source = File::open(file).map_err(|error| unreadable(file, &error))?;
    let mut target = File::create_new(to).map_err(|error| unwritable(to, &error))?;
    copy_hashed(&mut source, &mut target).map_err(|error| unwritable(to, &error))
}

/// Gives a complete file its final name: syncs the file, renames it, syncs the folder.
pub(super) fn publish(file: &Path, to: &Path) -> PortResult<()> {
    let failed = |error: io::Error| unwritable(to, &error);
    fs::set_permissions(file, fs::Permissions::from_mode(READ_ONLY)).map_err(failed)?;
    File::open(file).and_then(|file| file.sync_all()).map_err(failed)?;
    let parent = to.parent().unwrap_or(to);
    create_folder(parent).map_err(failed)?;
    fs::rename(file, to).map_err(failed)?;
    sync_folder(parent).map_err(failed)
}

/// Creates a folder with its parents, and syncs each.
fn create_folder(folder: &Path) -> io::Result<()> {
    match fs::create_dir(folder) {
        Ok(()) => folder.parent().map_or(Ok(()), sync_folder),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let parent = folder.parent().ok_or(error)?;
            create_folder(parent)?;
            create_folder(folder)
        }
        Err(error) => Err(error),
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn copy_hashed(source: &mut impl Read, target: &mut impl Write) -> io::Result<(Digest, u64)> {
    let mut hasher = blake3::Hasher::new();
    let mut chunk = vec![0; CHUNK];
    let mut total = 0;
    loop {
        match source.read(&mut chunk) {
            Ok(0) => return Ok((Digest(*hasher.finalize().as_bytes()), total)),
            Ok(count) => {
                hasher.update(&chunk[..count]);
                target.write_all(&chunk[..count])?;
                total += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Writes a file into a folder and removes it. If the folder is missing, the nearest one above it,
/// in which it can be made, is tried. Returns whether the folder exists.
pub(super) fn check_folder(folder: &Path) -> PortResult<bool> {
    let nearest = folder.ancestors().find(|folder| folder.exists()).unwrap_or(folder);
    let probe = nearest.join(format!(".spool-check-{}", Uuid::new_v4()));
    File::create_new(&probe)
        .and_then(|_| fs::remove_file(&probe))
        .map_err(|error| unwritable(nearest, &error))?;
    Ok(nearest == folder)
}

/// Runs blocking file operations on a thread of their own.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> PortResult<T> + Send + 'static,
) -> PortResult<T> {
    tokio::task::spawn_blocking(work).await.map_err(|error| PortError::broken(PART, error))?
}

pub(super) fn unreadable(file: &Path, error: &io::Error) -> PortError {
    let detail = format!("{} can't be read: {error}", file.display());
    match exhaustion(error) {
        Some(_) => PortError::from_io(PART, detail, error),
        None => PortError::broken(PART, detail),
    }
}

/// A transient error, since the reason is mostly a full or read-only disk, which may be mended.
pub(super) fn unwritable(file: &Path, error: &io::Error) -> PortError {
    PortError::from_io(PART, format!("{} can't be written: {error}", file.display()), error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_of_a_folder_leaves_nothing_behind() {
        let root = tempfile::tempdir().expect("a folder");
        let missing = root.path().join("a/b");
        assert_eq!(check_folder(root.path()).ok(), Some(true));
        assert_eq!(check_folder(&missing).ok(), Some(false));
        assert_eq!(fs::read_dir(root.path()).expect("a folder").count(), 0);
        fs::write(root.path().join("a"), "").expect("a file");
        assert!(check_folder(&missing).is_err(), "a file is in the way");
    }
}
