//! Sources on this machine's disk: only regular files below an allowed folder, wherever links lead.

use std::{
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use common::error::{JobError, code};

use super::{EMPTY, Fetched, Fetcher};

impl Fetcher {
    pub(super) async fn fetch_file(
        &self,
        path: &Path,
        scratch: &Path,
    ) -> Result<Fetched, JobError> {
        let found = self.find(path)?;
        let metadata = found.metadata().map_err(|error| unreadable(path, &error))?;
        if !metadata.is_file() {
            return Err(bad(path, "is not a regular file: give a media file"));
        }
        // Told of here, as it was written: what is kept goes by the path that it was found at, which is no caller's business.
        if metadata.len() == 0 {
            return Err(bad(path, EMPTY));
        }
        if metadata.len() > self.reach.max_bytes {
            return Err(self.too_large(&path.display().to_string()));
        }
        let validator = format!(
            "{}:{}:{}.{}",
            metadata.ino(),
            metadata.len(),
            metadata.mtime(),
            metadata.mtime_nsec()
        );
        let name = found.display().to_string();
        if let Some(fetched) = self.recall(&name, &validator).await {
            return Ok(fetched);
        }
        // A copy of our own, because the caller may write to the file while it is in use.
        let copy = scratch.join("source");
        tokio::fs::copy(&found, &copy).await.map_err(|error| unreadable(path, &error))?;
        self.keep(&name, &copy, Some(validator)).await
    }

    /// The file that a path means, with all links followed, if it stands below an allowed folder.
    fn find(&self, path: &Path) -> Result<PathBuf, JobError> {
        let allowed: Vec<PathBuf> =
            self.reach.allow.iter().filter_map(|folder| folder.canonicalize().ok()).collect();
        let candidates = allowed
            .iter()
            .map(|folder| folder.join(path))
            .filter_map(|path| path.canonicalize().ok());
        let mut outside = false;
        for found in candidates {
            if allowed.iter().any(|folder| found.starts_with(folder)) {
                return Ok(found);
            }
            outside = true;
        }
        // What lies outside is not told apart from what is not there: a caller has no business in knowing.
        if outside
            || allowed.is_empty()
            || path.is_absolute() && !allowed.iter().any(|folder| path.starts_with(folder))
        {
            return Err(bad(
                path,
                "is not below a folder that sources may be read from: allow one with `--allow DIR`, or give a URL",
            ));
        }
        Err(bad(path, "does not exist"))
    }
}

/// The path of a `file://` URL: percent-decoded, without host.
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
