//! The address of an artifact within a storage.

use common::id::Digest;
use object_store::path::Path;

/// The name of this part in a `PortError`.
pub(super) const PART: &str = "the artifact storage";

/// The path of a hash: two levels of 256 folders, so that none grows too large to list quickly.
pub(super) fn address(hash: &Digest) -> Path {
    let name = hash.to_string();
    Path::from_iter([&name[..2], &name[2..4], name.as_str()])
}
