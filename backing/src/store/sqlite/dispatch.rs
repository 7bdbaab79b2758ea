//! `ready` → `queued`: bands from the highest down, tenants in turn within a band, under all limits, and nothing that is paused.
//!
//! A tenant's backlog is never walked: of each line (a tenant's tasks of one kind, apart for each limited batch) only as many rows are
//! read as there is room for, none where a limit or a pause holds it back, and the lines are found by skipping through the index.

use std::collections::{BTreeMap, VecDeque};

use common::{
    id::{Fence, TaskId},
    port::{PortResult, broker::TaskMessage},
    queue::Queue,
    store::Dispatched,
};
use uuid::Uuid;

use super::{
    column,
    fault::port,
    gates::{Gate, Gates},
    stock,
    write::Write,
};

/// Who had the last turn in each band. Forgotten with the process, which costs nobody more than one turn.
pub type Turns = BTreeMap<i64, String>;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, sqlx::FromRow)]
struct Candidate {
    run_at: i64,
    /// Job ids sort by age within a millisecond, task ids do not.
    job: Uuid,
    place: i64,
    id: Uuid,
    fence: i64,
    traceparent: Option<String>,
    /// The limits that its line is under.
    #[sqlx(skip)]
    gates: Vec<Gate>,
}

/// What is ready of one tenant and kind, and of one batch where that has a limit (else the lane is empty).
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
struct LineKey {
    tenant: String,
    kind: String,
    lane: Vec<u8>,
}

/// The rows of one tenant that fit, oldest first.
type Line = (String, VecDeque<Candidate>);

impl Write<'_> {
    /// Takes what there is room for. Answers the turns as they are afterwards.
    pub async fn dispatch(
        &mut self,
        queue: Queue,
        ahead: u32,
        most: u32,
        mut turns: Turns,
    ) -> PortResult<(Dispatched, Turns)> {
        let now = self.now;
        let room = (stock::room(self.sql(), queue, now).await? + i64::from(ahead)).max(0);
        let most = room.min(i64::from(most));
        let mut dispatched = Dispatched::default();
        let mut band = i64::MAX;
        self.hold_back(queue).await?;
        let mut gates = self.gates(queue).await?;
        while !dispatched.more
            && !gates.all_closed()
            && let Some(next) = self.next_band(queue, band).await?
        {
            band = next;
            let want = usize::try_from(most).unwrap_or(0) - dispatched.messages.len();
            let lines = self.lines(queue, band, want, &mut gates).await?;
            let (taken, more, last) =
                take_turns(lines, want, turns.get(&band).map(String::as_str), &mut gates);
            turns.extend(last.map(|tenant| (band, tenant)));
            self.queue(&taken).await?;
            dispatched.messages.extend(taken.into_iter().map(|task| {
                TaskMessage::new(TaskId(task.id), Fence(task.fence), queue).traced(task.traceparent)
            }));
            dispatched.more = more;
        }
        let left = if gates.all_closed() { 0 } else { room - dispatched.messages.len() as i64 };
        dispatched.room_left = u32::try_from(left).unwrap_or(u32::MAX);
        dispatched.next_due = self.next_due(queue).await?;
        dispatched.ended = stock::ended(self.sql(), queue).await?;
        Ok((dispatched, turns))
    }

    async fn next_band(&mut self, queue: Queue, below: i64) -> PortResult<Option<i64>> {
        sqlx::query_scalar(
            "SELECT max(priority) FROM tasks WHERE queue = ? AND state = 'ready' AND priority < ?",
        )
        .bind(queue.as_str())
        .bind(below)
        .fetch_one(self.sql())
        .await
        .map_err(port)
    }

    /// What each tenant could have dispatched, one more than is wanted at most, in the order of tenants.
    async fn lines(
        &mut self,
        queue: Queue,
        band: i64,
        want: usize,
        gates: &mut Gates,
    ) -> PortResult<Vec<Line>> {
        let mut lines: Vec<Line> = Vec::new();
        let mut key = LineKey { tenant: String::new(), kind: String::new(), lane: Vec::new() };
        while let Some(next) = self.next_line(queue, band, &key).await? {
            key = next;
            if gates.is_paused(&key.tenant) {
                continue;
            }
            let mut under = gates.of(&key.tenant, &key.kind);
            if !key.lane.is_empty() {
                let room = self.lane_room(&key.lane).await?;
                under.push(gates.of_batch(&key.lane, room));
            }
            let limit = (want as i64 + 1).min(gates.room(&under));
            let mut found = self.due(queue, band, &key, limit).await?;
            found.iter_mut().for_each(|task| task.gates.clone_from(&under));
            match lines.last_mut() {
                Some((last, line)) if *last == key.tenant => line.extend(found),
                _ => lines.push((key.tenant.clone(), found.into())),
            }
        }
        lines.iter_mut().for_each(|(_, line)| line.make_contiguous().sort_unstable());
        Ok(lines)
    }

    async fn next_line(
        &mut self,
        queue: Queue,
        band: i64,
        after: &LineKey,
    ) -> PortResult<Option<LineKey>> {
        sqlx::query_as(
            "SELECT tenant, kind, lane FROM tasks
             WHERE queue = ? AND priority = ? AND state = 'ready' AND (tenant, kind, lane) > (?, ?, ?)
             ORDER BY tenant, kind, lane LIMIT 1",
        )
        .bind(queue.as_str())
        .bind(band)
        .bind(&after.tenant)
        .bind(&after.kind)
        .bind(&after.lane)
        .fetch_optional(self.sql())
        .await
        .map_err(port)
    }

    async fn due(
        &mut self,
        queue: Queue,
        band: i64,
        key: &LineKey,
        limit: i64,
    ) -> PortResult<Vec<Candidate>> {
        if limit <= 0 {
            return Ok(Vec::new());
        }
        sqlx::query_as(
            "SELECT run_at, job, place, id, fence, (SELECT traceparent FROM jobs WHERE jobs.id = tasks.job) AS traceparent FROM tasks
             WHERE queue = ? AND priority = ? AND tenant = ? AND kind = ? AND lane = ? AND state = 'ready' AND run_at <= ?
             ORDER BY run_at, job, place LIMIT ?",
        )
        .bind(queue.as_str())
        .bind(band)
        .bind(&key.tenant)
        .bind(&key.kind)
        .bind(&key.lane)
        .bind(self.now)
        .bind(limit)
        .fetch_all(self.sql())
        .await
        .map_err(port)
    }

    /// How many more of a limited batch may be queued or run.
    async fn lane_room(&mut self, lane: &[u8]) -> PortResult<i64> {
        sqlx::query_scalar(
            "SELECT max_concurrent
                 - (SELECT count(*) FROM tasks WHERE lane = ?1 AND lane <> x'' AND state IN ('queued', 'running'))
             FROM batches WHERE id = ?1",
        )
        .bind(lane)
        .fetch_one(self.sql())
        .await
        .map_err(port)
    }

    async fn queue(&mut self, tasks: &[Candidate]) -> PortResult<()> {
        if tasks.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "UPDATE tasks SET state = 'queued', queued_at = ?
             WHERE state = 'ready' AND id IN (SELECT unhex(value) FROM json_each(?))",
        )
        .bind(self.now)
        .bind(column::id_list(tasks.iter().map(|task| &task.id)))
        .execute(self.sql())
        .await
        .map_err(port)?;
        Ok(())
    }

    async fn next_due(&mut self, queue: Queue) -> PortResult<Option<jiff::Timestamp>> {
        let due: Option<i64> = sqlx::query_scalar(
            "SELECT min(run_at) FROM tasks WHERE queue = ? AND state = 'ready' AND run_at > ?",
        )
        .bind(queue.as_str())
        .bind(self.now)
        .fetch_one(self.sql())
        .await
        .map_err(port)?;
        column::maybe_time("tasks.run_at", due)
    }
}

