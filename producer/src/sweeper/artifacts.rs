//! Removes files that nothing refers to any more: the memo or the job goes first, the bytes later.
//!
//! One slice at a time: the artifacts whose hash begins with one byte, a 256th of all. Two rules
//! keep a file. The store reports references to it, and the artifact storage keeps what was put
//! recently, since its reference may not be written yet. If a worker puts the same bytes while they
//! are being removed, it either finds them gone and writes them again, or renews them and they
//! stay.
//!
//! In the other direction, memos whose files are gone are removed too.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use backing::artifacts::missing::forget_memos_of_missing;
use common::{
    port::{PortResult, artifacts::Artifacts},
    store::Store,
};

/// Artifacts in one query of the store.
const AT_ONCE: usize = 500;

/// Removes files of one process's artifact storage.
#[derive(Clone)]
pub struct ArtifactCollector {
    pub store: Arc<dyn Store>,
    pub artifacts: Arc<dyn Artifacts>,
    /// How long a file must have been without a reference and without a put.
    pub quiet: Duration,
    /// The next slice.
    pub slice: Arc<AtomicU8>,
}

impl ArtifactCollector {
    /// Starts at the first slice.
    pub fn new(store: Arc<dyn Store>, artifacts: Arc<dyn Artifacts>, quiet: Duration) -> Self {
        Self { store, artifacts, quiet, slice: Arc::default() }
    }

    /// Sweeps the next slice; returns the number of removed files.
    pub async fn run_once(&self) -> PortResult<u64> {
        let slice = self.slice.fetch_add(1, Ordering::Relaxed);
        forget_memos_of_missing(&*self.store, &*self.artifacts, slice).await?;
        let mut removed = 0;
        for chunk in self.artifacts.slice(slice, self.quiet).await?.chunks(AT_ONCE) {
            let unreferenced = self.store.unreferenced(chunk, self.quiet).await?;
            if !unreferenced.is_empty() {
                removed += self.artifacts.retire(&unreferenced, self.quiet).await?;
                self.store.forget_unreferenced(&unreferenced).await?;
            }
        }
        Ok(removed)
    }
}
