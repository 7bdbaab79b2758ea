//! Scratch folders, which hold a run's files until they are stored or deleted.
//!
//! A folder is in use as long as a process holds its lock, and the kernel releases a lock when its
//! process ends. So the leftovers of a crash are recognised without a list and without a check of
//! process ids. The root has its own lock, held between making a folder and locking it: otherwise a
//! sweep at that moment would take the folder for a leftover.
//!
//! The root belongs to this user, and nobody else may enter it. In a shared folder such as `/tmp`
//! another user may prepare what a fixed name leads to; so nothing is followed or used there that
//! this user does not own.
//!
//! In a run's folder, the media process may write to one part and only read the other. The inputs
//! are in the second, mostly as further names of stored artifacts: a process that could write there
//! would change the artifacts themselves. Copies would protect them as well, at the price of
//! writing every source once more for each segment.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use landlock::{ABI, Access, AccessFs, CompatLevel, Compatible, Ruleset, RulesetAttr};
use rustix::process::geteuid;

/// The file whose lock is the lock of the root.
const ROOT_LOCK: &str = ".lock";

/// A folder for one run: empty at first, and deleted with its files when dropped.
#[derive(Debug)]
pub struct Scratch {
    folder: PathBuf,
    outputs: PathBuf,
    inputs: PathBuf,
    /// An open handle to the folder itself, which holds the lock.
    _lock: File,
}

impl Scratch {
    /// Makes a folder below `root`, which is made as by [`private_folder`] first.
    ///
    /// # Errors
    /// Errors from making and locking folders, and a root that is not private.
    pub fn create(root: &Path) -> io::Result<Self> {
        private_folder(root)?;
        let root = root.canonicalize()?;
        let _guard = lock_root(&root)?;
        let folder = fresh_folder(&root)?;
        let lock = open_folder(&folder)?;
        lock.lock()?;
        let (outputs, inputs) = (folder.join("outputs"), folder.join("inputs"));
        let scratch = Self { folder, outputs, inputs, _lock: lock };
        DirBuilder::new().mode(0o700).create(&scratch.outputs)?;
        DirBuilder::new().mode(private_mode()).create(&scratch.inputs)?;
        Ok(scratch)
    }

    /// The folder that the media process may write to: an absolute path, without symbolic links.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.outputs
    }

    /// The folder for files that media processes read and this process alone makes.
    #[must_use]
    pub fn inputs(&self) -> &Path {
        &self.inputs
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            let path = self.folder.display();
            tracing::warn!(%path, %error, "a scratch folder could not be removed");
        }
    }
}

/// The root for scratch folders of a process that has no data folder: one per user, in the
/// temporary folder.
///
/// # Errors
/// The user's folder can't be made, or is not private to the user.
pub fn user_root() -> io::Result<PathBuf> {
    let folder = std::env::temp_dir().join(format!("spool-{}", geteuid().as_raw()));
    private_folder(&folder)?;
    Ok(folder.join("scratch"))
}

/// Makes a folder that only this user may enter, with its parents. One that exists becomes private
/// if this user owns it.
///
/// # Errors
/// The folder can't be made. Or it is a link, or belongs to another user, who could exchange the
/// files in it.
pub fn private_folder(path: &Path) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    match DirBuilder::new().mode(private_mode()).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let folder = open_folder(path).map_err(|error| {
        let remedy = "it must be a folder and not a link: remove it, or name another folder";
        io::Error::new(error.kind(), format!("{error} ({remedy})"))
    })?;
    let meta = folder.metadata()?;
    refuse_others(path, meta.uid())?;
    // The bits of the owner and the sticky bit are the owner's affair.
    let narrowed = meta.mode() & (0o7700 | private_mode());
    match narrowed == meta.mode() & 0o7777 {
        true => Ok(()),
        false => folder.set_permissions(Permissions::from_mode(narrowed)),
    }
}

fn refuse_others(path: &Path, owner: u32) -> io::Result<()> {
    let user = geteuid().as_raw();
    if owner == user {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::PermissionDenied,
        format!(
            "{} belongs to user {owner}, who could exchange the files in it, and not to user \
             {user}: remove it, or name a folder of your own",
            path.display()
        ),
    ))
}

/// Mode of a private folder. Root's media processes run as the user nobody. Where file rules can't
/// limit what they read, they give up the right to enter every folder, and so need this one to let
/// them pass.
fn private_mode() -> u32 {
    if geteuid().is_root() && !has_file_rules() { 0o711 } else { 0o700 }
}

