//! The state that all handlers share.

use std::sync::Arc;

use backing::cache::Cache;
use common::{
    kind::Catalog,
    port::{artifacts::Artifacts, broker::Broker, view_cache::ViewCache},
    store::Store,
};
use prometheus::Registry;

use crate::{
    job_control::JobControl, metrics::ProducerMetrics, read::JobReader, settings::ProducerSettings,
    submit::calls::SubmitCalls,
};

/// State of the handlers.
pub struct Api {
    pub store: Arc<dyn Store>,
    /// Checked for readiness.
    pub broker: Arc<dyn Broker>,
    /// Checked for readiness.
    pub view_cache: Arc<dyn ViewCache>,
    pub artifacts: Arc<dyn Artifacts>,
    pub cache: Cache,
    /// The kinds that clients may ask for.
    pub catalog: Arc<Catalog>,
    pub submit: SubmitCalls,
    pub reader: JobReader,
    pub job_control: JobControl,
    pub metrics: ProducerMetrics,
    pub registry: Registry,
    pub settings: ProducerSettings,
}
