//! Stored schedules: jobs that recur. [`crate::schedule`] computes when they are due, and the
//! sweeper posts their jobs.
//!
//! Every write of a row raises its revision and states the revision that it read. Of two writes
//! that read the same one, the second changes nothing, so a firing and a client's change never undo
//! each other.

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    error::JobError,
    id::{JobId, ScheduleId, TenantId},
    port::PortResult,
    schedule::CatchUp,
    view::Page,
};

/// A job that recurs.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    pub id: ScheduleId,
    pub tenant: TenantId,
    /// A name for people.
    pub name: Option<String>,
    /// The cron line.
    pub cron: String,
    /// The time zone in which the cron line is read.
    pub timezone: String,
    /// Policy for missed firings.
    pub catch_up: CatchUp,
    /// No firing before this.
    pub starts_at: Option<Timestamp>,
    /// No firing after this.
    pub ends_at: Option<Timestamp>,
    pub paused: bool,
    /// The job to post, as a client would.
    pub job: Value,
    pub created_at: Timestamp,
    /// Grows with every write of the row.
    pub revision: i64,
    /// The firings so far.
    pub course: Course,
}

/// The firings of a schedule so far, and the next.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Course {
    /// The next due time; `None` while it is paused and after its end.
    pub next_at: Option<Timestamp>,
    /// The latest due time for which it fired.
    pub last_at: Option<Timestamp>,
    /// The job of that firing.
    pub last_job: Option<JobId>,
    /// The latest firing that was refused.
    pub refusal: Option<Refusal>,
}

/// A firing whose job was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// Its due time.
    pub at: Timestamp,
    pub error: JobError,
}

/// The stored schedules.
#[async_trait]
pub trait Schedules: Send + Sync + 'static {
    /// Stores a new schedule with revision 1. `false` if its id exists already: nothing changes.
    async fn create_schedule(&self, schedule: &Schedule) -> PortResult<bool>;

    /// Writes all of a schedule but its id, tenant and time of creation, if its row still has
    /// `schedule.revision`.
    async fn change_schedule(&self, schedule: &Schedule) -> PortResult<bool>;

    /// Removes a schedule; `false` if the tenant has none of this id. Its jobs stay.
    async fn delete_schedule(&self, tenant: &TenantId, schedule: ScheduleId) -> PortResult<bool>;

    /// A schedule, or `None`.
    async fn schedule(
        &self,
        tenant: &TenantId,
        schedule: ScheduleId,
    ) -> PortResult<Option<Schedule>>;

    /// A tenant's schedules newest first, beginning after `after`.
    async fn schedules(
        &self,
        tenant: &TenantId,
        after: Option<ScheduleId>,
        most: u32,
    ) -> PortResult<Page<Schedule>>;

    /// The time of the store's clock, by which schedules are due.
    async fn store_time(&self) -> PortResult<Timestamp>;

    /// Schedules of all tenants that have a next due time, by id, beginning after `after`.
    async fn pending_schedules(
        &self,
        after: Option<ScheduleId>,
        most: u32,
    ) -> PortResult<Vec<Schedule>>;

    /// Schedules of all tenants that are due by the store's clock, longest overdue first, with the
    /// time of that clock.
    async fn due_schedules(&self, most: u32) -> PortResult<(Timestamp, Vec<Schedule>)>;

    /// Writes the course of a schedule, if its row still has `revision`.
    async fn advance_schedule(
        &self,
        schedule: ScheduleId,
        revision: i64,
        course: &Course,
    ) -> PortResult<bool>;
}
