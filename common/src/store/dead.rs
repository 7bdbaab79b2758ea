//! Dead work: tasks that failed for good and took their job with them. A retry of the job runs them
//! again.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::{
    error::ErrorClass,
    id::{TaskId, TenantId},
    port::PortResult,
    view::{Page, TaskView},
};

/// Filter of a list of dead tasks; a task must meet all of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeadFilter {
    pub kind: Option<String>,
    /// Class of its error.
    pub class: Option<ErrorClass>,
    /// Code of its error.
    pub code: Option<String>,
    /// It failed at this time or later.
    pub since: Option<Timestamp>,
    /// It failed before this time.
    pub until: Option<Timestamp>,
}

/// The list of dead work.
#[async_trait]
pub trait DeadWork: Send + Sync + 'static {
    /// Failed tasks whose job failed and that no retry has superseded, those of the newest jobs
    /// first, beginning after `after`. Looks at a bounded number of rows, so a narrow filter may
    /// return a short page with a cursor.
    async fn dead(
        &self,
        tenant: &TenantId,
        filter: &DeadFilter,
        after: Option<TaskId>,
        most: u32,
    ) -> PortResult<Page<TaskView>>;
}
