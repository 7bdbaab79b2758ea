//! The ports and shared parts that the embedding program gives to a worker.

use std::sync::Arc;

use backing::cache::Cache;
use common::{
    kind::Catalog,
    port::{artifacts::Artifacts, broker::Broker, view_cache::ViewCache},
    store::Store,
};

/// The parts that a worker is built on.
#[derive(Clone)]
pub struct Dependencies {
    /// Jobs and tasks. An adapter keeps connections for heartbeats apart from those for other work.
    pub store: Arc<dyn Store>,
    /// Brings task messages and control messages.
    pub broker: Arc<dyn Broker>,
    /// Takes progress and job views.
    pub view_cache: Arc<dyn ViewCache>,
    /// Keeps files by the hash of their content.
    pub artifacts: Arc<dyn Artifacts>,
    /// Keeps what could be computed or fetched again.
    pub cache: Cache,
    /// The kinds that this worker knows.
    pub catalog: Arc<Catalog>,
}
