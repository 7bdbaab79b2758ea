//! Leftovers: jobs of an interrupted run, which the next run over the same cache must not work on.
//!
//! A run without a server tags its jobs and locks a file of that name. An interrupted run cancels
//! its jobs itself. A killed run's jobs are cancelled by the next run, which recognises them by a
//! file that nobody locks. Runs side by side leave each other's jobs alone.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use serde_json::json;
use uuid::Uuid;

use crate::{client::Client, exit::Failure};

/// The folder of the marks, in the cache.
const RUNS: &str = "runs";

/// This run, as long as it lasts.
#[derive(Debug)]
pub struct InterruptibleRun {
    mark: Uuid,
    path: PathBuf,
    /// Tells others that the run lives.
    _lock: File,
}

impl InterruptibleRun {
    /// Begins a run over a cache.
    pub fn begin(cache: &Path) -> Result<Self, Failure> {
        let mark = Uuid::now_v7();
        let path = cache.join(RUNS).join(mark.to_string());
        let lock = locked(&path).map_err(|error| {
            Failure::Configuration(format!(
                "{} can't be written: {error}; name another cache with --cache",
                path.display()
            ))
        })?;
        Ok(Self { mark, path, _lock: lock })
    }

    /// What this run's jobs are tagged with.
    pub fn tag(&self) -> String {
        tag(self.mark)
    }

    /// Cancels what this run posted and has not ended.
    pub async fn cancel(&self, client: &Client) {
        cancel(client, self.mark).await;
    }

    /// Cancels what killed runs over the same cache left.
    pub async fn cancel_leftovers(&self, client: &Client) {
        let Some(folder) = self.path.parent() else { return };
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let mark = entry.file_name().to_str().and_then(|name| Uuid::parse_str(name).ok());
            let Some(mark) = mark.filter(|mark| *mark != self.mark) else { continue };
            // Held until its jobs are cancelled, so that of two new runs one does it.
            let Ok(file) = File::open(entry.path()) else { continue };
            if file.try_lock().is_ok() && cancel(client, mark).await {
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

/// A file under its name only once it is locked: unlocked it would count as left.
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

fn tag(mark: Uuid) -> String {
    format!("run:{mark}")
}

/// Cancels the open jobs of a run; whether all could be.
async fn cancel(client: &Client, mark: Uuid) -> bool {
    let mut all = true;
    for status in ["queued", "running"] {
        let Ok(page) =
            client.get(&format!("/v1/jobs?status={status}&limit=100&tag={}", tag(mark))).await
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
