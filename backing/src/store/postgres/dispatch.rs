//! Dispatches ready tasks, returns unconfirmed ones, and reports a queue's demand.

use std::time::Duration;

use async_trait::async_trait;
use common::{
    id::{Fence, JobId, TaskId, TenantId},
    port::{PortResult, broker::TaskMessage},
    queue::Queue,
    store::{Demand, Dispatch, Dispatched, QueuePlace},
};
use uuid::Uuid;

use super::{
    PgStore,
    column::{self, Cells, millis},
    effects::Effects,
};

#[async_trait]
impl Dispatch for PgStore {
    async fn dispatch(&self, queue: Queue, ahead: u32, most: u32) -> PortResult<Dispatched> {
        let query = sqlx::query(
            "SELECT dispatched, fences, spool.traces_of(dispatched) AS traces, room_left, more,
                 next_due, ended, tenants, keys
             FROM spool.dispatch($1, $2, $3)",
        )
        .bind(queue.as_str())
        .bind(i64::from(ahead))
        .bind(i64::from(most));
        let row = self.patiently(query.fetch_one(&self.work)).await?;
        let mut cells = Cells::of(&row);
        let dispatched = Dispatched {
            messages: messages(&mut cells, queue)?,
            room_left: cells.number::<i64, _>("room_left")?,
            more: cells.take()?,
            next_due: cells.maybe_time("tasks.run_at")?,
            ended: cells.number::<i64, _>("ended")?,
        };
        let effects = Effects { keys: cells.keys()?.collect(), ..Effects::default() };
        if effects.keys.is_empty() {
            return Ok(dispatched);
        }
        // Tasks whose time has come and that may share an output are decided on now, and dispatched
        // by the next call.
        let changes = self.follow(effects).await;
        Ok(Dispatched { more: dispatched.more || changes.readied.contains(&queue), ..dispatched })
    }

    async fn hand_back(&self, tasks: &[TaskId]) -> PortResult<u64> {
        let ids: Vec<Uuid> = tasks.iter().map(|task| task.0).collect();
        let query = sqlx::query("SELECT spool.hand_back($1)").bind(ids);
        let row = self.patiently(query.fetch_one(&self.work)).await?;
        Cells::of(&row).number::<i64, _>("handed back")
    }

    async fn overdue(
        &self,
        queue: Queue,
        age: Duration,
        most: u32,
    ) -> PortResult<(Vec<TaskMessage>, u64)> {
        let query = sqlx::query(
            "SELECT tasks, fences, spool.traces_of(tasks) AS traces, queued
                 FROM spool.overdue($1, $2, $3)",
        )
        .bind(queue.as_str())
        .bind(millis(age))
        .bind(i64::from(most));
        let row = self.work(query.fetch_one(&self.work)).await?;
        let mut cells = Cells::of(&row);
        Ok((messages(&mut cells, queue)?, cells.number::<i64, _>("queued")?))
    }

    async fn queue_place(&self, tenant: &TenantId, job: JobId) -> PortResult<Option<QueuePlace>> {
        let query = sqlx::query("SELECT queue_name, ahead FROM spool.queue_place($1, $2)")
            .bind(tenant.0.clone())
            .bind(job.0);
        let row = self.work(query.fetch_one(&self.work)).await?;
        let mut cells = Cells::of(&row);
        let Some(queue) = cells.take::<Option<&str>>()? else { return Ok(None) };
        let queue = column::queue(queue)?;
        Ok(Some(QueuePlace { queue, ahead: cells.number::<i64, _>("ahead")? }))
    }

    async fn demand(&self, queue: Queue) -> PortResult<Demand> {
        let query = sqlx::query(
            "SELECT waiting, queued, running, slots, workers, oldest_ms, median_ms, paused
                 FROM spool.demand($1)",
        )
        .bind(queue.as_str());
        let row = self.work(query.fetch_one(&self.work)).await?;
        let mut cells = Cells::of(&row);
        Ok(Demand {
            waiting: cells.number::<i64, _>("waiting")?,
            queued: cells.number::<i64, _>("queued")?,
            running: cells.number::<i64, _>("running")?,
            slots: cells.number::<i64, _>("slots")?,
            workers: cells.number::<i64, _>("workers")?,
            oldest_ms: cells.number::<i64, _>("oldest_ms")?,
            median_ms: cells.take::<Option<i64>>()?.and_then(|ms| u64::try_from(ms).ok()),
            paused: cells.take()?,
        })
    }
}

fn messages(cells: &mut Cells<'_>, queue: Queue) -> PortResult<Vec<TaskMessage>> {
    let (tasks, fences): (Vec<Uuid>, Vec<i64>) = (cells.list()?, cells.list()?);
    let traces: Option<Vec<Option<String>>> = cells.take()?;
    // NULL if no job has a trace.
    let traces = traces.into_iter().flatten().chain(std::iter::repeat(None));
    let message =
        |((task, fence), trace)| TaskMessage::new(TaskId(task), Fence(fence), queue).traced(trace);
    Ok(tasks.into_iter().zip(fences).zip(traces).map(message).collect())
}
