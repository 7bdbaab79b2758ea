//! Long computations beside the requests.

use common::port::{PortError, PortResult};

/// Work on more bytes than this runs on a thread of its own, where it does not delay other
/// requests.
const LONG: usize = 64 * 1024;

/// Runs `work` on `length` bytes; a panic in it is an error of this call alone.
pub async fn offload<T: Send + 'static>(
    length: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> PortResult<T> {
    if length <= LONG {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| PortError::broken("reading a request", error))
}
