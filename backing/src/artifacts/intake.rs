//! Taking a file in: hashing it, and on a disk getting it to where it belongs whole or not at all.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::Path,
};

use common::{
    id::Digest,
    port::{PortError, PortResult},
};

use super::PART;

/// Large enough that a read costs its bytes and not its call.
const CHUNK: usize = 256 * 1024;
/// What lies under its hash is never written again, not through a link either.
const READ_ONLY: u32 = 0o444;

/// The hash of a file and its size in bytes.
pub(crate) fn digest(file: &Path) -> PortResult<(Digest, u64)> {
    let mut source = File::open(file).map_err(|error| unreadable(file, &error))?;
    pour(&mut source, &mut io::sink()).map_err(|error| unreadable(file, &error))
}

/// Returns whether a file may be moved in: a plain file on `root`'s file system that nobody else
/// has a name for.
pub(super) fn is_movable(file: &Path, root: &Path) -> PortResult<bool> {
    let meta = fs::symlink_metadata(file).map_err(|error| unreadable(file, &error))?;
    let home = fs::metadata(root).map_err(|error| unreadable(root, &error))?;
    Ok(meta.is_file()
        && meta.nlink() == 1
        && meta.dev() == home.dev()
        && belongs_to(file, &meta, home.uid()))
}

/// A file that a child made under another user is taken over; where that is not allowed it is copied instead, because its
/// owner could still write to it.
fn belongs_to(file: &Path, meta: &fs::Metadata, owner: u32) -> bool {
    meta.uid() == owner || chown(file, Some(owner), None).is_ok()
}

/// Copies a file to a new one and hashes it on the way.
pub(super) fn copy(file: &Path, to: &Path) -> PortResult<(Digest, u64)> {
    let mut source = File::open(file).map_err(|error| unreadable(file, &error))?;
    let mut target = File::create_new(to).map_err(|error| unwritable(to, &error))?;
    pour(&mut source, &mut target).map_err(|error| unwritable(to, &error))
}

/// Gives a whole file its name: on the disk first, then under the name, then the name on the disk.
pub(super) fn publish(file: &Path, to: &Path) -> PortResult<()> {
    let fault = |error: io::Error| unwritable(to, &error);
    fs::set_permissions(file, fs::Permissions::from_mode(READ_ONLY)).map_err(fault)?;
    File::open(file).and_then(|file| file.sync_all()).map_err(fault)?;
    let parent = to.parent().unwrap_or(to);
    make_folder(parent).map_err(fault)?;
    fs::rename(file, to).map_err(fault)?;
    sync_folder(parent).map_err(fault)
}

fn make_folder(folder: &Path) -> io::Result<()> {
    match fs::create_dir(folder) {
        Ok(()) => folder.parent().map_or(Ok(()), sync_folder),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let parent = folder.parent().ok_or(error)?;
            make_folder(parent)?;
            make_folder(folder)
        }
        Err(error) => Err(error),
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn pour(source: &mut impl Read, target: &mut impl Write) -> io::Result<(Digest, u64)> {
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

/// Runs file work where it may block.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> PortResult<T> + Send + 'static,
) -> PortResult<T> {
    tokio::task::spawn_blocking(work).await.map_err(|error| PortError::broken(PART, error))?
}

pub(super) fn unreadable(file: &Path, error: &io::Error) -> PortError {
    PortError::broken(PART, format!("{} can't be read: {error}", file.display()))
}

/// Mostly a full or read-only disk, which someone may mend.
pub(super) fn unwritable(file: &Path, error: &io::Error) -> PortError {
    PortError::unavailable(PART, format!("{} can't be written: {error}", file.display()))
}
