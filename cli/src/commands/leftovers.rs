//! Leftovers: jobs of an interrupted run, which the next run over the same cache must not work on.
//!
//! A run without a server tags its jobs and locks a file named after the tag. An interrupted run
//! cancels its jobs itself. A killed run's jobs are cancelled by the next run, which recognises
//! them by a file that nobody locks. Runs side by side leave each other's jobs alone.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use serde_json::json;
use uuid::Uuid;

use crate::{client::Client, exit::Failure};

/// The folder with a lock file for each run, in the cache.
const RUNS: &str = "runs";

/// A run that is under way. Its lock file is removed on drop.
#[derive(Debug)]
pub struct InterruptibleRun {
    id: Uuid,
    path: PathBuf,
    /// Shows other processes that the run is alive.
    _lock: File,
}

impl InterruptibleRun {
    /// Begins a run over a cache.
    pub fn begin(cache: &Path) -> Result<Self, Failure> {
        let id = Uuid::now_v7();
        let path = cache.join(RUNS).join(id.to_string());
        let lock = locked(&path).map_err(|error| {
            Failure::Configuration(format!(
                "{} can't be written: {error}; name another cache with --cache",
                path.display()
            ))
        })?;
        Ok(Self { id, path, _lock: lock })
    }

    /// Returns the tag of this run's jobs.
    pub fn tag(&self) -> String {
        tag(self.id)
    }

    /// Cancels the unsettled jobs of this run.
    pub async fn cancel(&self, client: &Client) {
        cancel(client, self.id).await;
    }

    /// Cancels the jobs that killed runs over the same cache have left.
    pub async fn cancel_leftovers(&self, client: &Client) {
        let Some(folder) = self.path.parent() else { return };
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let id = entry.file_name().to_str().and_then(|name| Uuid::parse_str(name).ok());
            let Some(id) = id.filter(|id| *id != self.id) else { continue };
            // The lock is held until the jobs are cancelled, so that only one of two runs does it.
            let Ok(file) = File::open(entry.path()) else { continue };
            if file.try_lock().is_ok() && cancel(client, id).await {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

impl Drop for InterruptibleRun {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Creates a locked file. It gets its name after it is locked, because another run would take an
/// unlocked one for a leftover.
fn locked(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let unlocked = path.with_extension("new");
    let file = File::create(&unlocked)?;
    file.lock()?;
    fs::rename(&unlocked, path)?;
    Ok(file)
}

fn tag(id: Uuid) -> String {
    format!("run:{id}")
}

/// Cancels the unsettled jobs of a run, and returns whether that succeeded for all.
async fn cancel(client: &Client, id: Uuid) -> bool {
    let mut all = true;
    for status in ["queued", "running"] {
        let Ok(page) =
            client.get(&format!("/v1/jobs?status={status}&limit=100&tag={}", tag(id))).await
        else {
            return false;
        };
        for job in page["jobs"].as_array().into_iter().flatten() {
            let id = job["id"].as_str().unwrap_or_default();
            all &= client.post(&format!("/v1/jobs/{id}/cancel"), &json!({}), None).await.is_ok();
        }
    }
    all
}
