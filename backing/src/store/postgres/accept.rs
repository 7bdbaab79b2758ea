//! Stores submissions, each once: one statement for all of them.
//!
//! The view of an accepted job is known without reading it back. A job is read only if its first
//! task may share another's output (after the decision whether it does), or while limits or pauses
//! are set.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use common::{
    id::{BatchId, Fence, TaskId, TenantId},
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
    accept_columns::{BatchPosition, Columns},
    column::{self, Cells},
    effects::Effects,
    errors::unreadable,
};

/// The statement's reply.
struct Stored {
    at: Timestamp,
    attended: Vec<Queue>,
    fresh: BTreeSet<Uuid>,
    /// One for each idempotency key.
    replays: Vec<Option<String>>,
    /// Set if tasks with credit were queued: not while a limit or pause is set, which only a
    /// dispatch checks.
    credited: bool,
}

impl PgStore {
    pub(super) async fn accept_all(
        &self,
        submissions: Vec<Submission>,
        credit: &[Credit],
    ) -> PortResult<Accepted> {
        let mut queueing = Queueing::new(credit);
        let mut columns = Columns::default();
        let mut calls = Calls::default();
        for (index, submission) in submissions.iter().enumerate() {
            if calls.admits(index, submission, &mut columns) {
                columns.push(submission, &mut queueing)?;
            }
        }
        self.store_deadlines(&submissions).await?;
        self.store_traces(&submissions).await?;
        let stored = self.store(columns).await?;
        let answers = calls.answers(&submissions, &stored.replays)?;
        let mut reply =
            ReplyBuilder { stored: &stored, queueing: &queueing, accepted: Accepted::default() };
        let mut effects = Effects::default();
        for submission in &submissions {
            reply.add(submission, &mut effects);
        }
        let mut accepted = reply.accepted;
        accepted.answers = answers;
        let followed = self.follow(effects).await;
        accepted.changes.views.extend(followed.views);
        accepted.changes.readied.extend(followed.readied);
        accepted.changes.readied.sort_unstable();
        accepted.changes.readied.dedup();
        accepted.changes.stopping.extend(followed.stopping);
        Ok(accepted)
    }

    async fn store(&self, columns: Columns) -> PortResult<Stored> {
        let row = self.work(columns.query().fetch_one(&self.work)).await?;
        let mut cells = Cells::of(&row);
        Ok(Stored {
            at: cells.time("at")?,
            attended: column::queues(&cells.take::<Vec<String>>()?)?,
            fresh: cells.take::<Vec<Uuid>>()?.into_iter().collect(),
            replays: cells.take::<Option<Vec<Option<String>>>>()?.unwrap_or_default(),
            credited: cells.take()?,
        })
    }
}

/// The calls with an idempotency key, and the reply to each submission.
#[derive(Default)]
struct Calls {
    /// The submission that was first in this call to use a key.
    first: HashMap<(TenantId, String), usize>,
    /// The source of the reply to each submission with a key.
    keyed: BTreeMap<usize, Source>,
    keys: usize,
}

enum Source {
    /// The key's position in the statement.
    Key(usize),
    /// An earlier submission of the same call.
    Earlier(usize),
}

impl Calls {
    /// Returns whether a submission goes into the statement: not if an earlier one of this call has
    /// its key.
    fn admits(&mut self, index: usize, submission: &Submission, columns: &mut Columns) -> bool {
        let Some(idempotency) = &submission.idempotency else { return true };
        let key = (submission.tenant.clone(), idempotency.key.clone());
        if let Some(earlier) = self.first.get(&key) {
            self.keyed.insert(index, Source::Earlier(*earlier));
            return false;
        }
        self.first.insert(key, index);
        self.keyed.insert(index, Source::Key(self.keys));
        self.keys += 1;
        columns.push_key(&submission.tenant, idempotency, target(submission));
        true
    }

