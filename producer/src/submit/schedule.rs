//! Schedules: the document that a client posts, and the schedule that it becomes.
//!
//! A change is the old document with some members replaced, read again as a whole. So every stored
//! schedule was valid as it is.

use common::{
    document::{self, DocumentReader, TextBounds, brief, has_member, object},
    error::{JobError, code},
    fault::Fault,
    id::{JobId, ScheduleId, TenantId},
    kind::Catalog,
    limits::MAX_NAME_BYTES,
    schedule::{CatchUp, Recurrence, SCHEDULE_TAG},
    store::{Course, Schedule},
    submission::NewJob,
};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{plan::Planner, request::JobRequest};

const NAME: TextBounds = TextBounds::bytes(MAX_NAME_BYTES).or_empty().and(one_line);

object! {
    /// A job that recurs, as a client asks for it.
    #[derive(ToSchema)]
    #[schema(rename_all = "camelCase")]
    pub struct ScheduleRequest {
        /// Name for people; at most 200 bytes.
        name: Option<String> = "name" within NAME,
        /// Due times: minute, hour, day of the month, month, day of the week, as cron reads them
        /// (if both days are restricted, either will do; one that begins with `*` does not
        /// restrict); also `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`.
        #[schema(example = "30 9 * * MON-FRI")]
        cron: String = "cron",
        /// IANA time zone in which `cron` is read. If its clock skips a time that `cron` names, the
        /// job comes right after the gap; if a time occurs twice, the job comes once, at the first.
        /// With `*` or a step in minute or hour, a skipped time is left out, and a time that occurs
        /// twice fires twice.
        #[schema(example = "Europe/Berlin")]
        timezone: String = "timezone",
        /// The job, as `POST /v1/jobs` takes it, without `runAt`.
        #[schema(value_type = JobRequest)]
        job: Value = "job",
        /// Treatment of firings that are more than a minute late because no server ran: left out
        /// (`skip`), the latest made up for (`latest`), or each (`all`, of more than a hundred the
        /// latest hundred). Due times of a paused schedule are not late.
        #[schema(value_type = Option<String>, default = "skip")]
        catch_up: Option<CatchUp> = "catchUp",
        /// No firing before this time.
        #[schema(value_type = Option<String>, format = DateTime)]
        starts_at: Option<Timestamp> = "startsAt",
        /// No firing after this time.
        #[schema(value_type = Option<String>, format = DateTime)]
        ends_at: Option<Timestamp> = "endsAt",
        /// Set if it does not fire until it is resumed.
        #[schema(default = false)]
        paused: Option<bool> = "paused",
    }
}

/// Inputs of reading a schedule.
#[derive(Debug, Clone, Copy)]
pub struct Scheduling<'a> {
    pub catalog: &'a Catalog,
    pub now: Timestamp,
}

