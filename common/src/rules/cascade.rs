//! The consequences of a settled task for the tasks that need it, the tasks with its key, its job
//! and its batch.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    id::TaskId,
    plan::OnFailure,
    rules::lifecycle::{JobStatus, TaskState},
};

/// Effect of a settled task on a task that needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NeedEffect {
    /// The dependent needs one task less.
    Met,
    /// The dependent is cancelled.
    Cancels,
}

/// The effect of a task that ended in `end` on a dependent, by the policy of the edge between them.
pub fn on_dependent(end: TaskState, on_failure: OnFailure) -> NeedEffect {
    match (end, on_failure) {
        (TaskState::Succeeded, _) | (_, OnFailure::Proceed) => NeedEffect::Met,
        (_, OnFailure::Cancel) => NeedEffect::Cancels,
    }
}

/// Origin of a task's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Its own run, or a write that stopped it.
    Own,
    /// Its own run, whose output is for this task alone: a fallback's.
    Unshared,
    /// A memo, or the leader of its key.
    Cached,
}

/// Effect of a settled task on the tasks that wait for the output of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyEffect {
    /// All waiters succeed with the same output.
    SettlesWaiters,
    /// One waiter becomes the leader.
    ElectsLeader,
    /// Nothing: the leader of the key, or its memo, has settled the waiters.
    None,
}

/// The effect of a task with a key on the waiters of that key.
pub fn on_waiters(end: TaskState, origin: Origin) -> KeyEffect {
    match (end, origin) {
        (TaskState::Succeeded, Origin::Own) => KeyEffect::SettlesWaiters,
        (TaskState::Succeeded, Origin::Cached) => KeyEffect::None,
        _ => KeyEffect::ElectsLeader,
    }
}

/// Tasks of one kind within a plan, stored as `[total, settled, cached]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "(i64, i64, i64)", into = "(i64, i64, i64)")]
pub struct KindTally {
    pub total: i64,
    pub settled: i64,
    pub cached: i64,
}

impl From<(i64, i64, i64)> for KindTally {
    fn from((total, settled, cached): (i64, i64, i64)) -> Self {
        Self { total, settled, cached }
    }
}

impl From<KindTally> for (i64, i64, i64) {
    fn from(tally: KindTally) -> Self {
        (tally.total, tally.settled, tally.cached)
    }
}

/// Tasks of a plan by kind.
pub type TallyByKind = BTreeMap<String, KindTally>;

/// Adds the counts of a change to the stored ones.
pub fn add_tally(stored: &mut TallyByKind, change: TallyByKind) {
    for (kind, change) in change {
        let tally = stored.entry(kind).or_default();
        tally.total += change.total;
        tally.settled += change.settled;
        tally.cached += change.cached;
    }
}

/// The changes of one job's plan within one write.
#[derive(Debug, Default)]
pub struct PlanChange {
    /// Tasks added to the plan.
    pub added: i64,
    /// The new result task, if the result was handed on.
    pub result: Option<TaskId>,
    /// Changes by kind.
    pub kinds: TallyByKind,
    ended: BTreeMap<TaskId, TaskState>,
}

impl PlanChange {
    /// Counts a task that settled.
    pub fn task_ended(&mut self, task: TaskId, kind: &str, end: TaskState, origin: Origin) {
        let tally = self.kinds.entry(kind.to_owned()).or_default();
        tally.settled += 1;
        tally.cached += i64::from(origin == Origin::Cached);
        self.ended.insert(task, end);
    }

    /// Counts a task that was added to the plan.
    pub fn task_added(&mut self, kind: &str) {
        self.added += 1;
        self.kinds.entry(kind.to_owned()).or_default().total += 1;
    }

    /// The state in which this write settled a task, if it did.
    pub fn end_of(&self, task: TaskId) -> Option<TaskState> {
        self.ended.get(&task).copied()
    }

    fn has_cached(&self) -> bool {
        self.kinds.values().any(|tally| tally.cached > 0)
    }
}

/// A plan as its job's row holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlanState {
    pub status: JobStatus,
    /// The task whose output is the job's result.
    pub result: TaskId,
    /// Tasks that have not settled.
    pub open: i64,
    /// A client asked for a cancel, or its batch stopped.
    pub cancel_requested: bool,
    /// The result can't come any more, so no task of the plan may start.
    pub no_result: bool,
}

impl PlanState {
    /// The plan after a change. Its status is final only once [`final_status`] was asked.
    #[must_use]
    pub fn after(self, change: &PlanChange) -> Self {
        let result = change.result.unwrap_or(self.result);
        let open = self.open + change.added - change.ended.len() as i64;
        let failed = change.end_of(result).is_some_and(|end| end != TaskState::Succeeded);
        let status = if change.has_cached() { JobStatus::Running } else { self.status };
        let no_result = self.no_result || (failed && open > 0);
        Self { status, result, open, no_result, ..self }
    }
}

