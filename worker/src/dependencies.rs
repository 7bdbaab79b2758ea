//! The ports and shared parts that a program gives to the worker it embeds.

use std::sync::Arc;

use backing::cache::Cache;
use common::{
    kind::Catalog,
    port::{artifacts::Artifacts, broker::Broker, view_cache::ViewCache},
    store::Store,
};

/// The adapters and shared parts that a worker uses.
#[derive(Clone)]
pub struct Dependencies {
    /// Jobs and tasks. The adapter must keep connections for heartbeats apart from those for other
    /// work.
    pub store: Arc<dyn Store>,
    pub broker: Arc<dyn Broker>,
    pub view_cache: Arc<dyn ViewCache>,
    pub artifacts: Arc<dyn Artifacts>,
    /// Values that can be computed or fetched again.
    pub cache: Cache,
    /// The kinds that this worker knows.
    pub catalog: Arc<Catalog>,
}
