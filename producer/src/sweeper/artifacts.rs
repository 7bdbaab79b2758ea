//! Removes files that nothing names any more: the memo or the job goes first, the bytes a while later.
//!
//! A slice at a time: the artifacts whose hash begins with one byte, a 256th of all. Two things keep a file, each by itself. The store says
//! who names it; and the storage does not give up what was put a short while ago, because whoever put it has yet to name it. A worker that
//! puts the same bytes again while they are being removed finds them gone and writes them anew, or renews them and they stay.
//!
//! The other way round, memos go whose files are gone, by whatever hand.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use backing::artifacts::lost::forget_lost;
use common::{
    port::{PortResult, artifacts::Artifacts},
    store::Store,
};

/// Artifacts in one question to the store.
const AT_ONCE: usize = 500;

/// Removes files for one process.
#[derive(Clone)]
pub struct Collector {
    /// Says what is named.
    pub store: Arc<dyn Store>,
    /// Where the files are.
    pub artifacts: Arc<dyn Artifacts>,
    /// For how long nothing must have named a file, and nobody put it.
    pub quiet: Duration,
    /// The slice that is next.
    pub slice: Arc<AtomicU8>,
}

impl Collector {
    /// Collects from `artifacts`, from the first slice on.
    pub fn new(store: Arc<dyn Store>, artifacts: Arc<dyn Artifacts>, quiet: Duration) -> Self {
        Self { store, artifacts, quiet, slice: Arc::default() }
    }

    /// Looks at the next slice; answers how many files went.
    pub async fn run_once(&self) -> PortResult<u64> {
        let slice = self.slice.fetch_add(1, Ordering::Relaxed);
        forget_lost(&*self.store, &*self.artifacts, slice).await?;
        let mut removed = 0;
        for some in self.artifacts.slice(slice, self.quiet).await?.chunks(AT_ONCE) {
            let unreferenced = self.store.unreferenced(some, self.quiet).await?;
            if !unreferenced.is_empty() {
                removed += self.artifacts.retire(&unreferenced, self.quiet).await?;
                self.store.forget_unreferenced(&unreferenced).await?;
            }
        }
        Ok(removed)
    }
}
