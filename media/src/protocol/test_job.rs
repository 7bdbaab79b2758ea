//! The job of the tests. Release builds do not have it.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A job that spins, allocates, raises a signal, tries to escape and exits, in this order, as far
/// as asked.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TestJob {
    /// Keeps a core busy for this many milliseconds.
    pub spin_ms: u64,
    /// Reports progress every 50 ms of spinning. Without it the parent sees a stall.
    pub progress: bool,
    /// Allocates and writes this many MiB.
    pub allocate_mb: u64,
    /// Sends itself SIGUSR1, for which a test preloads a library with a handler.
    pub signal: bool,
    /// Ends the process without a reply, as a crash would.
    pub exit: bool,
    /// Tries to reach beyond the sandbox, and fails with the names of the attempts that succeeded.
    pub escape: Option<EscapeAttempt>,
}

/// Accesses that the sandbox must stop.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EscapeAttempt {
    /// A file to read that the job was not given.
    pub read: PathBuf,
    /// A file to write outside the scratch folder.
    pub write: PathBuf,
    /// An address to connect to.
    pub connect: std::net::SocketAddr,
    /// A program to run.
    pub execute: PathBuf,
}
