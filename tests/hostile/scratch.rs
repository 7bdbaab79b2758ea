//! Scratch folders in a place where other users may write.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::Path,
};

use tempfile::tempdir;

use crate::process::{run, spool};

/// `spool probe` with this folder for temporary files; returns its exit code and its output.
fn probe(temporary: &Path) -> (Option<i32>, String) {
    let mut command = spool();
    command.env("TMPDIR", temporary).env_remove("XDG_RUNTIME_DIR");
    command.arg("probe").arg(temporary.join("file.png"));
    let output = run(command);
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn temporary() -> tempfile::TempDir {
    let folder = tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o1777)).unwrap();
    fs::write(folder.path().join("file.png"), b"no picture").unwrap();
    folder
}

/// The folder that Spool makes for its user.
fn own_folder(temporary: &Path) -> std::path::PathBuf {
    temporary.join(format!("spool-{}", fs::metadata("/proc/self").unwrap().uid()))
}

#[test]
fn a_prepared_link_is_refused_and_nothing_is_made_behind_it() {
    let folder = temporary();
    let target = folder.path().join("target");
    fs::create_dir(&target).unwrap();
    symlink(&target, own_folder(folder.path())).unwrap();
    let (code, error) = probe(folder.path());
    assert_eq!(code, Some(1), "{error}");
    assert!(error.contains("link"), "{error}");
    assert_eq!(fs::read_dir(&target).unwrap().count(), 0);
}

#[test]
fn the_folder_is_closed_to_others_and_left_empty() {
    let folder = temporary();
    let (_, error) = probe(folder.path());
    let own = own_folder(folder.path());
    let mode = fs::metadata(&own).unwrap_or_else(|_| panic!("{error}")).mode();
    assert_eq!(mode & 0o777, 0o700);
    let left: Vec<_> = fs::read_dir(own.join("scratch"))
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_dir())
        .collect();
    assert!(left.is_empty(), "{left:?}");
}
