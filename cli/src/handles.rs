//! How many files and connections this process may hold at once.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the limit to its ceiling: a worker that waits for a thousand providers holds as many connections, and the usual limit is about
/// that. Up to the ceiling it is ours to raise; where that fails we run with what there is. (Media children have limits of their own.)
pub fn raise() {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
}
