//! The parts of an accept: the rows to store, and the replies to the submissions.
//!
//! The view of an accepted job is known without reading it back. A job is read only if its first
//! task may share another's output (after the decision whether it does), or while limits or pauses
//! are set.

use std::collections::{BTreeMap, BTreeSet, HashMap, hash_map::Entry};

use common::{
    id::{Fence, JobId, TaskId, TenantId},
    plan::NewTask,
    port::{PortResult, broker::TaskMessage},
    queue::Queue,
    rules::lifecycle::JobStatus,
    store::{Accepted, Credit},
    submission::{Acceptance, NewBatch, NewItem, NewJob, Submission, Work},
    view::{JobView, KindCount, Rank, WaitingFor},
};
use jiff::Timestamp;
use uuid::Uuid;

use super::{
    PgStore,
    column::{self, Cells, millis},
    effects::Effects,
    errors::unreadable,
    rows::{CallRow, NewBatchRow, NewJobRow, NewTaskRow, UniqueJobRow},
};

/// The source of the reply to a submission.
pub enum Source {
    /// The submission has no idempotency key.
    NoKey,
    /// The key's position in the statement.
    Key(usize),
    /// An earlier submission of the same call has the key, and this one is not stored.
    Earlier(usize),
}

/// Finds the source of the reply to each submission.
pub fn sources(submissions: &[Submission]) -> Vec<Source> {
    let (mut first, mut keys) = (HashMap::new(), 0);
    let mut sources = Vec::with_capacity(submissions.len());
    for (index, submission) in submissions.iter().enumerate() {
        let Some(idempotency) = &submission.idempotency else {
            sources.push(Source::NoKey);
            continue;
        };
        sources.push(match first.entry((&submission.tenant, &idempotency.key)) {
            Entry::Occupied(earlier) => Source::Earlier(*earlier.get()),
            Entry::Vacant(free) => {
                free.insert(index);
                keys += 1;
                Source::Key(keys - 1)
            }
        });
    }
    sources
}

/// Splits submissions into calls, before each job whose unique key an earlier one of the same call
/// has: it must find that one stored.
pub fn calls(submissions: Vec<Submission>) -> Vec<Vec<Submission>> {
    let (mut calls, mut call, mut keys) = (Vec::new(), Vec::new(), BTreeSet::new());
    for submission in submissions {
        let unique = submission.work.unique();
        let key = unique.map(|(_, unique)| (submission.tenant.0.clone(), unique.key.0));
        if key.as_ref().is_some_and(|key| keys.contains(key)) {
            calls.push(std::mem::take(&mut call));
            keys.clear();
        }
        keys.extend(key);
        call.push(submission);
    }
    calls.push(call);
    calls
}

/// The replies to submissions, from the responses to replay and the jobs that unique ones are the
/// same as.
pub fn answers(
    submissions: &[Submission],
    sources: &[Source],
    stored: &Stored,
) -> PortResult<Vec<Acceptance>> {
    let mut answers: Vec<Acceptance> = Vec::with_capacity(submissions.len());
    let mut same = stored.same.iter();
    for (submission, source) in submissions.iter().zip(sources) {
        let is_sent = !matches!(source, Source::Earlier(_));
        let unique = submission.work.unique().filter(|_| is_sent);
        if let Some(same) = unique.and_then(|_| same.next()).copied().flatten() {
            answers.push(Acceptance::Same(JobId(same)));
            continue;
        }
        answers.push(match source {
            Source::NoKey => Acceptance::Stored,
            Source::Key(place) => {
                from_replay(stored.replays.get(*place).and_then(Option::as_deref))?
            }
            Source::Earlier(earlier) => {
                after(&submissions[*earlier], submission, &answers[*earlier])
            }
        });
    }
    Ok(answers)
}

fn from_replay(replay: Option<&str>) -> PortResult<Acceptance> {
    match replay.map(|text| text.split_at_checked(1)) {
        None => Ok(Acceptance::Stored),
        Some(Some(("=", answer))) => Ok(Acceptance::Replayed(answer.to_owned())),
        Some(Some(("!", ""))) => Ok(Acceptance::KeyReused),
        _ => Err(unreadable("replays", replay.unwrap_or_default())),
    }
}

/// The reply to a submission whose key an earlier one of the same call has.
fn after(earlier: &Submission, later: &Submission, first_answer: &Acceptance) -> Acceptance {
    let (Some(first), Some(second)) = (&earlier.idempotency, &later.idempotency) else {
        return first_answer.clone();
    };
    match first_answer {
        _ if first.fingerprint != second.fingerprint => Acceptance::KeyReused,
        Acceptance::Stored if target(earlier) == target(later) => Acceptance::Stored,
        Acceptance::Stored => Acceptance::Replayed(first.answer.clone()),
        other => other.clone(),
    }
}

fn target(submission: &Submission) -> Uuid {
    match &submission.work {
        Work::Job(job) => job.id.0,
        Work::Batch(batch) => batch.id.0,
    }
}

