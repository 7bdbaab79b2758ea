//! SIGTERM and Ctrl-C ask to drain; a second one stops at once.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::exit::Failure;

/// Returns a token that the first signal cancels. The second signal ends the process at once: its
/// media processes end with it, and its tasks run elsewhere.
pub fn stop_on_signals() -> Result<CancellationToken, Failure> {
    let failed = |error| Failure::Failed(format!("signals can't be listened to: {error}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let stop = CancellationToken::new();
    let signalled = stop.clone();
    tokio::spawn(async move {
        for first in [true, false] {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if first {
                tracing::info!("stopping; once more stops at once");
                signalled.cancel();
            }
        }
        std::process::exit(i32::from(Failure::Interrupted.code()));
    });
    Ok(stop)
}
