//! Second level of a submit: plans a request as a job with its first tasks, or returns all its
//! faults.

use std::{io, time::Duration};

use common::{
    document::{self, DocumentReader, crop, has_member, list},
    error::{JobError, code},
    fault::Fault,
    id::{BatchId, JobId},
    kind::{Catalog, PlanFn},
    limits::{MAX_DELAY, MAX_INPUT_BYTES},
    plan::{self, NewTask, Overrides, Parent},
    submission::{NewBatch, NewItem, NewJob, Priority},
};
use jiff::Timestamp;
use serde_json::Value;

use super::request::{BatchRequest, JobRequest};

/// Inputs of planning.
#[derive(Debug, Clone, Copy)]
pub struct Planner<'a> {
    pub catalog: &'a Catalog,
    pub now: Timestamp,
}

impl Planner<'_> {
    /// Plans a job with a new id. The error lists every fault, with pointers from the start of
    /// `document`.
    pub fn job(self, document: Value) -> Result<NewJob, JobError> {
        self.job_of(JobId::new(), document)
    }

    /// Plans a job with a given id: planning again gives the same job.
    pub fn job_of(self, id: JobId, mut document: Value) -> Result<NewJob, JobError> {
        let (request, mut faults) = DocumentReader::read_whole::<JobRequest>(&document);
        // A member at fault hides no fault of another, so what can be read is planned all the same.
        let run_at = document::member::<Timestamp>(&document, "runAt");
        faults.extend(run_at.and_then(|at| self.too_late(at)));
        let overrides = request.as_ref().map(JobRequest::overrides).unwrap_or_default();
        let input = document.get("input").filter(|input| !input.is_null());
        let planned = match (document.get("kind").and_then(Value::as_str), input) {
            (Some(kind), Some(input)) => self.tasks(id, kind, input, overrides),
            (Some(kind), None) => self.drafts_of(kind).map(|_| Vec::new()),
            (None, _) => Ok(Vec::new()),
        };
        let (tasks, refused) = match planned {
            Ok(tasks) => (tasks, None),
            Err(refused) => (Vec::new(), Some(refused)),
        };
        let code = refused.as_ref().map_or(code::INVALID_INPUT, |refused| refused.code);
        faults.extend(refused.into_iter().flat_map(|refused| refused.faults));
        match request {
            Some(request) if faults.is_empty() => Ok(NewJob {
                id,
                unique: request
                    .unique
                    .as_ref()
                    .map(|unique| unique.unique(&request.kind, &document["input"])),
                priority: request.priority.map_or_else(Priority::default, Priority),
                run_at: request.run_at,
                queue_timeout: request.queue_timeout_ms.map(Duration::from_millis),
                tags: request.distinct_tags(),
                kind: request.kind,
                input: document["input"].take(),
                metadata: request.metadata,
                overrides,
                tasks,
                trace: None,
            }),
            _ => Err(JobError { code: code.to_owned(), ..JobError::refused(faults) }),
        }
    }

    /// Plans a batch with a new id, job by job; only faults in its own members refuse it whole.
    pub fn batch(self, mut document: Value) -> Result<NewBatch, JobError> {
        let request: BatchRequest = document::read(&document).map_err(JobError::refused)?;
        let jobs = document["jobs"].as_array_mut().map(std::mem::take).unwrap_or_default();
        let item = |job| self.item(job).map_or_else(NewItem::Refused, NewItem::Job);
        Ok(NewBatch {
            id: BatchId::new(),
            items: jobs.into_iter().map(item).collect(),
            max_concurrent: request.max_concurrent,
            stop_on_error: request.stop_on_error.unwrap_or_default(),
        })
    }

    fn item(self, document: Value) -> Result<NewJob, JobError> {
        match has_member(&document, "unique") {
            true => {
                let detail = "can't be given in a batch: post the job alone, or remove it";
                Err(JobError::refused(vec![Fault::new("/unique", detail)]))
            }
            false => self.job(document),
        }
    }

    fn too_late(self, run_at: Timestamp) -> Option<Fault> {
        let ahead = run_at.duration_since(self.now).as_secs();
        (ahead > MAX_DELAY.as_secs() as i64).then(|| {
            Fault::new(
                "/runAt",
                format!("`{run_at}` is more than {} days ahead", MAX_DELAY.as_secs() / 86400),
            )
        })
    }

    fn tasks(
        self,
        id: JobId,
        kind: &str,
        input: &Value,
        overrides: Overrides,
    ) -> Result<Vec<NewTask>, Refused> {
        let plan = self.drafts_of(kind)?;
        check_size(input)?;
        let drafts = plan(input).map_err(Refused::input)?;
        plan::build(Parent::Job(id), drafts, true, overrides, self.catalog)
            .map_err(|fault| Refused::input(vec![Fault::new("", fault.to_string())]))
    }

    fn drafts_of(self, kind: &str) -> Result<PlanFn, Refused> {
        self.catalog.get(kind).and_then(|spec| spec.plan).ok_or_else(|| {
            let known: Vec<_> = self.catalog.jobs().map(|spec| spec.name).collect();
            let detail = format!("`{}` is not a kind of job: use {}", crop(kind), list(&known));
            Refused { code: code::UNKNOWN_KIND, faults: vec![Fault::new("/kind", detail)] }
        })
    }
}

