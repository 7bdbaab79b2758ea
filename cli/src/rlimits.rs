//! The limit on open files and connections of this process.

use common::limits::MAX_CONNECTIONS;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit to the hard limit. A worker that waits for a thousand providers holds as
/// many connections, about the usual soft limit. If raising fails, the process runs with what it
/// has. Media processes have limits of their own.
pub fn raise() {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
}

/// Handles that connections leave for the store, the runtime and what a worker in this process
/// needs: the pipes of media processes and the files of attempts.
const RESERVED_HANDLES: u64 = 64;
/// Fewest connections, however few handles there are.
const FEWEST_CONNECTIONS: usize = 8;

/// The number of connections that this process may hold open: half of the handles beyond the
/// reserve, because a request may need one for a file or a database as well.
pub fn connections() -> usize {
    bounded(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX))
}

fn bounded(handles: u64) -> usize {
    let spare = handles.saturating_sub(RESERVED_HANDLES) / 2;
    usize::try_from(spare).unwrap_or(usize::MAX).clamp(FEWEST_CONNECTIONS, MAX_CONNECTIONS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_handles_for_the_rest() {
        assert_eq!([16, 128, 1024, u64::MAX].map(bounded), [8, 32, 480, MAX_CONNECTIONS]);
    }
}