/// One row of each tenant in turn, starting behind the one that had the last turn, until `want` are taken; a row that its limits no longer
/// let through is passed over. Also whether something was left behind for want of room, and who came last.
fn take_turns(
    mut lines: Vec<Line>,
    want: usize,
    last: Option<&str>,
    gates: &mut Gates,
) -> (Vec<Candidate>, bool, Option<String>) {
    let first = lines
        .iter()
        .position(|(tenant, _)| last.is_none_or(|last| tenant.as_str() > last))
        .unwrap_or(0);
    lines.rotate_left(first);
    let mut lines: VecDeque<Line> = lines.into();
    let (mut taken, mut last) = (Vec::new(), None);
    while taken.len() < want
        && let Some((tenant, mut line)) = lines.pop_front()
    {
        let Some(task) = next_open(&mut line, gates) else { continue };
        gates.pass(&task.gates);
        taken.push(task);
        last = Some(tenant.clone());
        lines.push_back((tenant, line));
    }
    let more = lines.iter_mut().any(|(_, line)| next_open(line, gates).is_some());
    (taken, more, last)
}

fn next_open(line: &mut VecDeque<Candidate>, gates: &Gates) -> Option<Candidate> {
    std::iter::from_fn(|| line.pop_front()).find(|task| gates.room(&task.gates) > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(tenant: &str, tasks: u128) -> Line {
        let task = |number| Candidate {
            run_at: 0,
            job: Uuid::nil(),
            place: 0,
            id: Uuid::from_u128(number),
            fence: 0,
            traceparent: None,
            gates: Vec::new(),
        };
        (tenant.to_owned(), (0..tasks).map(task).collect())
    }

    fn take(
        lines: Vec<Line>,
        want: usize,
        last: Option<&str>,
    ) -> (Vec<Candidate>, bool, Option<String>) {
        take_turns(lines, want, last, &mut Gates::default())
    }

    #[test]
    fn tenants_take_turns_from_where_they_stopped() {
        let lines = || vec![line("a", 5), line("b", 1), line("c", 5)];
        let (taken, more, last) = take(lines(), 4, None);
        let numbers: Vec<_> = taken.iter().map(|task| task.id.as_u128()).collect();
        assert_eq!((numbers, more, last.as_deref()), (vec![0, 0, 0, 1], true, Some("a")));
        assert_eq!(take(lines(), 1, Some("a")).2.as_deref(), Some("b"));
        assert_eq!(take(lines(), 1, Some("c")).2.as_deref(), Some("a"));
        assert_eq!(take(lines(), 20, Some("b")).0.len(), 11);
    }

    #[test]
    fn without_room_it_is_known_that_something_waits() {
        assert!(take(vec![line("a", 1)], 0, None).1);
        assert!(!take(vec![line("a", 0)], 0, None).1);
    }
}
