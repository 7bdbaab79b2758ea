//! Adapters of the artifacts: files under the hash of their content.
//!
//! [`object::ObjectArtifacts`] works on any object store. [`folder::FolderArtifacts`] adds
//! operations of a disk: it moves a file in instead of copying it, links it out, and knows its
//! path. [`cached::CachedArtifacts`] keeps recently used files on this machine's disk, where
//! fetching costs more than a link.

mod address;
pub mod cached;
pub(crate) mod files;
pub mod folder;
pub mod missing;
pub mod object;

use std::{path::PathBuf, sync::Arc};

use common::port::{PortError, PortResult, artifacts::Artifacts};
use url::Url;

use address::PART;
use folder::FolderArtifacts;

/// Opens the storage at `SPOOL_ARTIFACTS_URL`: `file:///folder`, which is created if it is missing.
pub fn open(url: &str) -> PortResult<Arc<dyn Artifacts>> {
    Ok(Arc::new(FolderArtifacts::open(&folder(url)?)?))
}

/// Checks that the storage can be written to, without leaving anything there. The answer is whether
/// its folder exists; one that is missing is created when the storage is opened.
pub async fn check(url: &str) -> PortResult<bool> {
    let folder = folder(url)?;
    files::blocking(move || files::check_folder(&folder)).await
}

/// Reads the folder of a URL.
fn folder(url: &str) -> PortResult<PathBuf> {
    let refused = |why: &str| PortError::broken(PART, format!("`{url}` {why}"));
    let parsed = Url::parse(url).map_err(|error| {
        refused(&format!("is no URL ({error}): write `file:///` and the folder's absolute path"))
    })?;
    match parsed.scheme() {
        "file" => parsed
            .to_file_path()
            .map_err(|()| refused("names no folder: write `file:///absolute/path`")),
        "s3" | "gs" | "az" => Err(refused(
            "is an object store, which this build does not speak: use `file:///folder`",
        )),
        other => Err(refused(&format!(
            "has the scheme `{other}`, which names no kind of storage: use `file:///folder`"
        ))),
    }
}
