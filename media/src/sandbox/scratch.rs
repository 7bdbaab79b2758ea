//! Scratch folders, which hold a run's files until they are stored or deleted.
//!
//! A folder is in use as long as a process holds its lock, and the kernel releases a lock when its
//! process ends. So the leftovers of a crash are recognised without a list and without a check of
//! process ids. The root has its own lock, held between making a folder and locking it: otherwise a
//! sweep at that moment would take the folder for a leftover.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// The file whose lock is the lock of the root.
const ROOT_LOCK: &str = ".lock";

/// A folder for one run: empty at first, and deleted with its files when dropped.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    /// An open handle to the folder itself, which holds the lock.
    _lock: File,
}

impl Scratch {
    /// Makes a folder below `root`. A missing `root` is made too.
    ///
    /// # Errors
    /// Errors from making and locking folders.
    pub fn create(root: &Path) -> io::Result<Self> {
        fs::create_dir_all(root)?;
        let root = root.canonicalize()?;
        let _guard = lock_root(&root)?;
        let path = fresh_folder(&root)?;
        let lock = File::open(&path)?;
        lock.lock()?;
        Ok(Self { path, _lock: lock })
    }

    /// The absolute path, without symbolic links.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            let path = self.path.display();
            tracing::warn!(%path, %error, "a scratch folder could not be removed");
        }
    }
}

/// Deletes the folders below `root` that are not locked, and returns their number.
///
/// # Errors
/// Errors from reading and locking the root. A folder that can't be deleted is logged and left.
pub fn sweep(root: &Path) -> io::Result<usize> {
    if !root.exists() {
        return Ok(0);
    }
    let _guard = lock_root(root)?;
    let mut removed = 0;
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() && remove_if_free(&entry.path()) {
            removed += 1;
        }
    }
    Ok(removed)
}

fn remove_if_free(path: &Path) -> bool {
    let Ok(folder) = File::open(path) else {
        return false;
    };
    if folder.try_lock().is_err() {
        return false;
    }
    match fs::remove_dir_all(path) {
        Ok(()) => true,
        Err(error) => {
            let path = path.display();
            tracing::warn!(%path, %error, "a leftover scratch folder could not be removed");
            false
        }
    }
}

fn lock_root(root: &Path) -> io::Result<File> {
    let lock =
        File::options().create(true).truncate(false).write(true).open(root.join(ROOT_LOCK))?;
    lock.lock()?;
    Ok(lock)
}

/// Makes a folder with the first free number. The caller holds the root's lock.
fn fresh_folder(root: &Path) -> io::Result<PathBuf> {
    let process = std::process::id();
    let mut number = 0_u64;
    loop {
        let path = root.join(format!("{process}-{number}"));
        match fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_folder_in_use_survives_the_sweep_and_a_leftover_does_not() {
        let root = tempfile::tempdir().unwrap();
        let used = Scratch::create(root.path()).unwrap();
        let leftover = root.path().join("4711-0");
        fs::create_dir(&leftover).unwrap();
        fs::write(leftover.join("half.mp4"), b"x").unwrap();

        assert_eq!(sweep(root.path()).unwrap(), 1);
        assert!(used.path().is_dir());
        assert!(!leftover.exists());
    }

    #[test]
    fn a_dropped_folder_is_deleted_with_its_files() {
        let root = tempfile::tempdir().unwrap();
        let scratch = Scratch::create(root.path()).unwrap();
        let path = scratch.path().to_owned();
        fs::create_dir(path.join("inner")).unwrap();
        fs::write(path.join("inner/file"), b"x").unwrap();
        drop(scratch);
        assert!(!path.exists());
    }

    #[test]
    fn two_folders_at_once_have_different_paths() {
        let root = tempfile::tempdir().unwrap();
        let (one, other) =
            (Scratch::create(root.path()).unwrap(), Scratch::create(root.path()).unwrap());
        assert_ne!(one.path(), other.path());
    }
}
