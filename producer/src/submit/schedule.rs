//! A schedule as a client asks for it, and what it means.
//!
//! A change is the old document with some members replaced, read again as a whole: so whatever is stored was once valid as it stands.

use common::{
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

use super::{
    fields::{Fields, describe, flag, text},
    plan::Planner,
    request::{JobRequest, timestamp},
};

/// A job that recurs, as a client asks for it.
#[derive(Debug, Clone, PartialEq, ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct ScheduleRequest {
    /// For people; at most 200 bytes.
    #[schema(value_type = Option<String>)]
    pub name: Option<String>,
    /// When: minute, hour, day of the month, month, day of the week, as cron reads them (where both days are restricted, either will
    /// do); also `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`.
    #[schema(value_type = String, example = "30 9 * * MON-FRI")]
    pub cron: Option<String>,
    /// The IANA time zone in which `cron` is read. Where its clock jumps ahead over a time that `cron` names, the job comes right after the
    /// jump; where a time comes twice, once, at the first. With `*` or a step in minute or hour it is left out, and comes at both.
    #[schema(value_type = String, example = "Europe/Berlin")]
    pub timezone: Option<String>,
    /// The job, as `POST /v1/jobs` takes it, without `runAt`.
    #[schema(value_type = JobRequest)]
    pub job: Option<Value>,
    /// What becomes of firings that nobody was there to fire for more than a minute: left out (`skip`), the latest made up for (`latest`),
    /// or each (`all`, of more than a hundred the latest hundred). Times at which it was paused are not missed.
    #[schema(value_type = Option<String>, default = "skip")]
    pub catch_up: Option<CatchUp>,
    /// Not before this time.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub starts_at: Option<Timestamp>,
    /// Not after this time.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ends_at: Option<Timestamp>,
    /// Set if it rests until it is resumed.
    #[schema(value_type = Option<bool>, default = false)]
    pub paused: bool,
}

impl ScheduleRequest {
    fn read(document: Value) -> (Self, Vec<Fault>) {
        let mut fields = Fields::open("a schedule", document);
        let request = Self {
            name: fields.optional("name", name),
            cron: fields.required("cron", text),
            timezone: fields.required("timezone", text),
            job: fields.required("job", Ok),
            catch_up: fields.optional("catchUp", catch_up),
            starts_at: fields.optional("startsAt", timestamp),
            ends_at: fields.optional("endsAt", timestamp),
            paused: fields.optional("paused", flag).unwrap_or_default(),
        };
        (request, fields.close())
    }
}

/// What reading a schedule goes by.
#[derive(Debug, Clone, Copy)]
pub struct Scheduling<'a> {
    /// The kinds there are.
    pub catalog: &'a Catalog,
    /// The time of the call.
    pub now: Timestamp,
}