/// The jobs of a submission without refused items, each with its batch and its position in that.
pub fn jobs(submission: &Submission) -> Vec<(&NewJob, Option<(&NewBatch, u32)>)> {
    match &submission.work {
        Work::Job(job) => vec![(job, None)],
        Work::Batch(batch) => {
            let items = (0..).zip(&batch.items);
            let jobs = items.filter_map(|(item, new)| match new {
                NewItem::Job(job) => Some((job, Some((batch, item)))),
                NewItem::Refused(_) => None,
            });
            jobs.collect()
        }
    }
}

/// Decides which tasks go straight to `queued`.
pub struct Enqueuer {
    credit: BTreeMap<Queue, u32>,
    enqueued: BTreeSet<TaskId>,
}

impl Enqueuer {
    /// Makes one that may use up this credit.
    pub fn new(credit: &[Credit]) -> Self {
        let mut left = BTreeMap::new();
        for credit in credit {
            *left.entry(credit.queue).or_default() += credit.tasks;
        }
        Self { credit: left, enqueued: BTreeSet::new() }
    }

    /// Takes credit for a task that waits for nothing: it has no needs, no start time, no limit and
    /// no key that it could share.
    fn takes(&mut self, job: &NewJob, batch: Option<&NewBatch>, task: &NewTask) -> bool {
        let free = task.needs.is_empty() && task.input_key.is_none() && job.run_at.is_none();
        if !free || batch.is_some_and(|batch| batch.max_concurrent.is_some()) {
            return false;
        }
        let Some(left) = self.credit.get_mut(&task.queue).filter(|left| **left > 0) else {
            return false;
        };
        *left -= 1;
        self.enqueued.insert(task.id)
    }
}

/// The arguments of `spool.accept`.
#[derive(Default)]
pub struct Rows {
    jobs: Vec<NewJobRow>,
    batches: Vec<NewBatchRow>,
    calls: Vec<CallRow>,
    uniques: Vec<UniqueJobRow>,
}

impl Rows {
    /// Adds the rows of a submission.
    pub fn push(&mut self, submission: &Submission, enqueuer: &mut Enqueuer) -> PortResult<()> {
        let Submission { tenant, idempotency, work } = submission;
        self.calls
            .extend(idempotency.iter().map(|key| CallRow::of(tenant, key, target(submission))));
        let unique = work.unique().map(|(job, unique)| UniqueJobRow::of(tenant, job, unique));
        self.uniques.extend(unique);
        if let Work::Batch(batch) = work {
            self.batches.push(NewBatchRow::of(tenant, batch)?);
        }
        for (job, place) in jobs(submission) {
            let mut tasks = Vec::with_capacity(job.tasks.len());
            for task in &job.tasks {
                let enqueue = enqueuer.takes(job, place.map(|(batch, _)| batch), task);
                tasks.push(NewTaskRow::of(task, Some(&job.input), enqueue)?);
            }
            self.jobs.push(NewJobRow::of(tenant, job, place, tasks)?);
        }
        Ok(())
    }
}

/// The result of `spool.accept`.
pub struct Stored {
    at: Timestamp,
    queues_with_workers: BTreeSet<Queue>,
    fresh: BTreeSet<Uuid>,
    /// One for each idempotency key.
    pub replays: Vec<Option<String>>,
    /// One for each unique job: the job that it is the same as.
    same: Vec<Option<Uuid>>,
    /// Set if tasks with credit were queued: not while a limit or pause is set, which only a
    /// dispatch checks.
    credited: bool,
}

impl PgStore {
    /// Stores until when the first tasks of jobs with a queue timeout may wait. A statement of its
    /// own, before the one that stores the tasks, and only if a job has such a timeout.
    pub(super) async fn store_deadlines(&self, submissions: &[Submission]) -> PortResult<()> {
        let (mut tasks, mut run_ats, mut allowed) = (Vec::new(), Vec::new(), Vec::new());
        for (job, _) in submissions.iter().flat_map(jobs) {
            let Some(timeout) = job.queue_timeout else { continue };
            for task in job.tasks.iter().filter(|task| task.needs.is_empty()) {
                tasks.push(task.id.0);
                run_ats.push(job.run_at.map(Timestamp::as_millisecond));
                allowed.push(millis(timeout));
            }
        }
        if tasks.is_empty() {
            return Ok(());
        }
        let query = sqlx::query("SELECT spool.store_deadlines($1, $2, $3)")
            .bind(tasks)
            .bind(run_ats)
            .bind(allowed);
        self.work(query.execute(&self.work)).await.map(drop)
    }

    /// Stores traces, before the statement that stores the jobs, and only if a caller sent one.
    pub(super) async fn store_traces(&self, submissions: &[Submission]) -> PortResult<()> {
        let traced = submissions
            .iter()
            .flat_map(jobs)
            .filter_map(|(job, _)| Some((job.id.0, job.trace.as_ref()?.to_string())));
        let (jobs, traces): (Vec<_>, Vec<_>) = traced.unzip();
        if jobs.is_empty() {
            return Ok(());
        }
        let query = sqlx::query("SELECT spool.store_traces($1, $2)").bind(jobs).bind(traces);
        self.work(query.execute(&self.work)).await.map(drop)
    }

