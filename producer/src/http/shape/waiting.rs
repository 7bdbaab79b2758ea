//! Why a job waits and for how long, as a client sees it.

use common::{
    limits::COUNTED_PLACES,
    store::{Demand, QueuePlace},
    view::WaitingFor,
};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::controls::{BrokerShape, PauseShape};
use crate::broker_health::BrokerAway;

/// Why a job waits. Everything is empty while some of it runs, and once it is final.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema, Default)]
#[serde(rename_all = "camelCase")]
pub struct Waiting {
    /// The reason, as in the job.
    #[schema(value_type = Option<String>)]
    waiting_for: Option<WaitingFor>,
    /// The pauses that hold it, if it waits for `paused`.
    pub paused: Vec<PauseShape>,
    /// The failure of the broker, if it waits for `broker`.
    broker: Option<BrokerShape>,
    /// The queue of its next task: `render`, `generate` or `light`.
    queue: Option<&'static str>,
    /// Its place in the queue; 1 is the next to start. An estimate where several tenants have work,
    /// since they take turns. Null behind more than 2,000 tasks, and for a job whose next task is
    /// not ready.
    position: Option<u64>,
    /// About when it starts, by the median run time and the slots of its queue. Null where a slot
    /// is not what it waits for.
    #[schema(value_type = Option<String>, format = DateTime)]
    estimated_start_at: Option<Timestamp>,
}

impl Waiting {
    /// Builds it from the reason.
    pub fn of(reason: WaitingFor, away: Option<BrokerAway>) -> Self {
        let away = away.filter(|_| reason == WaitingFor::Broker);
        Self { waiting_for: Some(reason), broker: away.map(BrokerShape::from), ..Self::default() }
    }

    /// Adds the place in a queue with this demand.
    pub fn at(self, place: QueuePlace, demand: &Demand, now: Timestamp) -> Self {
        let is_counted = place.ahead < COUNTED_PLACES;
        let is_next = self.waiting_for == Some(WaitingFor::Slot) && is_counted;
        let time = demand.time_to_start(place.ahead).filter(|_| is_next);
        Self {
            queue: Some(place.queue.as_str()),
            position: is_counted.then_some(place.ahead + 1),
            estimated_start_at: time.and_then(|time| now.checked_add(time).ok()),
            ..self
        }
    }
}
