//! The bounds of fetching, and how a source is shown in an error.

use std::path::PathBuf;

use common::error::{JobError, code};

/// The sources that may be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// Folders whose files may be sources. A relative path is searched for in each, in this order.
    pub allow: Vec<PathBuf>,
    /// Set if URLs may lead to private, loopback and link-local addresses.
    pub private_addresses: bool,
    /// The largest source, in bytes.
    pub max_bytes: u64,
}

impl Default for Reach {
    fn default() -> Self {
        // Eight gigabytes hold an hour of camera footage.
        Self { allow: Vec::new(), private_addresses: false, max_bytes: 8 << 30 }
    }
}

impl Reach {
    /// Returns the error for a source above `max_bytes`.
    pub(super) fn too_large(&self, src: &str) -> JobError {
        let most = self.max_bytes;
        JobError::caller(
            code::BAD_SOURCE,
            format!("`{}` is larger than {most} bytes, the most a source may be", shown(src)),
        )
    }
}

/// Shortens a caller's path or URL for an error, and removes the parts that often hold secrets:
/// user, password and query.
pub(crate) fn shown(src: &str) -> String {
    let bare = src.split(['?', '#']).next().unwrap_or_default();
    let bare = match bare.split_once("://") {
        Some((scheme, rest)) => match rest.split_once('/') {
            Some((host, path)) => format!("{scheme}://{}/{path}", after_user(host)),
            None => format!("{scheme}://{}", after_user(rest)),
        },
        None => bare.to_owned(),
    };
    bare.chars().take(200).collect()
}

fn after_user(authority: &str) -> &str {
    authority.rsplit('@').next().unwrap_or_default()
}
