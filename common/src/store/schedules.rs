//! Jobs that recur, as the store keeps them. When they are due is [`crate::schedule`]'s business, and firing them the sweeper's.
//!
//! Every write of a row raises its revision and names the one it was made from: of two that were made from the same one, the second
//! changes nothing. So a firing and a change by a client never undo each other.

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::port::PortResult;
use crate::{
    error::JobError,
    id::{JobId, ScheduleId, TenantId},
    schedule::CatchUp,
    view::Page,
};

/// A job that recurs.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// Its id.
    pub id: ScheduleId,
    /// Whose it is.
    pub tenant: TenantId,
    /// For people.
    pub name: Option<String>,
    /// The cron line.
    pub cron: String,
    /// In which time zone it is read.
    pub timezone: String,
    /// What becomes of firings that were missed.
    pub catch_up: CatchUp,
    /// Not before this.
    pub starts_at: Option<Timestamp>,
    /// Not after this.
    pub ends_at: Option<Timestamp>,
    /// Whether it rests.
    pub paused: bool,
    /// The job to post, as a client would.
    pub job: Value,
    /// When it was made.
    pub created_at: Timestamp,
    /// Grows with every write of the row.
    pub revision: i64,
    /// How far it is.
    pub course: Course,
}

/// How far a schedule is.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Course {
    /// When it is due next; `None` while it rests and after its end.
    pub next_at: Option<Timestamp>,
    /// The latest due time that was fired for.
    pub last_at: Option<Timestamp>,
    /// The job that this made.
    pub last_job: Option<JobId>,
    /// The latest firing that was refused.
    pub refusal: Option<Refusal>,
}

/// A firing that came to no job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// Its due time.
    pub at: Timestamp,
    /// Why.
    pub error: JobError,
}

/// The store of schedules.
#[async_trait]
pub trait Schedules: Send + Sync + 'static {
    /// Stores a new schedule with revision 1. `false` if its id is there already: nothing changes.
    async fn create_schedule(&self, schedule: &Schedule) -> PortResult<bool>;

    /// Writes all of a schedule but its id, tenant and time of creation, if its row still has `schedule.revision`.
    async fn change_schedule(&self, schedule: &Schedule) -> PortResult<bool>;

    /// Removes a schedule; `false` if the tenant has none of this id. The jobs that it made stay.
    async fn delete_schedule(&self, tenant: &TenantId, schedule: ScheduleId) -> PortResult<bool>;

    /// A schedule, or `None`.
    async fn schedule(
        &self,
        tenant: &TenantId,
        schedule: ScheduleId,
    ) -> PortResult<Option<Schedule>>;

    /// A tenant's schedules newest first, from the one after `after` on.
    async fn schedules(
        &self,
        tenant: &TenantId,
        after: Option<ScheduleId>,
        most: u32,
    ) -> PortResult<Page<Schedule>>;

    /// Schedules of all tenants that are due by the store's clock, longest first, with what that clock says.
    async fn due_schedules(&self, most: u32) -> PortResult<(Timestamp, Vec<Schedule>)>;

    /// Writes how far a schedule is, if its row still has `revision`.
    async fn advance_schedule(
        &self,
        schedule: ScheduleId,
        revision: i64,
        course: &Course,
    ) -> PortResult<bool>;
}