/// The status of a job without open tasks, by the end of its result task. A job that was to be
/// cancelled and still got its result has succeeded.
pub fn final_status(result: TaskState, cancel_requested: bool) -> JobStatus {
    match result {
        TaskState::Succeeded => JobStatus::Succeeded,
        _ if cancel_requested => JobStatus::Cancelled,
        _ => JobStatus::Failed,
    }
}

/// The jobs of one batch that became final within one write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BatchChange {
    pub fulfilled: i64,
    pub rejected: i64,
}

impl BatchChange {
    /// Counts a job that became final.
    pub fn job_ended(&mut self, status: JobStatus) {
        match status {
            JobStatus::Succeeded => self.fulfilled += 1,
            _ => self.rejected += 1,
        }
    }

    /// Returns whether the rest of the batch is cancelled now.
    pub fn stops(&self, stop_on_error: bool, settled: bool) -> bool {
        stop_on_error && self.rejected > 0 && !settled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(open: i64) -> PlanState {
        PlanState {
            status: JobStatus::Queued,
            result: TaskId::new(),
            open,
            cancel_requested: false,
            no_result: false,
        }
    }

    fn ended(task: TaskId, end: TaskState, origin: Origin) -> PlanChange {
        let mut change = PlanChange::default();
        change.task_ended(task, "echo", end, origin);
        change
    }

    #[test]
    fn a_dependent_is_cancelled_only_by_a_failure_that_its_edge_does_not_tolerate() {
        for end in TaskState::ALL.into_iter().filter(|state| state.is_final()) {
            assert_eq!(on_dependent(end, OnFailure::Proceed), NeedEffect::Met);
            let strict = on_dependent(end, OnFailure::Cancel);
            assert_eq!(strict == NeedEffect::Met, end == TaskState::Succeeded);
        }
    }

    #[test]
    fn only_a_run_that_may_be_shared_settles_the_waiters_of_its_key() {
        use TaskState::{Cancelled, Failed, Succeeded};
        assert_eq!(on_waiters(Succeeded, Origin::Own), KeyEffect::SettlesWaiters);
        assert_eq!(on_waiters(Succeeded, Origin::Cached), KeyEffect::None);
        for (end, origin) in
            [(Succeeded, Origin::Unshared), (Failed, Origin::Own), (Cancelled, Origin::Own)]
        {
            assert_eq!(on_waiters(end, origin), KeyEffect::ElectsLeader);
        }
    }

    #[test]
    fn a_plan_whose_result_failed_has_no_result_while_tasks_are_open() {
        let before = plan(3);
        let after = before.after(&ended(before.result, TaskState::Failed, Origin::Own));
        assert_eq!((after.open, after.no_result, after.status), (2, true, JobStatus::Queued));
        let last = plan(1);
        assert!(!last.after(&ended(last.result, TaskState::Failed, Origin::Own)).no_result);
        let side = before.after(&ended(TaskId::new(), TaskState::Failed, Origin::Own));
        assert!(!side.no_result, "a failed side task leaves the result possible");
    }

    #[test]
    fn a_growth_opens_tasks_and_hands_the_result_on() {
        let before = plan(1);
        let mut change = ended(before.result, TaskState::Succeeded, Origin::Own);
        let heir = TaskId::new();
        change.task_added("echo");
        change.result = Some(heir);
        let after = before.after(&change);
        assert_eq!((after.open, after.result, after.no_result), (1, heir, false));
        let mut kinds = TallyByKind::from([("echo".to_owned(), (1, 0, 0).into())]);
        add_tally(&mut kinds, change.kinds);
        assert_eq!(kinds["echo"], KindTally { total: 2, settled: 1, cached: 0 });
    }

    #[test]
    fn a_cached_task_starts_its_job() {
        let before = plan(2);
        let after = before.after(&ended(TaskId::new(), TaskState::Succeeded, Origin::Cached));
        assert_eq!(after.status, JobStatus::Running);
    }

    #[test]
    fn a_result_counts_more_than_a_cancel_that_came_late() {
        assert_eq!(final_status(TaskState::Succeeded, true), JobStatus::Succeeded);
        assert_eq!(final_status(TaskState::Failed, true), JobStatus::Cancelled);
        assert_eq!(final_status(TaskState::Cancelled, false), JobStatus::Failed);
    }

    #[test]
    fn a_batch_stops_at_an_error_only_where_it_asked_for_that() {
        let mut change = BatchChange::default();
        change.job_ended(JobStatus::Succeeded);
        assert!(!change.stops(true, false));
        change.job_ended(JobStatus::Cancelled);
        assert!(change.stops(true, false) && !change.stops(false, false));
        assert!(!change.stops(true, true), "nothing is left to stop");
    }

    #[test]
    fn a_tally_is_stored_as_a_list_of_three() {
        let counts = TallyByKind::from([("echo".to_owned(), (3, 2, 1).into())]);
        let stored = serde_json::to_string(&counts).expect("json");
        assert_eq!(stored, r#"{"echo":[3,2,1]}"#);
        assert_eq!(serde_json::from_str::<TallyByKind>(&stored).expect("reads"), counts);
    }
}