impl Scheduling<'_> {
    /// Reads a new schedule. The error lists every fault, with pointers from the start of
    /// `document`.
    pub fn new_schedule(
        self,
        id: ScheduleId,
        tenant: TenantId,
        document: Value,
    ) -> Result<Schedule, JobError> {
        let (request, recurrence) = self.read(document)?;
        let mut schedule = Schedule {
            id,
            tenant,
            name: None,
            cron: String::new(),
            timezone: String::new(),
            catch_up: CatchUp::default(),
            starts_at: None,
            ends_at: None,
            paused: false,
            job: Value::Null,
            created_at: self.now,
            revision: 1,
            course: Course::default(),
        };
        write(request, &mut schedule);
        schedule.course.next_at = self.next(&schedule, &recurrence);
        match (schedule.course.next_at, schedule.ends_at) {
            (None, Some(ends)) if !schedule.paused => Err(never(&schedule.cron, ends)),
            _ => Ok(schedule),
        }
    }

    /// Replaces members of a schedule by those of `changes`; `null` removes one. If its next due
    /// time depends on a change, that is computed again from now on: times before are not made up
    /// for.
    pub fn changed(self, schedule: &Schedule, changes: Value) -> Result<Schedule, JobError> {
        let Value::Object(changes) = changes else {
            let detail = format!("is {}: give an object with the changes", brief(&changes));
            return Err(JobError::refused(vec![Fault::new("", detail)]));
        };
        let mut members = document(schedule);
        members.extend(changes);
        let (request, recurrence) = self.read(Value::Object(members))?;
        let mut changed = schedule.clone();
        write(request, &mut changed);
        let timing = |schedule: &Schedule| {
            let Schedule { cron, timezone, starts_at, ends_at, paused, .. } = schedule;
            (cron.clone(), timezone.clone(), *starts_at, *ends_at, *paused)
        };
        if timing(&changed) != timing(schedule) {
            changed.course.next_at = self.next(&changed, &recurrence);
        }
        Ok(changed)
    }

    fn read(self, document: Value) -> Result<(ScheduleRequest, Recurrence), JobError> {
        let (request, mut faults) = DocumentReader::read_whole::<ScheduleRequest>(&document);
        let mut code = code::INVALID_INPUT.to_owned();
        // A member at fault hides no fault of another, so each rule takes what it needs by itself.
        let text = |name| document.get(name).and_then(Value::as_str);
        let time = |name| document::member::<Timestamp>(&document, name);
        let recurrence = match (text("cron"), text("timezone")) {
            (Some(cron), Some(timezone)) => {
                Recurrence::read(cron, timezone).map_err(|more| faults.extend(more)).ok()
            }
            _ => None,
        };
        if let (Some(starts), Some(ends)) = (time("startsAt"), time("endsAt"))
            && ends < starts
        {
            faults.push(Fault::new(
                "/endsAt",
                format!("`{ends}` is before `startsAt`, which is `{starts}`: give a later time"),
            ));
        }
        if let Some(job) = document.get("job").filter(|job| !job.is_null()) {
            if has_member(job, "runAt") {
                faults.push(Fault::new(
                    "/job/runAt",
                    "can't be given here: `cron` says when; remove it",
                ));
            }
            if let Err(error) =
                (Planner { catalog: self.catalog, now: self.now }).job_of(JobId::new(), job.clone())
            {
                code = error.code;
                faults.extend(error.errors.into_iter().map(|fault| fault.under("/job")));
            }
        }
        match (request, recurrence) {
            (Some(request), Some(recurrence)) if faults.is_empty() => {
                let recurrence = recurrence.between(request.starts_at, request.ends_at);
                Ok((request, recurrence))
            }
            _ => Err(JobError { code, ..JobError::refused(faults) }),
        }
    }

    fn next(self, schedule: &Schedule, recurrence: &Recurrence) -> Option<Timestamp> {
        if schedule.paused { None } else { recurrence.after(self.now) }
    }
}

/// Due times of a stored schedule.
pub fn recurrence(schedule: &Schedule) -> Result<Recurrence, JobError> {
    let recurrence =
        Recurrence::read(&schedule.cron, &schedule.timezone).map_err(JobError::refused)?;
    Ok(recurrence.between(schedule.starts_at, schedule.ends_at))
}

/// Plans the job of a firing. Its id and those of its tasks follow from the schedule and the due
/// time, so that planning it again gives the same job.
pub fn job_of_firing(
    schedule: &Schedule,
    due: Timestamp,
    catalog: &Catalog,
    now: Timestamp,
) -> Result<NewJob, JobError> {
    let id = JobId::of_firing(schedule.id, due.as_millisecond());
    let mut job = Planner { catalog, now }.job_of(id, schedule.job.clone())?;
    job.tags.push(format!("{SCHEDULE_TAG}{}", schedule.id));
    Ok(job)
}

/// Refuses a new schedule that is over already. A changed one may be over.
fn never(cron: &str, ends: Timestamp) -> JobError {
    let detail =
        format!("no time of `{cron}` is left before `{ends}`: give a later time, or leave it out");
    JobError::refused(vec![Fault::new("/endsAt", detail)])
}

fn write(request: ScheduleRequest, schedule: &mut Schedule) {
    schedule.name = request.name;
    schedule.cron = request.cron;
    schedule.timezone = request.timezone;
    schedule.job = request.job;
    schedule.catch_up = request.catch_up.unwrap_or_default();
    schedule.starts_at = request.starts_at;
    schedule.ends_at = request.ends_at;
    schedule.paused = request.paused.unwrap_or_default();
}

