//! Sources on this machine's disk: regular files below an allowed folder, after all links are
//! followed.

use std::{
    fs::File,
    io::Read,
    os::unix::fs::MetadataExt,
    path::{Component, Path, PathBuf},
};

use common::error::{JobError, code, exhaustion};
use rustix::{
    fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2},
    io::Errno,
};

use super::{
    known::{EMPTY, Fetched, KnownSources},
    reach::Reach,
};

/// Fetches the file at `path`, through a copy in `scratch`.
pub(super) async fn fetch(
    known: &KnownSources,
    path: &Path,
    scratch: &Path,
) -> Result<Fetched, JobError> {
    let Found { file, name } = find(&known.reach, path)?;
    let metadata = file.metadata().map_err(|error| unreadable(path, &error))?;
    if !metadata.is_file() {
        return Err(bad(path, "is not a regular file: give a media file"));
    }
    // Refused here, where the caller's own path is at hand: the path with links followed may
    // not be shown to the caller.
    let length = metadata.len();
    if length == 0 {
        return Err(bad(path, EMPTY));
    }
    if length > known.reach.max_bytes {
        return Err(known.reach.too_large(&path.display().to_string()));
    }
    let validator =
        format!("{}:{length}:{}.{}", metadata.ino(), metadata.mtime(), metadata.mtime_nsec());
    if let Some(fetched) = known.unchanged(&name, &validator).await {
        return Ok(fetched);
    }
    // Copied, because the caller may write to the file while it is in use.
    let copy = scratch.join("source");
    let to = copy.clone();
    let copying = tokio::task::spawn_blocking(move || copy_first(file, length, &to));
    copying
        .await
        .map_err(std::io::Error::other)
        .flatten()
        .map_err(|error| unreadable(path, &error))?;
    known.store(&name, &copy, Some(validator)).await
}

/// Copies the first `length` bytes. A file that grows meanwhile would otherwise have no end.
fn copy_first(file: File, length: u64, to: &Path) -> std::io::Result<()> {
    std::io::copy(&mut file.take(length), &mut File::create(to)?).map(drop)
}

/// A source file, open, with the path that it had.
struct Found {
    file: File,
    /// The path with all links followed.
    name: String,
}

/// Opens the file of a path, with all links followed, if it is below an allowed folder.
fn find(reach: &Reach, path: &Path) -> Result<Found, JobError> {
    let allowed: Vec<PathBuf> =
        reach.allow.iter().filter_map(|folder| folder.canonicalize().ok()).collect();
    let candidates =
        allowed.iter().map(|folder| folder.join(path)).filter_map(|path| path.canonicalize().ok());
    let mut outside = false;
    for found in candidates {
        if let Some((folder, inside)) =
            allowed.iter().find_map(|folder| Some((folder, found.strip_prefix(folder).ok()?)))
        {
            let file = open_beneath(folder, inside).map_err(|error| unopened(path, error))?;
            return Ok(Found { file, name: found.display().to_string() });
        }
        outside = true;
    }
    // A file outside and a missing file give the same error, so that a caller cannot probe the
    // disk.
    let inside = |folder: &PathBuf| without_dots(&folder.join(path)).starts_with(folder);
    let folders: Vec<PathBuf> = reach.allow.iter().filter_map(|folder| full(folder)).collect();
    if outside || !folders.iter().chain(&allowed).any(inside) {
        return Err(bad(path, &format!("is not below {}", named_folders(&folders))));
    }
    if path.is_absolute() {
        return Err(bad(path, "does not exist"));
    }
    let places: Vec<PathBuf> = folders.iter().map(|folder| folder.join(path)).collect();
    Err(bad(path, &format!("does not exist: looked for {}", listed(&places))))
}

/// Most paths that an error lists.
const LISTED: usize = 3;

fn named_folders(folders: &[PathBuf]) -> String {
    match folders {
        [] => "a folder that sources may be read from: allow one with `--allow DIR`, or give a URL"
            .to_owned(),
        folders => format!(
            "a folder that sources may be read from, which are {}: allow another with \
             `--allow DIR`, or give a URL",
            listed(folders)
        ),
    }
}