fn has_file_rules() -> bool {
    Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V1))
        .and_then(|rules| rules.create())
        .is_ok()
}

/// Deletes the folders below `root` that are not locked, and returns their number.
///
/// # Errors
/// Errors from reading and locking the root, and a root that is not private. A folder that can't be
/// deleted is logged and left.
pub fn sweep(root: &Path) -> io::Result<usize> {
    if !root.exists() {
        return Ok(0);
    }
    private_folder(root)?;
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
    let Ok(folder) = open_folder(path) else {
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

/// Opens a folder, and not one behind a link.
pub(super) fn open_folder(path: &Path) -> io::Result<File> {
    let flags = libc::O_DIRECTORY | libc::O_NOFOLLOW;
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

/// Locks the root. The lock's file is not followed if it is a link, and not waited for if it is a
/// pipe: any user who could enter the root before it was private may have left either.
fn lock_root(root: &Path) -> io::Result<File> {
    let path = root.join(ROOT_LOCK);
    let lock = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(&path)?;
    let meta = lock.metadata()?;
    refuse_others(&path, meta.uid())?;
    if !meta.is_file() {
        let detail = format!("{} is not a regular file: remove it", path.display());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, detail));
    }
    lock.lock()?;
    Ok(lock)
}

/// Makes a folder with the first free number. The caller holds the root's lock.
fn fresh_folder(root: &Path) -> io::Result<PathBuf> {
    let process = std::process::id();
    let mut number = 0_u64;
    loop {
        let path = root.join(format!("{process}-{number}"));
        match DirBuilder::new().mode(private_mode()).create(&path) {
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
        fs::write(scratch.inputs().join("source"), b"x").unwrap();
        drop(scratch);
        assert!(!path.parent().unwrap().exists());
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1, "the lock alone");
    }

    #[test]
    fn two_folders_at_once_have_different_paths() {
        let root = tempfile::tempdir().unwrap();
        let (one, other) =
            (Scratch::create(root.path()).unwrap(), Scratch::create(root.path()).unwrap());
        assert_ne!(one.path(), other.path());
    }

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn a_root_that_others_could_enter_is_closed_to_them() {
        let parent = tempfile::tempdir().unwrap();
        let root = parent.path().join("open");
        fs::create_dir(&root).unwrap();
        fs::set_permissions(&root, Permissions::from_mode(0o777)).unwrap();
        let scratch = Scratch::create(&root).unwrap();
        assert_eq!((mode(&root), mode(scratch.path())), (private_mode(), 0o700));
        assert_eq!(mode(&root.join(ROOT_LOCK)), 0o600);
    }

    #[test]
    fn a_root_behind_a_link_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        let (target, link) = (parent.path().join("target"), parent.path().join("link"));
        fs::create_dir(&target).unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        assert!(Scratch::create(&link).is_err());
        assert!(sweep(&link).is_err());
        assert_eq!(fs::read_dir(&target).unwrap().count(), 0);
    }

    #[test]
    fn a_root_of_another_user_is_refused_by_name() {
        if !geteuid().is_root() {
            return;
        }
        let parent = tempfile::tempdir().unwrap();
        let root = parent.path().join("theirs");
        fs::create_dir(&root).unwrap();
        std::os::unix::fs::chown(&root, Some(1777), None).unwrap();
        let error = Scratch::create(&root).unwrap_err().to_string();
        assert!(error.contains("theirs belongs to user 1777"), "{error}");
        assert_eq!(fs::read_dir(&root).unwrap().count(), 0);
    }

    #[test]
    fn a_lock_that_is_a_link_or_a_pipe_is_refused_at_once() {
        let parent = tempfile::tempdir().unwrap();
        let (root, victim) = (parent.path().join("root"), parent.path().join("victim"));
        private_folder(&root).unwrap();
        std::os::unix::fs::symlink(&victim, root.join(ROOT_LOCK)).unwrap();
        assert!(Scratch::create(&root).is_err());
        assert!(!victim.exists(), "the link was followed");
        fs::remove_file(root.join(ROOT_LOCK)).unwrap();
        let made = std::process::Command::new("mkfifo").arg(root.join(ROOT_LOCK)).status();
        assert!(made.unwrap().success());
        let error = Scratch::create(&root).unwrap_err().to_string();
        assert!(error.contains("is not a regular file"), "{error}");
    }
}