    fn answers(
        &self,
        submissions: &[Submission],
        replays: &[Option<String>],
    ) -> PortResult<Vec<Acceptance>> {
        let mut answers: Vec<Acceptance> = Vec::with_capacity(submissions.len());
        for (index, submission) in submissions.iter().enumerate() {
            let answer = match self.keyed.get(&index) {
                None => Acceptance::Stored,
                Some(Source::Key(place)) => {
                    from_replay(replays.get(*place).and_then(Option::as_deref))?
                }
                Some(Source::Earlier(earlier)) => {
                    after(&submissions[*earlier], submission, &answers[*earlier])
                }
            };
            answers.push(answer);
        }
        Ok(answers)
    }
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
fn after(earlier: &Submission, later: &Submission, said: &Acceptance) -> Acceptance {
    let (Some(first), Some(second)) = (&earlier.idempotency, &later.idempotency) else {
        return said.clone();
    };
    match said {
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

/// Decides which tasks go straight to `queued`.
pub(super) struct Queueing {
    credit: BTreeMap<Queue, u32>,
    queued: BTreeSet<TaskId>,
}

impl Queueing {
    fn new(credit: &[Credit]) -> Self {
        let mut left = BTreeMap::new();
        for credit in credit {
            *left.entry(credit.queue).or_default() += credit.tasks;
        }
        Self { credit: left, queued: BTreeSet::new() }
    }

    /// Takes credit for a task that waits for nothing: it has no needs, no start time, no limit and
    /// no key that it could share.
    pub(super) fn takes(
        &mut self,
        job: &NewJob,
        position: Option<&BatchPosition>,
        task: &NewTask,
    ) -> bool {
        let free = task.needs.is_empty() && task.input_key.is_none() && job.run_at.is_none();
        if !free || position.is_some_and(|position| position.limited) {
            return false;
        }
        let Some(left) = self.credit.get_mut(&task.queue).filter(|left| **left > 0) else {
            return false;
        };
        *left -= 1;
        self.queued.insert(task.id)
    }
}

/// Builds the reply from what was reply.
struct ReplyBuilder<'a> {
    stored: &'a Stored,
    queueing: &'a Queueing,
    accepted: Accepted,
}

impl ReplyBuilder<'_> {
    fn add(&mut self, submission: &Submission, effects: &mut Effects) {
        match &submission.work {
            Work::Job(job) => self.add_job(&submission.tenant, job, None, effects),
            Work::Batch(batch) => self.add_batch(&submission.tenant, batch, effects),
        }
    }

    fn add_batch(&mut self, tenant: &TenantId, batch: &NewBatch, effects: &mut Effects) {
        for (item, new) in (0..).zip(&batch.items) {
            if let NewItem::Job(job) = new {
                self.add_job(tenant, job, Some((batch.id, item)), effects);
            }
        }
    }

    fn add_job(
        &mut self,
        tenant: &TenantId,
        job: &NewJob,
        batch: Option<(BatchId, u32)>,
        effects: &mut Effects,
    ) {
        if !self.stored.fresh.contains(&job.id.0) {
            return;
        }
        let later = job.run_at.is_some_and(|at| at > self.stored.at);
        let free = || job.tasks.iter().filter(|task| task.needs.is_empty());
        let mut undecided = false;
        for task in free() {
            match task.input_key {
                Some(key) if !later => {
                    undecided = true;
                    effects.decide(tenant, key);
                }
                Some(_) => {}
                None if self.stored.credited && self.queueing.queued.contains(&task.id) => {
                    let message = TaskMessage::new(task.id, Fence(0), task.queue);
                    self.accepted
                        .messages
                        .push(message.traced(job.trace.as_ref().map(ToString::to_string)));
                }
                None if !later => push_once(&mut self.accepted.changes.readied, task.queue),
                None => {}
            }
        }
        // A limit or pause may hold it back, so its view is read.
        if undecided || !self.stored.credited {
            effects.jobs.push(job.id.0);
            return;
        }
        let waiting = match free().next() {
            None => WaitingFor::Needs,
            Some(_) if later => WaitingFor::Schedule,
            Some(task) if self.stored.attended.contains(&task.queue) => WaitingFor::Slot,
            Some(_) => WaitingFor::Worker,
        };
        let view = new_view(tenant, job, batch, self.stored.at, waiting);
        self.accepted.changes.views.push(view);
    }
}

fn push_once(queues: &mut Vec<Queue>, queue: Queue) {
    if !queues.contains(&queue) {
        queues.push(queue);
    }
}

fn new_view(
    tenant: &TenantId,
    job: &NewJob,
    batch: Option<(BatchId, u32)>,
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
        batch,
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