    /// Stores the pauses between attempts, before the statement that stores the jobs, and only if a
    /// job sets them.
    pub(super) async fn store_retry_policies(&self, submissions: &[Submission]) -> PortResult<()> {
        let (mut ids, mut policies) = (Vec::new(), Vec::new());
        for (job, _) in submissions.iter().flat_map(jobs) {
            let Some(policy) = job.overrides.retry else { continue };
            ids.push(job.id.0);
            policies.push(column::text(&policy)?);
        }
        if ids.is_empty() {
            return Ok(());
        }
        let query =
            sqlx::query("SELECT spool.store_retry_policies($1, $2)").bind(ids).bind(policies);
        self.work(query.execute(&self.work)).await.map(drop)
    }

    /// Stores rows in one commit, in the order of ids: of two calls with the same rows (a call and
    /// its repetition) one waits for the other at the first of them.
    pub(super) async fn store(&self, mut rows: Rows) -> PortResult<Stored> {
        rows.jobs.sort_unstable_by_key(NewJobRow::id);
        rows.batches.sort_unstable_by_key(NewBatchRow::id);
        let has_unique = !rows.uniques.is_empty();
        let query = sqlx::query(match has_unique {
            false => {
                "SELECT at, queues_with_workers, fresh, replays, credited
                 FROM spool.accept($1, $2, $3)"
            }
            true => {
                "SELECT at, queues_with_workers, fresh, replays, credited, same
                 FROM spool.accept_unique($1, $2, $3, $4)"
            }
        });
        let query = query.bind(rows.jobs).bind(rows.batches).bind(rows.calls);
        let query = if has_unique { query.bind(rows.uniques) } else { query };
        let row = self.work(query.fetch_one(&self.work)).await?;
        let mut cells = Cells::of(&row);
        Ok(Stored {
            at: cells.time("at")?,
            queues_with_workers: cells.queues()?,
            fresh: cells.list()?.into_iter().collect(),
            replays: cells.list()?,
            credited: cells.take()?,
            same: if has_unique { cells.list()? } else { Vec::new() },
        })
    }
}

/// Collects what an accept changed, from the submissions and the result of the statement.
pub struct ReplyBuilder<'a> {
    pub stored: &'a Stored,
    pub enqueuer: &'a Enqueuer,
    pub accepted: Accepted,
    pub effects: Effects,
}

impl ReplyBuilder<'_> {
    /// Adds a job, if it is new.
    pub fn add(&mut self, tenant: &TenantId, job: &NewJob, place: Option<(&NewBatch, u32)>) {
        if !self.stored.fresh.contains(&job.id.0) {
            return;
        }
        let later = job.run_at.is_some_and(|at| at > self.stored.at);
        let free = || job.tasks.iter().filter(|task| task.needs.is_empty());
        let mut undecided = false;
        for task in free().filter(|_| !later) {
            if let Some(key) = task.input_key {
                undecided = true;
                self.effects.decide(tenant, key);
            } else if self.stored.credited && self.enqueuer.enqueued.contains(&task.id) {
                let message = TaskMessage::new(task.id, Fence(0), task.queue);
                let trace = job.trace.as_ref().map(ToString::to_string);
                self.accepted.messages.push(message.traced(trace));
            } else {
                self.effects.ready_queues.insert(task.queue);
            }
        }
        // A limit or pause may hold it back, so its view is read.
        if undecided || !self.stored.credited {
            self.effects.jobs.insert(job.id.0);
            return;
        }
        let waiting = match free().next() {
            None => WaitingFor::Needs,
            Some(_) if later => WaitingFor::Schedule,
            Some(task) if self.stored.queues_with_workers.contains(&task.queue) => WaitingFor::Slot,
            Some(_) => WaitingFor::Worker,
        };
        let view = new_view(tenant, job, place, self.stored.at, waiting);
        self.accepted.changes.views.push(view);
    }
}

fn new_view(
    tenant: &TenantId,
    job: &NewJob,
    place: Option<(&NewBatch, u32)>,
    at: Timestamp,
    waiting: WaitingFor,
) -> JobView {
    let mut tasks: BTreeMap<String, KindCount> = BTreeMap::new();
    if job.tasks.len() > 1 {
        job.tasks.iter().for_each(|task| tasks.entry(task.kind.clone()).or_default().total += 1);
    }
    JobView {
        id: job.id,
        tenant: tenant.clone(),
        kind: job.kind.clone(),
        status: JobStatus::Queued,
        progress: None,
        result: None,
        error: None,
        batch: place.map(|(batch, item)| (batch.id, item)),
        priority: job.priority.0,
        tags: job.tags.clone(),
        metadata: job.metadata.clone(),
        created_at: at,
        run_at: job.run_at.and_then(|at| Timestamp::from_millisecond(at.as_millisecond()).ok()),
        started_at: None,
        finished_at: None,
        attempts: 0,
        waiting_for: Some(waiting),
        tasks,
        rank: Rank { version: 1, ..Rank::default() },
    }
}
