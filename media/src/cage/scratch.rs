//! Scratch folders: where a run's files stand until they are kept or thrown away.
//!
//! A folder is in use as long as somebody holds its lock, and a lock ends with the process that held it, however that
//! ended. So what a crash left behind is recognised without a list and without asking which process ids are alive.
//! The root has a lock of its own, held for the moment between making a folder and locking it: else a sweep in
//! that moment would take it for a leftover.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// The file whose lock stands for the root.
const ROOT_LOCK: &str = ".lock";

/// A folder of a run's own, empty at first, removed with all it holds when dropped.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    /// An open handle to the folder itself, with its lock.
    _lock: File,
}

impl Scratch {
    /// Makes a folder below `root`, which is made too where it is missing.
    ///
    /// # Errors
    /// Those of making and locking folders.
    pub fn create(root: &Path) -> io::Result<Self> {
        fs::create_dir_all(root)?;
        let root = root.canonicalize()?;
        let _guard = lock_root(&root)?;
        let path = fresh_folder(&root)?;
        let lock = File::open(&path)?;
        lock.lock()?;
        Ok(Self { path, _lock: lock })
    }

    /// Where it is: absolute, without links.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "a scratch folder could not be removed");
        }
    }
}

/// Removes the folders below `root` that nobody holds, and says how many.
///
/// # Errors
/// Those of reading and locking the root. A folder that can't be removed is logged and left.
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
            tracing::warn!(path = %path.display(), %error, "a leftover scratch folder could not be removed");
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

/// Under the root's lock, so the first free number stays free until it is taken.
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
    fn a_folder_goes_with_all_it_holds_when_its_owner_does() {
        let root = tempfile::tempdir().unwrap();
        let scratch = Scratch::create(root.path()).unwrap();
        let path = scratch.path().to_owned();
        fs::create_dir(path.join("inner")).unwrap();
        fs::write(path.join("inner/file"), b"x").unwrap();
        drop(scratch);
        assert!(!path.exists());
    }

    #[test]
    fn two_folders_at_once_are_two() {
        let root = tempfile::tempdir().unwrap();
        let (one, other) =
            (Scratch::create(root.path()).unwrap(), Scratch::create(root.path()).unwrap());
        assert_ne!(one.path(), other.path());
    }
}
