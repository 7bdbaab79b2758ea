//! New tasks of a job, from a plan or a growth.
//!
//! A task that needs nothing is inserted as what it becomes at once, which saves a write for the commonest job of all.

use std::collections::BTreeSet;

use common::{
    id::{Fence, TaskId},
    plan::NewTask,
    port::{PortResult, broker::TaskMessage},
    queue::Queue,
    rules::lifecycle::TaskState,
    store::Credit,
};
use uuid::Uuid;

use super::{
    cascade::{Ended, EndedRow},
    column,
    fault::port,
    ready::{Destiny, Memo},
    write::Write,
};

/// The job that new tasks belong to.
#[derive(Debug, Clone)]
pub struct Home {
    pub job: Uuid,
    pub tenant: String,
    pub priority: i64,
    /// Its batch if that has a limit, else empty.
    pub lane: Vec<u8>,
    pub run_at: i64,
    /// The place of the first of the tasks.
    pub place: i64,
    /// For messages that are dispatched at once.
    pub traceparent: Option<String>,
}

/// How many tasks may still be queued at once, and the messages to dispatch for them.
#[derive(Debug, Default)]
pub struct Queueing {
    credit: Vec<Credit>,
    pub messages: Vec<TaskMessage>,
}

impl Queueing {
    /// With this credit.
    pub fn new(credit: &[Credit]) -> Self {
        Self { credit: credit.to_vec(), messages: Vec::new() }
    }

    fn take(&mut self, queue: Queue) -> bool {
        let room = self.credit.iter_mut().find(|credit| credit.queue == queue && credit.tasks > 0);
        room.map(|credit| credit.tasks -= 1).is_some()
    }
}

/// What a row says beyond its task: where it starts.
struct Start {
    state: TaskState,
    memo: Option<Memo>,
}

impl Write<'_> {
    /// Inserts tasks; those without needs become what they become. A task whose input is `shared_input` reads its job's.
    pub async fn insert_tasks(
        &mut self,
        home: &Home,
        tasks: &[NewTask],
        shared_input: Option<&serde_json::Value>,
        queueing: &mut Queueing,
    ) -> PortResult<()> {
        let needed: BTreeSet<TaskId> =
            tasks.iter().flat_map(|task| task.needs.iter().map(|need| need.task)).collect();
        for (index, task) in (0..).zip(tasks) {
            let start = self.start_of(home, task, queueing).await?;
            let input_of = self.keep_input(home, task, shared_input).await?;
            let place = home.place + index;
            self.insert_task(home, task, place, input_of, needed.contains(&task.id), &start)
                .await?;
            if start.state == TaskState::Succeeded {
                self.ended.push_back(cached(home, task, needed.contains(&task.id)));
            }
        }
        for task in tasks {
            self.insert_edges(task).await?;
        }
        Ok(())
    }

    async fn start_of(
        &mut self,
        home: &Home,
        task: &NewTask,
        queueing: &mut Queueing,
    ) -> PortResult<Start> {
        if !task.needs.is_empty() {
            return Ok(Start { state: TaskState::Waiting, memo: None });
        }
        let destiny = match task.input_key {
            Some(key) => self.destiny(&home.tenant, key, home.priority, home.run_at).await?,
            None => Destiny::Runs,
        };
        Ok(match destiny {
            Destiny::Recalled(memo) => Start { state: TaskState::Succeeded, memo: Some(memo) },
            Destiny::Follows => Start { state: TaskState::Waiting, memo: None },
            Destiny::Runs
                if home.run_at <= self.now && home.lane.is_empty() && queueing.take(task.queue) =>
            {
                let message = TaskMessage::new(task.id, Fence(0), task.queue);
                queueing.messages.push(message.traced(home.traceparent.clone()));
                Start { state: TaskState::Queued, memo: None }
            }
            Destiny::Runs => {
                self.readies(task.queue);
                Start { state: TaskState::Ready, memo: None }
            }
        })
    }

    /// Stores the task's input unless it is its job's, which is stored once for both.
    async fn keep_input(
        &mut self,
        home: &Home,
        task: &NewTask,
        shared: Option<&serde_json::Value>,
    ) -> PortResult<Uuid> {
        if shared == Some(&task.input) {
            return Ok(home.job);
        }
        self.insert_input(task.id.0, &task.input).await?;
        Ok(task.id.0)
    }

    /// Stores an input.
    pub async fn insert_input(&mut self, owner: Uuid, input: &serde_json::Value) -> PortResult<()> {
        sqlx::query("INSERT INTO inputs (owner, input) VALUES (?, ?)")
            .bind(owner)
            .bind(column::text(input)?)
            .execute(self.sql())
            .await
            .map_err(port)?;
        Ok(())
    }

    async fn insert_task(
        &mut self,
        home: &Home,
        task: &NewTask,
        place: i64,
        input_of: Uuid,
        needed: bool,
        start: &Start,
    ) -> PortResult<()> {
        let now = self.now;
        let key = task.input_key.filter(|_| task.needs.is_empty());
        let needs = task.needs.len() as i64;
        sqlx::query(
            "INSERT INTO tasks (id, job, tenant, place, name, kind, kind_version, queue, priority, lane, state, input_of,
                 input_key, key, needs_left, needs, needed, run_at, queued_at, timeout_ms, max_attempts, cached,
                 output, output_hash, artifacts, created_at, finished_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(task.id.0)
        .bind(home.job)
        .bind(&home.tenant)
        .bind(place)
        .bind(&task.name)
        .bind(&task.kind)
        .bind(task.kind_version)
        .bind(task.queue.as_str())
        .bind(home.priority)
        .bind(&home.lane)
        .bind(start.state.as_str())
        .bind(input_of)
        .bind(task.input_key.map(|key| key.0.to_vec()))
        .bind(key.map(|key| key.0.to_vec()))
        .bind(needs)
        .bind(needs)
        .bind(needed)
        .bind(home.run_at)
        .bind((start.state == TaskState::Queued).then_some(now))
        .bind(column::millis(task.timeout))
        .bind(task.max_attempts)
        .bind(start.memo.is_some())
        .bind(start.memo.as_ref().map(|memo| &memo.output))
        .bind(start.memo.as_ref().map(|memo| &memo.hash))
        .bind(start.memo.as_ref().map(|memo| &memo.artifacts))
        .bind(now)
        .bind(start.memo.as_ref().map(|_| now))
        .execute(self.sql())
        .await
        .map_err(port)?;
        Ok(())
    }

    async fn insert_edges(&mut self, task: &NewTask) -> PortResult<()> {
        for (place, need) in (0_i64..).zip(&task.needs) {
            sqlx::query("INSERT INTO edges (task, place, need, on_failure) VALUES (?, ?, ?, ?)")
                .bind(task.id.0)
                .bind(place)
                .bind(need.task.0)
                .bind(column::on_failure_text(need.on_failure))
                .execute(self.sql())
                .await
                .map_err(port)?;
        }
        Ok(())
    }
}

fn cached(home: &Home, task: &NewTask, needed: bool) -> Ended {
    let row = EndedRow {
        id: task.id.0,
        job: home.job,
        tenant: home.tenant.clone(),
        name: task.name.clone(),
        kind: task.kind.clone(),
        key: task.input_key.map(|key| key.0.to_vec()),
        needed,
    };
    Ended { task: row, state: TaskState::Succeeded, cached: true }
}