impl Scheduling<'_> {
    /// A new schedule, or the error that lists every fault, with pointers from the start of `document`.
    pub fn new_schedule(
        self,
        id: ScheduleId,
        tenant: TenantId,
        document: Value,
    ) -> Result<Schedule, JobError> {
        let (request, recurrence) = self.judge(document)?;
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

    /// A schedule with the members of `changes` in the place of its own; `null` takes one away. When it is due next is worked out anew
    /// if a change bears on that, from now on: what was due before is not made up for.
    pub fn changed(self, schedule: &Schedule, changes: Value) -> Result<Schedule, JobError> {
        let Value::Object(changes) = changes else {
            let detail = format!("{} is not a list of changes: give an object", describe(&changes));
            return Err(JobError::refused(vec![Fault::new("", detail)]));
        };
        let mut members = document(schedule);
        members.extend(changes);
        let (request, recurrence) = self.judge(Value::Object(members))?;
        let mut changed = schedule.clone();
        write(request, &mut changed);
        let when = |schedule: &Schedule| {
            let Schedule { cron, timezone, starts_at, ends_at, paused, .. } = schedule;
            (cron.clone(), timezone.clone(), *starts_at, *ends_at, *paused)
        };
        if when(&changed) != when(schedule) {
            changed.course.next_at = self.next(&changed, &recurrence);
        }
        Ok(changed)
    }

    fn judge(self, document: Value) -> Result<(ScheduleRequest, Recurrence), JobError> {
        let (request, mut faults) = ScheduleRequest::read(document);
        let mut code = code::INVALID_INPUT.to_owned();
        let recurrence = match (&request.cron, &request.timezone) {
            (Some(cron), Some(timezone)) => {
                Recurrence::read(cron, timezone).map_err(|more| faults.extend(more)).ok()
            }
            _ => None,
        };
        if let (Some(starts), Some(ends)) = (request.starts_at, request.ends_at)
            && ends < starts
        {
            faults.push(Fault::new(
                "/endsAt",
                format!("`{ends}` is before `startsAt`, which is `{starts}`: give a later time"),
            ));
        }
        if let Some(job) = &request.job {
            if job.get("runAt").is_some_and(|at| !at.is_null()) {
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
        match recurrence.filter(|_| faults.is_empty()) {
            Some(recurrence) => {
                let recurrence = recurrence.between(request.starts_at, request.ends_at);
                Ok((request, recurrence))
            }
            None => Err(JobError { code, ..JobError::refused(faults) }),
        }
    }

    fn next(self, schedule: &Schedule, recurrence: &Recurrence) -> Option<Timestamp> {
        if schedule.paused { None } else { recurrence.after(self.now) }
    }
}

/// When a stored schedule is due.
pub fn recurrence(schedule: &Schedule) -> Result<Recurrence, JobError> {
    let recurrence =
        Recurrence::read(&schedule.cron, &schedule.timezone).map_err(JobError::refused)?;
    Ok(recurrence.between(schedule.starts_at, schedule.ends_at))
}

/// The job of a firing. Its id, and so its tasks', follow from the schedule and the due time: planned again it is the same job.
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

/// A schedule that begins with its end was meant otherwise; one that is changed may well come to its end.
fn never(cron: &str, ends: Timestamp) -> JobError {
    let detail =
        format!("no time of `{cron}` is left before `{ends}`: give a later time, or leave it out");
    JobError::refused(vec![Fault::new("/endsAt", detail)])
}

fn write(request: ScheduleRequest, schedule: &mut Schedule) {
    schedule.name = request.name;
    schedule.cron = request.cron.unwrap_or_default();
    schedule.timezone = request.timezone.unwrap_or_default();
    schedule.job = request.job.unwrap_or_default();
    schedule.catch_up = request.catch_up.unwrap_or_default();
    schedule.starts_at = request.starts_at;
    schedule.ends_at = request.ends_at;
    schedule.paused = request.paused;
}

/// What a client would post to get this schedule.
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

/// Returns whether a call that is repeated asks for the schedule that it made before.
pub fn same_request(one: &Schedule, other: &Schedule) -> bool {
    document(one) == document(other)
}

fn name(value: Value) -> Result<String, String> {
    let name = text(value)?;
    if name.len() > MAX_NAME_BYTES || name.chars().any(char::is_control) {
        return Err(format!(
            "is longer than {MAX_NAME_BYTES} bytes or holds control characters: give a short line"
        ));
    }
    Ok(name)
}

fn catch_up(value: Value) -> Result<CatchUp, String> {
    let word = text(value)?;
    CatchUp::parse(&word).ok_or_else(|| {
        let words = CatchUp::ALL.map(CatchUp::as_str).join("`, `");
        format!("{} is not one of `{words}`", describe(&Value::String(word)))
    })
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
        json!({"cron": "0 6 * * *", "timezone": "Europe/Berlin", "job": {"kind": "echo", "input": {"value": 1}}})
    }

    #[test]
    fn every_fault_is_named_with_its_place() {
        let cases = [
            (json!({}), vec!["/cron", "/timezone", "/job"]),
            (
                json!({"cron": "x", "timezone": "y", "job": {"kind": "echo", "input": 7, "runAt": "2026-01-01T00:00:00Z"}, "catchUp": "some"}),
                vec!["/catchUp", "/cron", "/timezone", "/job/runAt", "/job/input"],
            ),
            (
                json!({"cron": "@daily", "timezone": "UTC", "job": {"kind": "echo", "input": {}}, "startsAt": "2026-02-01T00:00:00Z", "endsAt": "2026-01-01T00:00:00Z"}),
                vec!["/endsAt"],
            ),
            (
                json!({"cron": "@daily", "timezone": "UTC", "job": {"kind": "echo", "input": {}}, "endsAt": "2020-01-01T00:00:00Z"}),
                vec!["/endsAt"],
            ),
            (
                json!({"cron": "@daily", "timezone": "UTC", "job": {"kind": "echo", "input": {}}, "every": 1}),
                vec!["/every"],
            ),
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
    fn a_change_replaces_members_and_works_out_anew_when_it_is_due_only_where_that_changes() {
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
