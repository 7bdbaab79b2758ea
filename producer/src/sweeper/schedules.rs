//! Fires due schedules: posts the job of each, and stores when it is due next.
//!
//! Any number of sweepers may do so at once. The job is accepted first and the schedule's row moves
//! on after that, in two commits. If this process dies in between, or another sweeper is as quick,
//! the same job id is posted again, which changes nothing; and of two updates of the row, the
//! second finds its revision gone.

use std::sync::Arc;

use common::{
    error::{JobError, code},
    id::JobId,
    kind::Catalog,
    port::{PortError, PortResult},
    store::{Course, Refusal, Schedule, Store},
    submission::{Acceptance, Submission, Work},
};
use jiff::Timestamp;

use crate::{
    metrics::ProducerMetrics,
    offload::{OffloadError, Offloader},
    submit::{
        Submitter,
        schedule::{job_of_firing, recurrence},
    },
};

/// Schedules in one step; more that are due in one second come in the next step, without a pause.
pub const MOST: u32 = 100;

/// The planner of jobs, in errors.
const PLANNER: &str = "the planner";

/// Fires due schedules.
#[derive(Clone)]
pub struct ScheduleFirer {
    pub store: Arc<dyn Store>,
    /// The kinds that a schedule may post.
    pub catalog: Arc<Catalog>,
    pub submitter: Submitter,
    pub metrics: ProducerMetrics,
    /// Runs the planning of jobs, which may be large compositions.
    pub offloader: Offloader,
}

impl ScheduleFirer {
    /// Fires due schedules, each by itself, in one bounded step; returns how many were due. It ends
    /// early only if the store is away. `latest` is the store's time at the step before.
    pub async fn run_once(&self, latest: &mut Option<Timestamp>) -> PortResult<u32> {
        let (now, due) = self.store.due_schedules(MOST).await?;
        if latest.is_none_or(|latest| now < latest) {
            self.put_right(now).await?;
        }
        *latest = Some(now);
        let found = due.len() as u32;
        for schedule in due {
            match self.fire(&schedule, now).await {
                Ok(()) => {}
                Err(error) if error.is_transient() => return Err(error),
                Err(error) => {
                    let schedule = schedule.id;
                    tracing::error!(%schedule, %error, "a schedule can't be advanced");
                }
            }
        }
        Ok(found)
    }

    /// Computes again what is due too late because it was computed when the store's clock was
    /// ahead. A firing that has a job already makes no second one when its time comes again.
    async fn put_right(&self, now: Timestamp) -> PortResult<()> {
        let mut after = None;
        loop {
            let schedules = self.store.pending_schedules(after, MOST).await?;
            let Some(last) = schedules.last() else { return Ok(()) };
            after = Some(last.id);
            for schedule in schedules {
                let next_at = recurrence(&schedule).ok().and_then(|times| times.after(now));
                if next_at.is_some() && next_at < schedule.course.next_at {
                    let course = Course { next_at, ..schedule.course };
                    self.store.advance_schedule(schedule.id, schedule.revision, &course).await?;
                }
            }
        }
    }

    async fn fire(&self, schedule: &Schedule, now: Timestamp) -> PortResult<()> {
        let Some(next_at) = schedule.course.next_at else { return Ok(()) };
        let mut course = schedule.course.clone();
        match recurrence(schedule) {
            Ok(recurrence) => {
                let due = recurrence.due(next_at, now, schedule.catch_up);
                for at in due.fire {
                    course.last_at = Some(at);
                    match self.post(schedule, at, now).await? {
                        Ok(job) => course.last_job = Some(job),
                        Err(error) => self.refuse(schedule, at, error, &mut course),
                    }
                }
                course.next_at = due.next;
            }
            // The schedule was readable when it was stored: this program knows fewer time zones
            // than the one that stored it. The schedule is not due again until it is changed.
            Err(error) => {
                self.refuse(schedule, next_at, error, &mut course);
                course.next_at = None;
            }
        }
        self.store.advance_schedule(schedule.id, schedule.revision, &course).await?;
        Ok(())
    }

    /// Posts the job of one due time, or returns why there is none.
    async fn post(
        &self,
        schedule: &Schedule,
        due: Timestamp,
        now: Timestamp,
    ) -> PortResult<Result<JobId, JobError>> {
        let (planned, catalog) = (schedule.clone(), Arc::clone(&self.catalog));
        let planning = move || job_of_firing(&planned, due, &catalog, now);
        let job = match self.offloader.run_long(planning).await {
            Ok(Ok(job)) => job,
            Ok(Err(error)) => return Ok(Err(error)),
            Err(error @ OffloadError::Busy) => return Err(PortError::unavailable(PLANNER, error)),
            Err(error) => return Ok(Err(JobError::bug(code::INTERNAL, error.to_string()))),
        };
        let id = job.id;
        let submission =
            Submission { tenant: schedule.tenant.clone(), idempotency: None, work: Work::Job(job) };
        match self.submitter.submit(submission).await {
            Ok(Acceptance::Same(existing)) => {
                self.metrics.fired.with_label_values(&["existing"]).inc();
                Ok(Ok(existing))
            }
            Ok(_) => {
                self.metrics.fired.with_label_values(&["posted"]).inc();
                Ok(Ok(id))
            }
            Err(error) if error.is_transient() => Err(error),
            Err(error) => Ok(Err(JobError::bug(code::INTERNAL, error.to_string()))),
        }
    }

    fn refuse(&self, schedule: &Schedule, at: Timestamp, error: JobError, course: &mut Course) {
        tracing::warn!(schedule = %schedule.id, due = %at, %error, "a firing was refused");
        self.metrics.fired.with_label_values(&["refused"]).inc();
        course.refusal = Some(Refusal { at, error });
    }
}
