//! How a child ended: a closed set.
//!
//! What is done next follows from the ending alone: a caller's fault is not tried again, a full disk is tried elsewhere,
//! a crash counts as a crash. So no caller needs to read a sentence to decide, and every ending has one to show.

use crate::MediaError;
use crate::cage::Seal;
use crate::child::Output;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

/// A run that is over.
#[derive(Debug, Clone, PartialEq)]
pub struct Ended {
    /// How.
    pub ending: Ending,
    /// The last lines that the child and its libraries wrote to their log; empty where they wrote none.
    pub log: String,
    /// What held the child, and what could not be had; none if it ended before it said so.
    pub seal: Option<Seal>,
}

/// The ways to end.
#[derive(Debug, Clone, PartialEq)]
pub enum Ending {
    /// With its output; the files it was to make are there.
    Done(Box<Output>),
    /// The input is damaged or not what it claims to be.
    BadInput(String),
    /// The input is sound, but this engine does not read or write it.
    Unsupported(String),
    /// The disk is full, or a file grew beyond its bound.
    OutOfSpace(String),
    /// It wanted more memory than its bound.
    OutOfMemory(String),
    /// A fault of ours or of the machine's, told by the child itself or met in starting it.
    Fault(String),
    /// The deadline passed, on the clock or in processor time.
    Timeout(Duration),
    /// It made no progress for so long.
    Stalled(Duration),
    /// The parent was asked to end it.
    Cancelled,
    /// Somebody else ended it; mostly the kernel, when the whole machine's memory was full.
    Killed,
    /// It died by a signal or left without an answer.
    Crashed {
        /// The signal; none if it exited by itself.
        signal: Option<i32>,
        /// The code it exited with, if it did.
        code: Option<i32>,
    },
}

/// What std prints before it aborts on a failed allocation; there is no stable hook for it.
const ALLOCATION_FAILED: &str = "memory allocation of ";

impl Ending {
    /// What the child said of itself.
    pub(super) fn from_error(error: MediaError) -> Self {
        match error {
            MediaError::BadInput(why) => Self::BadInput(why),
            MediaError::Unsupported(why) => Self::Unsupported(why),
            MediaError::OutOfSpace(why) => Self::OutOfSpace(why),
            MediaError::OutOfMemory(why) => Self::OutOfMemory(why),
            MediaError::Internal(why) => Self::Fault(why),
        }
    }

    /// What the exit of a child means that gave no answer and that the parent did not end.
    pub(super) fn from_exit(status: ExitStatus, log: &str, deadline: Duration) -> Self {
        match status.signal() {
            Some(libc::SIGXCPU) => Self::Timeout(deadline),
            Some(libc::SIGXFSZ) => {
                Self::OutOfSpace("a file grew beyond the bound that its job allows".into())
            }
            Some(libc::SIGKILL) => Self::Killed,
            Some(libc::SIGABRT) if log.contains(ALLOCATION_FAILED) => {
                Self::OutOfMemory("an allocation failed: the job's memory bound is used up".into())
            }
            signal => Self::Crashed { signal, code: status.code() },
        }
    }

    /// One sentence that says what happened, without the log.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            Self::Done(_) => "it is done".into(),
            Self::BadInput(why)
            | Self::Unsupported(why)
            | Self::OutOfSpace(why)
            | Self::OutOfMemory(why)
            | Self::Fault(why) => why.clone(),
            Self::Timeout(after) => {
                format!("it was not done within its deadline of {} s and was ended", after.as_secs_f64())
            }
            Self::Stalled(after) => {
                format!("it made no progress for {} s and was ended", after.as_secs_f64())
            }
            Self::Cancelled => "it was cancelled".into(),
            Self::Killed => {
                "its process was killed from outside, most likely because the machine's memory was full".into()
            }
            Self::Crashed { signal: Some(signal), .. } => format!("its process crashed with signal {signal}"),
            Self::Crashed { code, .. } => {
                format!("its process left without an answer (exit code {})", code.unwrap_or(-1))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ending(raw: i32, log: &str) -> Ending {
        Ending::from_exit(ExitStatus::from_raw(raw), log, Duration::from_secs(1))
    }

    #[test]
    fn signals_of_the_limits_are_told_apart_from_crashes() {
        assert!(matches!(ending(libc::SIGXCPU, ""), Ending::Timeout(_)));
        assert!(matches!(ending(libc::SIGXFSZ, ""), Ending::OutOfSpace(_)));
        assert_eq!(ending(libc::SIGKILL, ""), Ending::Killed);
        let crash = Ending::Crashed { signal: Some(libc::SIGSEGV), code: None };
        assert_eq!(ending(libc::SIGSEGV, ""), crash);
    }

    #[test]
    fn an_abort_is_out_of_memory_only_where_the_log_says_so() {
        let log = "memory allocation of 1024 bytes failed";
        assert!(matches!(ending(libc::SIGABRT, log), Ending::OutOfMemory(_)));
        assert!(matches!(ending(libc::SIGABRT, ""), Ending::Crashed { .. }));
    }
}
