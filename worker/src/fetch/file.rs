//! Sources on this machine's disk: regular files below an allowed folder, after all links are
//! followed.

use std::{
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use common::error::{JobError, code};

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
    let found = find(&known.reach, path)?;
    let metadata = found.metadata().map_err(|error| unreadable(path, &error))?;
    if !metadata.is_file() {
        return Err(bad(path, "is not a regular file: give a media file"));
    }
    // Refused here, where the caller's own path is at hand: the path with links followed may
    // not be shown to the caller.
    if metadata.len() == 0 {
        return Err(bad(path, EMPTY));
    }
    if metadata.len() > known.reach.max_bytes {
        return Err(known.reach.too_large(&path.display().to_string()));
    }
    let validator = format!(
        "{}:{}:{}.{}",
        metadata.ino(),
        metadata.len(),
        metadata.mtime(),
        metadata.mtime_nsec()
    );
    let name = found.display().to_string();
    if let Some(fetched) = known.unchanged(&name, &validator).await {
        return Ok(fetched);
    }
    // Copied, because the caller may write to the file while it is in use.
    let copy = scratch.join("source");
    tokio::fs::copy(&found, &copy).await.map_err(|error| unreadable(path, &error))?;
    known.store(&name, &copy, Some(validator)).await
}

/// Finds the file of a path, with all links followed, if it is below an allowed folder.
fn find(reach: &Reach, path: &Path) -> Result<PathBuf, JobError> {
    let allowed: Vec<PathBuf> =
        reach.allow.iter().filter_map(|folder| folder.canonicalize().ok()).collect();
    let candidates =
        allowed.iter().map(|folder| folder.join(path)).filter_map(|path| path.canonicalize().ok());
    let mut outside = false;
    for found in candidates {
        if allowed.iter().any(|folder| found.starts_with(folder)) {
            return Ok(found);
        }
        outside = true;
    }
    // A file outside and a missing file give the same error, so that a caller cannot probe the
    // disk.
    if outside
        || allowed.is_empty()
        || path.is_absolute() && !allowed.iter().any(|folder| path.starts_with(folder))
    {
        return Err(bad(
            path,
            "is not below a folder that sources may be read from: allow one with `--allow DIR`, or \
             give a URL",
        ));
    }
    Err(bad(path, "does not exist"))
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
    let shown: String = path.display().to_string().chars().take(200).collect();
    JobError::caller(code::BAD_SOURCE, format!("`{shown}` {what}"))
}

fn unreadable(path: &Path, error: &std::io::Error) -> JobError {
    match error.kind() {
        std::io::ErrorKind::StorageFull => JobError::transient(
            code::OUT_OF_SPACE,
            format!("no room to fetch `{}`: {error}", path.display()),
        ),
        _ => bad(path, &format!("can't be read: {error}")),
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
}
