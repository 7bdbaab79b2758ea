//! The process group of a media process, which ends as a whole.

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::Child;

/// The group that a media process leads, killed when this is dropped.
///
/// The system call filter lets no media process start another. Where a kernel has no such filter,
/// this ends those that it started.
#[derive(Debug)]
pub(super) struct ProcessGroup(Option<Pid>);

impl ProcessGroup {
    pub(super) fn led_by(leader: &Child) -> Self {
        let id = leader.id().and_then(|id| i32::try_from(id).ok());
        Self(id.and_then(Pid::from_raw))
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // Fails if no process of the group is left.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}
