//! The state that all handlers share.

use std::sync::Arc;

use backing::cache::Cache;
use common::{
    kind::Catalog,
    port::{artifacts::Artifacts, broker::Broker, view_cache::ViewCache},
    store::Store,
    view::{JobView, WaitingFor},
};
use prometheus::Registry;

use super::{caller::Caller, shape::job::Job};
use crate::{
    broker_health::BrokerHealth, job_control::JobControl, metrics::ProducerMetrics,
    read::JobReader, settings::ProducerSettings, submit::calls::SubmitCalls,
};

/// State of the handlers.
pub struct Api {
    pub store: Arc<dyn Store>,
    /// Checked for readiness.
    pub broker: Arc<dyn Broker>,
    /// Names the broker as the reason of waiting jobs.
    pub broker_health: Arc<BrokerHealth>,
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

impl Api {
    /// Shows a job to a caller.
    pub fn job(&self, caller: &Caller, view: JobView) -> Job {
        let waiting_for = self.reason(&view);
        Job::of_view(JobView { waiting_for, ..view }, &caller.links(self))
    }

    /// Returns what a job waits for. The store takes any task that has room for one that waits for
    /// a slot, since it does not know the broker.
    pub fn reason(&self, view: &JobView) -> Option<WaitingFor> {
        match view.waiting_for {
            Some(WaitingFor::Slot) if self.broker_health.away().is_some() => {
                Some(WaitingFor::Broker)
            }
            stored => stored,
        }
    }
}