/// Faults of the kind or the input, with their error code.
struct Refused {
    code: &'static str,
    faults: Vec<Fault>,
}

impl Refused {
    fn input(faults: Vec<Fault>) -> Self {
        let faults = faults.into_iter().map(|fault| fault.under("/input")).collect();
        Self { code: code::INVALID_INPUT, faults }
    }
}

fn check_size(input: &Value) -> Result<(), Refused> {
    let mut room = Room(MAX_INPUT_BYTES);
    serde_json::to_writer(&mut room, input).map_err(|_| {
        Refused::input(vec![Fault::new(
            "",
            format!("is too long: at most {MAX_INPUT_BYTES} bytes as JSON"),
        )])
    })
}

/// A writer that counts bytes and refuses those beyond its bound.
struct Room(usize);

impl io::Write for Room {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use common::kinds::{self, echo};
    use serde_json::json;

    use super::*;

    fn planned(document: Value) -> Result<NewJob, JobError> {
        let catalog = Catalog::new(&[kinds::ALL, &[echo::SPEC]]);
        Planner { catalog: &catalog, now: "2026-01-01T00:00:00Z".parse().expect("a time") }
            .job(document)
    }

    #[test]
    fn a_job_gets_its_tasks_and_its_bounds() {
        let job = planned(
            json!({"kind": "echo", "input": {"value": 1}, "timeoutMs": 50, "maxAttempts": 7}),
        );
        let job = job.expect("a job");
        assert_eq!(job.tasks.len(), 1);
        assert_eq!(
            (job.tasks[0].timeout, job.tasks[0].max_attempts),
            (Duration::from_millis(50), 7)
        );
        assert_eq!(job.priority, Priority(5));
    }

    #[test]
    fn faults_of_every_level_are_said_together_with_pointers_from_the_body() {
        let cases = [
            (
                json!({"kind": "echo", "input": {"sleepMs": "x"}, "priority": 11}),
                code::INVALID_INPUT,
                vec!["/priority", "/input/sleepMs"],
            ),
            (json!({"kind": "nope", "input": {}, "x": 1}), code::UNKNOWN_KIND, vec!["/x", "/kind"]),
            (json!({"kind": "nope"}), code::UNKNOWN_KIND, vec!["/input", "/kind"]),
            (json!({"kind": "source", "input": {"src": "a"}}), code::UNKNOWN_KIND, vec!["/kind"]),
            (json!({"kind": "echo", "input": 7}), code::INVALID_INPUT, vec!["/input"]),
            (
                json!({"kind": "echo", "input": {}, "runAt": "2027-06-01T00:00:00Z"}),
                code::INVALID_INPUT,
                vec!["/runAt"],
            ),
            (
                json!({"kind": "echo", "input": {"value": "x".repeat(MAX_INPUT_BYTES)}}),
                code::INVALID_INPUT,
                vec!["/input"],
            ),
        ];
        for (document, code, pointers) in cases {
            let error = planned(document).expect_err("refused");
            let found: Vec<_> = error.errors.iter().map(|fault| fault.pointer.as_str()).collect();
            assert_eq!((error.code.as_str(), found), (code, pointers));
        }
    }

    #[test]
    fn an_item_of_a_batch_is_refused_by_itself() {
        let catalog = Catalog::new(&[&[echo::SPEC]]);
        let planner = Planner { catalog: &catalog, now: Timestamp::UNIX_EPOCH };
        let jobs =
            json!({"jobs": [{"kind": "echo", "input": {}}, 5, {"kind": "nope", "input": {}}]});
        let batch = planner.batch(jobs).expect("a batch");
        let refused: Vec<_> =
            batch.items.iter().map(|item| matches!(item, NewItem::Refused(_))).collect();
        assert_eq!(refused, [false, true, true]);
    }
}