fn listed(paths: &[PathBuf]) -> String {
    let shown: Vec<String> =
        paths.iter().take(LISTED).map(|path| format!("`{}`", shown_path(path))).collect();
    let more = match paths.len().saturating_sub(LISTED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{more}", shown.join(", "))
}

/// The path from the root. Links are not followed: their targets are not shown to a caller.
fn full(folder: &Path) -> Option<PathBuf> {
    std::path::absolute(folder).ok().map(|folder| without_dots(&folder))
}

/// The path with each `..` and what it leaves taken out, as it is written.
fn without_dots(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    plain
}

/// Opens a file below a folder by a path without links. A link that was put into the path since it
/// was resolved is an error and is not followed. A pipe is not waited for.
fn open_beneath(folder: &Path, inside: &Path) -> rustix::io::Result<File> {
    // The folder itself may be a file, or be asked for: then there is nothing inside.
    let inside = if inside.as_os_str().is_empty() { Path::new(".") } else { inside };
    let flags = OFlags::CLOEXEC;
    let folder = openat(CWD, folder, flags | OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?;
    let file = openat2(
        folder,
        inside,
        flags | OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY,
        Mode::empty(),
        ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS,
    )?;
    Ok(file.into())
}

/// The error for a file that could not be opened. It may have been exchanged after its path was
/// resolved: another attempt resolves it again.
fn unopened(path: &Path, error: Errno) -> JobError {
    match error {
        Errno::LOOP | Errno::XDEV | Errno::AGAIN | Errno::NOENT | Errno::NOTDIR => {
            let shown = shown_path(path);
            let detail = format!("`{shown}` was exchanged while it was opened: leave it as it is");
            JobError::transient(code::UNAVAILABLE, detail)
        }
        // A socket or a device without a driver can't be opened at all.
        Errno::NXIO | Errno::NODEV => bad(path, "is not a regular file: give a media file"),
        error => unreadable(path, &error.into()),
    }
}

/// Decodes the path of a `file://` URL: percent-encoded, without a host.
pub(super) fn decode_path(rest: &str) -> Result<PathBuf, JobError> {
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    let refuse = || {
        JobError::caller(
            code::BAD_SOURCE,
            "a file URL must be `file:///` and an absolute, percent-encoded path",
        )
    };
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [first, tail @ ..] = rest {
        if *first == b'%' {
            let digits =
                tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok()).ok_or_else(refuse)?;
            bytes.push(u8::from_str_radix(digits, 16).map_err(|_| refuse())?);
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    let path = String::from_utf8(bytes).map_err(|_| refuse())?;
    if path.starts_with('/') && !path.contains('\0') { Ok(path.into()) } else { Err(refuse()) }
}

fn bad(path: &Path, what: &str) -> JobError {
    JobError::caller(code::BAD_SOURCE, format!("`{}` {what}", shown_path(path)))
}

fn shown_path(path: &Path) -> String {
    path.display().to_string().chars().take(200).collect()
}

fn unreadable(path: &Path, error: &std::io::Error) -> JobError {
    match exhaustion(error) {
        Some(_) => JobError::from_io(format!("`{}`: {error}", shown_path(path)), error),
        None => bad(path, &format!("can't be read: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_url_is_decoded_and_must_be_absolute() {
        assert_eq!(decode_path("/a%20b.mp4").expect("a path"), Path::new("/a b.mp4"));
        assert_eq!(decode_path("localhost/a").expect("a path"), Path::new("/a"));
        for bad in ["host/a", "", "/a%2", "/a%zz", "/a%00"] {
            assert!(decode_path(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_link_that_appears_in_a_resolved_path_is_not_followed() {
        let folder = tempfile::tempdir().expect("a folder");
        let (inside, outside) = (folder.path().join("allowed"), folder.path().join("secret"));
        std::fs::create_dir(&inside).expect("a folder");
        std::fs::write(&outside, "secret").expect("a file");
        let link = |to: &Path, name: &str| {
            std::os::unix::fs::symlink(to, inside.join(name)).expect("a link");
        };
        link(&outside, "file");
        link(folder.path(), "folder");
        for exchanged in ["file", "folder/secret", "../secret"] {
            let error = open_beneath(&inside, Path::new(exchanged)).expect_err(exchanged);
            assert_eq!(unopened(Path::new("x"), error).code, code::UNAVAILABLE, "{exchanged}");
        }
    }

    #[test]
    fn links_within_the_allowed_folders_are_followed() {
        let folder = tempfile::tempdir().expect("a folder");
        let allow: Vec<PathBuf> = ["one", "two"].map(|name| folder.path().join(name)).into();
        allow.iter().for_each(|folder| std::fs::create_dir(folder).expect("a folder"));
        std::fs::write(allow[1].join("clip"), "x").expect("a file");
        std::os::unix::fs::symlink(allow[1].join("clip"), allow[0].join("link")).expect("a link");
        let reach = Reach { allow, ..Reach::default() };
        let found = find(&reach, Path::new("link")).expect("found");
        assert!(found.name.ends_with("two/clip"), "{}", found.name);
        assert!(find(&reach, Path::new("../two/clip")).is_ok());
    }

    #[test]
    fn an_error_shows_the_full_path_that_was_looked_at_and_of_a_file_outside_nothing_more() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("secret"), "x").expect("a file");
        let allow: Vec<PathBuf> = ["one", "two"].map(|name| folder.path().join(name)).into();
        allow.iter().for_each(|folder| std::fs::create_dir(folder).expect("a folder"));
        let [one, two] = ["one", "two"].map(|name| folder.path().join(name).display().to_string());
        let detail = |reach: &Reach, path: &str| {
            find(reach, Path::new(path)).err().expect("an error").detail
        };
        let reach = Reach { allow, ..Reach::default() };
        assert_eq!(
            detail(&reach, "a/missing"),
            format!("`a/missing` does not exist: looked for `{one}/a/missing`, `{two}/a/missing`")
        );
        let missing = format!("{one}/missing");
        assert_eq!(detail(&reach, &missing), format!("`{missing}` does not exist"));
        for outside in ["../secret", "../no-secret", "/etc/passwd", "/etc/no-passwd"] {
            let detail = detail(&reach, outside);
            let beginning = format!(
                "`{outside}` is not below a folder that sources may be read from, which are \
                 `{one}`, `{two}`: allow another"
            );
            assert!(detail.starts_with(&beginning), "{detail}");
        }
        assert!(detail(&Reach::default(), "a").contains("allow one with `--allow DIR`"));
    }

    #[test]
    fn a_pipe_is_no_file_and_is_not_waited_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let made = std::process::Command::new("mkfifo").arg(folder.path().join("pipe")).status();
        assert!(made.expect("mkfifo").success());
        let file = open_beneath(folder.path(), Path::new("pipe")).expect("opens at once");
        assert!(!file.metadata().expect("metadata").is_file());
    }

    #[test]
    fn a_file_that_grows_is_copied_as_long_as_it_was() {
        let folder = tempfile::tempdir().expect("a folder");
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        std::fs::write(&from, "grown").expect("a file");
        copy_first(File::open(&from).expect("opens"), 3, &to).expect("copies");
        assert_eq!(std::fs::read(&to).expect("a copy"), b"gro");
    }
}
