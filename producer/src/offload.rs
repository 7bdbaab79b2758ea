//! Long computations beside the requests, within a bound on their number, memory and time.

use std::{sync::Arc, thread::available_parallelism, time::Duration};

use common::limits::MAX_JSON_MEMORY;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::spawn_blocking,
    time::timeout,
};

/// Work on more bytes than this runs on a thread of its own, where it does not delay other
/// requests.
const LONG: usize = 16 * 1024;
/// Memory of all bodies that are read at once: two of the largest.
const MEMORY_KB: usize = 2 * MAX_JSON_MEMORY / 1024;
/// Time for a computation, and before that for its turn: the largest body takes a second or two.
const WITHIN: Duration = Duration::from_secs(15);

/// The reason for which a computation gave no result.
#[derive(Debug, thiserror::Error)]
pub enum OffloadError {
    #[error("this server reads as many large requests as it can: send it again soon")]
    Busy,
    #[error("the request could not be read within {WITHIN:?}: send it in smaller parts")]
    TooLong,
    #[error("reading a request: {0}")]
    Broken(#[from] tokio::task::JoinError),
}

/// The right to hold the values of one body. Its memory is free again when this is dropped.
#[derive(Debug)]
pub struct MemoryPermit {
    _permit: OwnedSemaphorePermit,
}

/// Runs long computations of requests and of schedules.
#[derive(Debug, Clone)]
pub struct Offloader {
    threads: Arc<Semaphore>,
    memory: Arc<Semaphore>,
}

impl Default for Offloader {
    fn default() -> Self {
        let threads = available_parallelism().map_or(1, usize::from);
        Self {
            threads: Arc::new(Semaphore::new(threads)),
            memory: Arc::new(Semaphore::new(MEMORY_KB)),
        }
    }
}

impl Offloader {
    /// Runs `work` on `length` bytes; a panic in it is an error of this call alone. Work that takes
    /// too long goes on, and keeps its thread from others, but nobody waits for it.
    pub async fn run<T: Send + 'static>(
        &self,
        length: usize,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, OffloadError> {
        if length <= LONG { Ok(work()) } else { self.run_long(work).await }
    }

    /// As [`Self::run`], for work whose length is not known.
    pub async fn run_long<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, OffloadError> {
        let thread = permit(&self.threads, 1).await?;
        let running = spawn_blocking(move || {
            let _thread = thread;
            work()
        });
        Ok(timeout(WITHIN, running).await.map_err(|_| OffloadError::TooLong)??)
    }

    /// Waits for room to parse a body whose values take `bytes` of memory.
    pub async fn memory(&self, bytes: usize) -> Result<MemoryPermit, OffloadError> {
        let kilobytes = bytes.div_ceil(1024).min(MEMORY_KB);
        Ok(MemoryPermit { _permit: permit(&self.memory, kilobytes as u32).await? })
    }
}

async fn permit(of: &Arc<Semaphore>, count: u32) -> Result<OwnedSemaphorePermit, OffloadError> {
    match timeout(WITHIN, of.clone().acquire_many_owned(count)).await {
        Ok(Ok(permit)) => Ok(permit),
        // It is never closed.
        Ok(Err(_)) | Err(_) => Err(OffloadError::Busy),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn large_bodies_wait_for_each_others_memory() {
        let offloader = Offloader::default();
        let first = offloader.memory(MAX_JSON_MEMORY).await.expect("room");
        let _second = offloader.memory(MAX_JSON_MEMORY).await.expect("room");
        let third = offloader.memory(1);
        tokio::pin!(third);
        assert!(futures::poll!(&mut third).is_pending());
        drop(first);
        assert!(third.await.is_ok());
    }

    #[tokio::test]
    async fn a_panic_is_an_error_of_its_own_call() {
        let offloader = Offloader::default();
        let panicked = offloader.run(LONG + 1, || panic!("at once")).await;
        assert!(matches!(panicked, Err::<(), _>(OffloadError::Broken(_))), "{panicked:?}");
        assert!(offloader.run(LONG + 1, || 7).await.is_ok_and(|seven| seven == 7));
    }
}
