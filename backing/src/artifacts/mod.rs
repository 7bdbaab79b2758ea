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

use std::sync::Arc;

use common::port::{PortError, PortResult, artifacts::Artifacts};
use url::Url;

use address::PART;
use folder::FolderArtifacts;

/// Opens the storage at `SPOOL_ARTIFACTS_URL`: `file:///folder`, which is created if it is missing.
pub fn open(url: &str) -> PortResult<Arc<dyn Artifacts>> {
    let refused = |why: &str| PortError::broken(PART, format!("`{url}` {why}"));
    let parsed = Url::parse(url).map_err(|error| {
        refused(&format!("is no URL ({error}): write `file:///` and the folder's absolute path"))
    })?;
    match parsed.scheme() {
        "file" => {
            let folder = parsed
                .to_file_path()
                .map_err(|()| refused("names no folder: write `file:///absolute/path`"))?;
            Ok(Arc::new(FolderArtifacts::open(&folder)?))
        }
        "s3" | "gs" | "az" => Err(refused(
            "is an object store, which this build does not speak: use `file:///folder`",
        )),
        other => Err(refused(&format!(
            "has the scheme `{other}`, which names no kind of storage: use `file:///folder`"
        ))),
    }
}