/// The document that a client would post to get this schedule.
fn document(schedule: &Schedule) -> Map<String, Value> {
    let document = json!({
        "name": schedule.name,
        "cron": schedule.cron,
        "timezone": schedule.timezone,
        "job": schedule.job,
        "catchUp": schedule.catch_up,
        "startsAt": schedule.starts_at,
        "endsAt": schedule.ends_at,
        "paused": schedule.paused,
    });
    match document {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// Returns whether a repeated call asks for the schedule that it created before.
pub fn same_request(one: &Schedule, other: &Schedule) -> bool {
    document(one) == document(other)
}

fn one_line(name: &str) -> Result<(), String> {
    match name.chars().any(char::is_control) {
        true => Err("holds control characters: give a short line".to_owned()),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use common::kinds::echo;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn catalog() -> Catalog {
        Catalog::new(&[&[echo::SPEC]])
    }

    fn made(document: Value) -> Result<Schedule, JobError> {
        let (catalog, now) = (catalog(), at("2026-01-01T00:00:00Z"));
        Scheduling { catalog: &catalog, now }.new_schedule(
            ScheduleId::new(),
            TenantId::default(),
            document,
        )
    }

    fn changed(schedule: &Schedule, changes: Value) -> Result<Schedule, JobError> {
        let (catalog, now) = (catalog(), at("2026-01-01T12:00:00Z"));
        Scheduling { catalog: &catalog, now }.changed(schedule, changes)
    }

    fn daily() -> Value {
        let job = json!({"kind": "echo", "input": {"value": 1}});
        json!({"cron": "0 6 * * *", "timezone": "Europe/Berlin", "job": job})
    }

    #[test]
    fn every_fault_is_reported_with_its_pointer() {
        let daily = |more: Value| {
            let mut document =
                json!({"cron": "@daily", "timezone": "UTC", "job": {"kind": "echo", "input": {}}});
            let members = document.as_object_mut().expect("an object");
            members.extend(more.as_object().expect("an object").clone());
            document
        };
        let (january, february) = ("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z");
        let cases = [
            (json!({}), vec!["/cron", "/timezone", "/job"]),
            (
                json!({
                    "cron": "x", "timezone": "y", "catchUp": "some",
                    "job": {"kind": "echo", "input": 7, "runAt": january},
                }),
                vec!["/catchUp", "/cron", "/timezone", "/job/runAt", "/job/input"],
            ),
            (daily(json!({"startsAt": february, "endsAt": january})), vec!["/endsAt"]),
            (daily(json!({"endsAt": "2020-01-01T00:00:00Z"})), vec!["/endsAt"]),
            (daily(json!({"every": 1})), vec!["/every"]),
            (daily(json!({"name": "a\nb", "paused": "yes"})), vec!["/name", "/paused"]),
        ];
        for (document, pointers) in cases {
            let error = made(document.clone()).expect_err("refused");
            let found: Vec<_> = error.errors.iter().map(|fault| fault.pointer.as_str()).collect();
            assert_eq!(found, pointers, "{document}");
        }
        let unknown =
            json!({"cron": "@daily", "timezone": "UTC", "job": {"kind": "nope", "input": {}}});
        assert_eq!(made(unknown).expect_err("refused").code, code::UNKNOWN_KIND);
    }

    #[test]
    fn it_is_due_next_in_its_own_zone() {
        let schedule = made(daily()).expect("a schedule");
        assert_eq!(schedule.course.next_at, Some(at("2026-01-01T05:00:00Z")));
    }

    #[test]
    fn a_change_replaces_members_and_computes_the_next_due_time_only_if_that_depends_on_it() {
        let schedule = made(daily()).expect("a schedule");
        let renamed = changed(&schedule, json!({"name": "breakfast"})).expect("changed");
        assert_eq!(
            (renamed.name.as_deref(), renamed.course.next_at),
            (Some("breakfast"), schedule.course.next_at)
        );
        let changes = changed(&renamed, json!({"timezone": "UTC", "name": null})).expect("changed");
        assert_eq!(
            (changes.name, changes.course.next_at),
            (None, Some(at("2026-01-02T06:00:00Z")))
        );
        let paused = changed(&schedule, json!({"paused": true})).expect("changed");
        assert_eq!(paused.course.next_at, None);
        assert!(changed(&schedule, json!({"cron": null})).is_err());
        assert!(changed(&schedule, json!([])).is_err());
    }

    #[test]
    fn a_firing_planned_again_is_the_same_job_down_to_its_tasks() {
        let schedule = made(daily()).expect("a schedule");
        let (catalog, due) = (catalog(), at("2026-01-01T05:00:00Z"));
        let job = |now| job_of_firing(&schedule, due, &catalog, now).expect("a job");
        assert_eq!(job(due), job(at("2026-01-09T00:00:00Z")));
        assert_eq!(job(due).tags, [format!("schedule:{}", schedule.id)]);
    }
}
