//! Submit calls of clients, from the parsed body to the stored answer: admit, plan, store.

use std::{str::FromStr, sync::Arc};

use common::{
    error::JobError,
    id::{BatchId, Digest, JobId, ScheduleId, TenantId},
    key::canonical,
    kind::Catalog,
    kinds::probe,
    port::{PortError, clock::Clock},
    queue::Queue,
    store::{Schedule, Store},
    submission::{Acceptance, Idempotency, NewBatch, NewJob, Submission, Work},
    trace::TraceParent,
};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    Submitter,
    plan::Planner,
    request::{WARM_PRIORITY, WARM_TAG, WarmRequest},
    schedule::{Scheduling, same_request},
};
use crate::{
    backlog::Backlog,
    metrics::ProducerMetrics,
    offload::{MemoryPermit, OffloadError, Offloader},
};

/// Tries of a change to a schedule that fires, or is changed by another call, meanwhile.
const TRIES: usize = 10;

/// One submit call as it was received.
#[derive(Debug)]
pub struct SubmitCall {
    pub tenant: TenantId,
    /// The caller's idempotency key: a call with the same key and document counts once.
    pub key: Option<String>,
    pub trace: Option<TraceParent>,
    pub document: Value,
    /// Length of the document in bytes as received.
    pub length: usize,
    /// Room for the document, until its work is stored.
    pub memory: MemoryPermit,
}

/// Stored work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submitted<I> {
    pub id: I,
    /// The answer, as JSON.
    pub answer: String,
    pub origin: AnswerOrigin,
}

/// The work that an answer is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerOrigin {
    /// Work that this call stored.
    New,
    /// Work that an earlier call with the same idempotency key stored.
    Replayed,
    /// A job that is the same as the unique one of this call, which is not stored. There is no
    /// written answer.
    Existing,
}

