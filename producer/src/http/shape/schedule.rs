//! A schedule, as a client sees it.

use common::{
    id::{JobId, ScheduleId},
    schedule::CatchUp,
    store::Schedule,
};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::error::{ErrorShape, words};
use crate::submit::request::JobRequest;

/// A job that recurs.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Schedule)]
pub struct ScheduleShape {
    /// Its id.
    #[schema(value_type = String, format = Uuid)]
    id: ScheduleId,
    /// A name for people.
    name: Option<String>,
    /// The cron line.
    cron: String,
    /// The time zone in which it is read.
    timezone: String,
    /// The job that is posted each time.
    #[schema(value_type = JobRequest)]
    job: Value,
    /// The handling of missed firings.
    #[schema(schema_with = catch_up_schema)]
    catch_up: CatchUp,
    /// It does not fire before this.
    #[schema(value_type = Option<String>, format = DateTime)]
    starts_at: Option<Timestamp>,
    /// It does not fire after this.
    #[schema(value_type = Option<String>, format = DateTime)]
    ends_at: Option<Timestamp>,
    /// Set while it is paused.
    paused: bool,
    /// When it was created.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it is due next; null while it is paused and after its end.
    #[schema(value_type = Option<String>, format = DateTime)]
    next_at: Option<Timestamp>,
    /// The latest time for which it fired.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_at: Option<Timestamp>,
    /// The id of the latest job that it made; `GET /v1/jobs?tag=schedule:{id}` lists them all.
    #[schema(value_type = Option<String>, format = Uuid)]
    last_job: Option<JobId>,
    /// The latest firing that was refused, without a job.
    last_refusal: Option<RefusalShape>,
}

/// A refused firing.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = Refusal)]
pub struct RefusalShape {
    /// The time for which it was to fire.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// Why it was refused.
    error: ErrorShape,
}

impl From<Schedule> for ScheduleShape {
    fn from(schedule: Schedule) -> Self {
        let course = schedule.course;
        Self {
            id: schedule.id,
            name: schedule.name,
            cron: schedule.cron,
            timezone: schedule.timezone,
            job: schedule.job,
            catch_up: schedule.catch_up,
            starts_at: schedule.starts_at,
            ends_at: schedule.ends_at,
            paused: schedule.paused,
            created_at: schedule.created_at,
            next_at: course.next_at,
            last_at: course.last_at,
            last_job: course.last_job,
            last_refusal: course
                .refusal
                .map(|refusal| RefusalShape { at: refusal.at, error: refusal.error.into() }),
        }
    }
}

/// A page of schedules.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SchedulePage {
    /// Newest first.
    pub schedules: Vec<ScheduleShape>,
    /// The `cursor` of the next page; null at the end.
    pub next_cursor: Option<String>,
}

fn catch_up_schema() -> utoipa::openapi::Object {
    words("The handling of missed firings.", CatchUp::ALL.map(CatchUp::as_str))
}
