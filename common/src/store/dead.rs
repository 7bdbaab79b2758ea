//! Dead work: tasks that failed for good and took their job with them, as the store finds them again. Trying them anew is a retry of
//! their job.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::port::PortResult;
use crate::{
    error::ErrorClass,
    id::{TaskId, TenantId},
    view::{Page, TaskView},
};

/// Which dead work a list shows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeadFilter {
    /// Only tasks of this kind.
    pub kind: Option<String>,
    /// Only with an error of this class.
    pub class: Option<ErrorClass>,
    /// Only with an error of this code.
    pub code: Option<String>,
    /// Only what failed at this time or later.
    pub since: Option<Timestamp>,
    /// Only what failed before this time.
    pub until: Option<Timestamp>,
}

/// The store of dead work.
#[async_trait]
pub trait DeadWork: Send + Sync + 'static {
    /// Failed tasks whose job failed and that no retry has replaced, those of the newest jobs first, from the one after `after` on. Looks
    /// at a bounded number of rows: a filter that lets few through answers a short page and where to go on.
    async fn dead(
        &self,
        tenant: &TenantId,
        filter: &DeadFilter,
        after: Option<TaskId>,
        most: u32,
    ) -> PortResult<Page<TaskView>>;
}