/// Why nothing was stored.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    #[error("{waiting} tasks of queue {queue} wait, and this server takes on work up to {bound}")]
    Overloaded { queue: Queue, waiting: u64, bound: u64 },
    /// The document has faults.
    #[error(transparent)]
    Refused(#[from] JobError),
    #[error("`Idempotency-Key: {0}` was used for another request: send that one, or use a new key")]
    KeyReused(String),
    #[error(
        "`Idempotency-Key` was used for another schedule, or that has been changed since: use a \
         new key"
    )]
    ScheduleKeyReused,
    #[error("schedule `{0}` was changed by others all the time: try again")]
    Contended(ScheduleId),
    #[error(transparent)]
    Offload(#[from] OffloadError),
    #[error(transparent)]
    Port(#[from] PortError),
}

impl From<serde_json::Error> for SubmitError {
    fn from(error: serde_json::Error) -> Self {
        PortError::broken("the answer", error).into()
    }
}

/// Writes the answer to accepted work, as JSON. It is stored with the idempotency key.
type RenderAnswer<W> = fn(&W, Timestamp) -> serde_json::Result<String>;

/// Work that is planned and not stored yet.
struct Planned<I> {
    id: I,
    /// The job's kind, or `batch`.
    label: String,
    answer: String,
    work: Work,
}

/// Plans and stores the work of clients.
pub struct SubmitCalls {
    pub store: Arc<dyn Store>,
    pub submitter: Submitter,
    /// The kinds that clients may ask for.
    pub catalog: Arc<Catalog>,
    pub clock: Arc<dyn Clock>,
    pub backlog: Arc<Backlog>,
    /// Work is refused while more tasks than this wait in a queue.
    pub max_backlog: u64,
    pub metrics: ProducerMetrics,
    /// Runs the planning of large documents.
    pub offloader: Offloader,
}

impl SubmitCalls {
    /// Stores a job.
    pub async fn job(
        &self,
        call: SubmitCall,
        render: RenderAnswer<NewJob>,
    ) -> Result<Submitted<JobId>, SubmitError> {
        let plan = |planner: Planner<'_>, document| planner.job(document);
        self.submit(call, "POST /v1/jobs", plan, move |job, trace, now| {
            let job = job.traced(trace);
            Ok(Planned {
                id: job.id,
                label: job.kind.clone(),
                answer: render(&job, now)?,
                work: Work::Job(job),
            })
        })
        .await
    }

    /// Stores a batch. A refused item becomes a rejected one.
    pub async fn batch(
        &self,
        call: SubmitCall,
        render: RenderAnswer<NewBatch>,
    ) -> Result<Submitted<BatchId>, SubmitError> {
        let plan = |planner: Planner<'_>, document| planner.batch(document);
        self.submit(call, "POST /v1/batches", plan, move |batch, trace, now| {
            let batch = batch.traced(trace);
            Ok(Planned {
                id: batch.id,
                label: "batch".to_owned(),
                answer: render(&batch, now)?,
                work: Work::Batch(batch),
            })
        })
        .await
    }

    /// Stores a batch of probes at the lowest priority, which fetch their sources ahead of need.
    pub async fn warm(
        &self,
        call: SubmitCall,
        render: RenderAnswer<NewBatch>,
    ) -> Result<Submitted<BatchId>, SubmitError> {
        let request = WarmRequest::read(call.document).map_err(JobError::refused)?;
        let job = |src| {
            json!({
                "kind": probe::NAME,
                "input": {"src": src},
                "priority": WARM_PRIORITY,
                "tags": [WARM_TAG],
            })
        };
        let jobs: Vec<Value> = request.sources.into_iter().map(job).collect();
        self.batch(SubmitCall { document: json!({"jobs": jobs}), ..call }, render).await
    }

    /// Creates a schedule, or returns the one that an earlier call with the same key created.
    pub async fn schedule(&self, call: SubmitCall) -> Result<Schedule, SubmitError> {
        let SubmitCall { tenant, key, document, length, memory: _memory, .. } = call;
        let id = key.map_or_else(ScheduleId::new, |key| ScheduleId::of_call(&tenant, &key));
        let (now, catalog) = (self.store.store_time().await?, Arc::clone(&self.catalog));
        let owner = tenant.clone();
        let read = move || Scheduling { catalog: &catalog, now }.new_schedule(id, owner, document);
        let schedule = self.offloader.run(length, read).await??;
        if self.store.create_schedule(&schedule).await? {
            return Ok(schedule);
        }
        match self.store.schedule(&tenant, id).await? {
            Some(before) if same_request(&before, &schedule) => Ok(before),
            _ => Err(SubmitError::ScheduleKeyReused),
        }
    }

    /// Replaces members of a schedule; `None` if the tenant has no such schedule.
    pub async fn change_schedule(
        &self,
        tenant: &TenantId,
        id: ScheduleId,
        changes: &Value,
    ) -> Result<Option<Schedule>, SubmitError> {
        for _ in 0..TRIES {
            let Some(schedule) = self.store.schedule(tenant, id).await? else { return Ok(None) };
            let (now, catalog) = (self.store.store_time().await?, Arc::clone(&self.catalog));
            let changes = changes.clone();
            let read = move || Scheduling { catalog: &catalog, now }.changed(&schedule, changes);
            let mut changed = self.offloader.run_long(read).await??;
            if self.store.change_schedule(&changed).await? {
                changed.revision += 1;
                return Ok(Some(changed));
            }
        }
        Err(SubmitError::Contended(id))
    }

    /// Plans and stores one call. The fingerprint of an idempotent call covers `route` and the
    /// document.
    async fn submit<W, I, P, F>(
        &self,
        call: SubmitCall,
        route: &'static str,
        plan: P,
        finish: F,
    ) -> Result<Submitted<I>, SubmitError>
    where
        W: Send + 'static,
        I: FromStr + Send + 'static,
        P: FnOnce(Planner<'_>, Value) -> Result<W, JobError> + Send + 'static,
        F: FnOnce(W, Option<TraceParent>, Timestamp) -> serde_json::Result<Planned<I>>
            + Send
            + 'static,
    {
        let begun = Instant::now();
        self.admit()?;
        let SubmitCall { tenant, key, trace, document, length, memory: _memory } = call;
        let (now, catalog, has_key) = (self.now(), Arc::clone(&self.catalog), key.is_some());
        let planning = move || {
            let fingerprint = has_key.then(|| fingerprint(route, &document));
            let work = plan(Planner { catalog: &catalog, now }, document)?;
            Ok::<_, SubmitError>((finish(work, trace, now)?, fingerprint))
        };
        let (planned, fingerprint) = self.offloader.run(length, planning).await??;
        let Planned { id, label, answer, work } = planned;
        let idempotency = key.clone().zip(fingerprint).map(|(key, fingerprint)| Idempotency {
            key,
            fingerprint,
            answer: answer.clone(),
        });
        let submitted =
            match self.submitter.submit(Submission { tenant, idempotency, work }).await? {
                Acceptance::Stored => Submitted { id, answer, origin: AnswerOrigin::New },
                Acceptance::Replayed(answer) => {
                    let id = id_of(&answer).unwrap_or(id);
                    Submitted { id, answer, origin: AnswerOrigin::Replayed }
                }
                Acceptance::Same(job) => Submitted {
                    id: job.to_string().parse().unwrap_or(id),
                    answer: String::new(),
                    origin: AnswerOrigin::Existing,
                },
                Acceptance::KeyReused => {
                    return Err(SubmitError::KeyReused(key.unwrap_or_default()));
                }
            };
        let seconds = begun.elapsed().as_secs_f64();
        self.metrics.accept.with_label_values(&[label.as_str()]).observe(seconds);
        Ok(submitted)
    }

    /// Refuses more work while too many tasks wait.
    fn admit(&self) -> Result<(), SubmitError> {
        let bound = self.max_backlog;
        match self.backlog.over(bound) {
            Some((queue, waiting)) => Err(SubmitError::Overloaded { queue, waiting, bound }),
            None => Ok(()),
        }
    }

    /// Schedules are due by the store's clock, so the first due time is computed from it.
    /// The time of a call, in whole milliseconds as the stores keep it.
    fn now(&self) -> Timestamp {
        let now = self.clock.now();
        Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
    }
}

/// The same for every spelling of a document.
fn fingerprint(route: &str, document: &Value) -> Digest {
    Digest::of(format!("{route}\n{}", canonical(document)).as_bytes())
}

/// The id in a stored answer.
fn id_of<I: FromStr>(answer: &str) -> Option<I> {
    let answer: Value = serde_json::from_str(answer).ok()?;
    answer["id"].as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_of_route_and_document_in_any_spelling() {
        let one = fingerprint("a", &json!({"x": 1, "y": 2}));
        assert_eq!(one, fingerprint("a", &json!({"y": 2, "x": 1})));
        assert_ne!(one, fingerprint("b", &json!({"x": 1, "y": 2})));
        assert_ne!(one, fingerprint("a", &json!({"x": 1, "y": 3})));
    }

    #[test]
    fn a_replayed_answer_has_the_id_of_its_own_job() {
        let id = JobId::new();
        assert_eq!(id_of(&json!({"id": id}).to_string()), Some(id));
    }
}
