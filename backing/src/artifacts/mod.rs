//! Files by the hash of their content, on whatever `object_store` reaches.
//!
//! [`object::ObjectArtifacts`] is the part that is the same everywhere. [`folder::FolderArtifacts`] adds what only a disk can do: to move
//! a file in instead of copying it, to link it out, and to say where it lies. [`nearby::NearbyArtifacts`] keeps what a machine used last on
//! its disk, where fetching costs more than a link.

pub mod folder;
pub(crate) mod intake;
pub mod lost;
pub mod nearby;
pub mod object;

use std::sync::Arc;

use common::{
    id::Digest,
    port::{PortError, PortResult, artifacts::Artifacts},
};
use object_store::path::Path;
use url::Url;

use folder::FolderArtifacts;

const PART: &str = "the artifact storage";

/// Opens what `SPOOL_ARTIFACTS_URL` names: `file:///folder`, made if it is missing.
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

/// Where a hash lies: two levels of 256 folders, so that none grows past what a file system lists quickly.
fn address(hash: &Digest) -> Path {
    let name = hash.to_string();
    Path::from_iter([&name[..2], &name[2..4], name.as_str()])
}
