//! The ways in which a media process can exit: a closed set.
//!
//! The variant alone decides what happens next: a client's fault is not retried, a full disk is
//! retried elsewhere, a crash counts as a crash. No caller needs to read the sentence to decide,
//! and every variant has one to show.

use crate::MediaError;
use crate::protocol::{Confinement, Output};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

/// The report on a finished run.
#[derive(Debug, Clone, PartialEq)]
pub struct ProcessReport {
    pub exit: ProcessExit,
    /// The last lines of the process's log, which its libraries write to as well; may be empty.
    pub log: String,
    /// The layers of the sandbox; none if the process ended before it reported them.
    pub confinement: Option<Confinement>,
}

/// The way in which a media process ended.
#[derive(Debug, Clone, PartialEq)]
pub enum ProcessExit {
    /// The job succeeded, and its files are written.
    Done(Box<Output>),
    /// The input is damaged, or is not of the type that it claims.
    BadInput(String),
    /// The input is sound, but this engine does not read or write it.
    Unsupported(String),
    /// The disk is full.
    OutOfSpace(String),
    /// A file grew beyond the bound of its job.
    FileTooLarge(String),
    /// The process could not be started: the number of the system's error, and a sentence.
    NotStarted(Option<i32>, String),
    /// The job needed more memory than its bound.
    OutOfMemory(String),
    /// The engine or the machine failed.
    Internal(String),
    /// The deadline passed on the clock.
    Timeout(Duration),
    /// No progress was reported for this long, nor processor time used.
    Stalled(Duration),
    /// It used this much processor time, which is more than its job may. The same job would do so
    /// again.
    TooCostly(Duration),
    /// The caller cancelled the run.
    Cancelled,
    /// Something else killed it: mostly the kernel, when the machine's memory was full.
    Killed,
    /// It died by a signal, or exited without a final reply.
    Crashed {
        /// The signal, if one ended it.
        signal: Option<i32>,
        /// The exit code, if it exited by itself.
        code: Option<i32>,
    },
}

/// The text that std prints before it aborts on a failed allocation. No stable hook exists.
const ALLOCATION_FAILED: &str = "memory allocation of ";

impl ProcessExit {
    /// Converts the error that the media process itself reported.
    pub(super) fn from_error(error: MediaError) -> Self {
        match error {
            MediaError::BadInput(why) => Self::BadInput(why),
            MediaError::Unsupported(why) => Self::Unsupported(why),
            MediaError::OutOfSpace(why) => Self::OutOfSpace(why),
            MediaError::OutOfMemory(why) => Self::OutOfMemory(why),
            MediaError::Internal(why) => Self::Internal(why),
        }
    }

    /// Interprets the exit status of a process that sent no final reply and that the parent did
    /// not end.
    pub(super) fn from_exit(status: ExitStatus, log: &str, deadline: Duration) -> Self {
        match status.signal() {
            Some(libc::SIGXCPU) => Self::TooCostly(deadline),
            Some(libc::SIGXFSZ) => {
                Self::FileTooLarge("a file grew beyond the bound that its job allows".into())
            }
            Some(libc::SIGKILL) => Self::Killed,
            Some(libc::SIGABRT) if log.contains(ALLOCATION_FAILED) => {
                Self::OutOfMemory("an allocation failed: the job's memory bound is used up".into())
            }
            signal => Self::Crashed { signal, code: status.code() },
        }
    }

    /// One sentence about what happened, without the log.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            Self::Done(_) => "it succeeded".into(),
            Self::BadInput(why)
            | Self::Unsupported(why)
            | Self::OutOfSpace(why)
            | Self::FileTooLarge(why)
            | Self::NotStarted(_, why)
            | Self::OutOfMemory(why)
            | Self::Internal(why) => why.clone(),
            Self::Timeout(after) => {
                let seconds = after.as_secs_f64();
                format!("it was not done within its deadline of {seconds} s and was ended")
            }
            Self::Stalled(after) => {
                format!("it made no progress for {} s and was ended", after.as_secs_f64())
            }
            Self::TooCostly(after) => format!(
                "it used {} s of processor time, which is more than its job may, and was ended; \
                 make its sources smaller or simpler",
                after.as_secs_f64()
            ),
            Self::Cancelled => "it was cancelled".into(),
            Self::Killed => {
                "its process was killed from outside, most likely because the machine's memory was \
                 full"
                    .into()
            }
            Self::Crashed { signal: Some(signal), .. } => {
                format!("its process crashed with signal {signal}")
            }
            Self::Crashed { code, .. } => {
                format!("its process exited without a reply (exit code {})", code.unwrap_or(-1))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit(raw: i32, log: &str) -> ProcessExit {
        ProcessExit::from_exit(ExitStatus::from_raw(raw), log, Duration::from_secs(1))
    }

    #[test]
    fn signals_of_resource_limits_are_not_crashes() {
        assert!(matches!(exit(libc::SIGXCPU, ""), ProcessExit::TooCostly(_)));
        assert!(matches!(exit(libc::SIGXFSZ, ""), ProcessExit::FileTooLarge(_)));
        assert_eq!(exit(libc::SIGKILL, ""), ProcessExit::Killed);
        let crash = ProcessExit::Crashed { signal: Some(libc::SIGSEGV), code: None };
        assert_eq!(exit(libc::SIGSEGV, ""), crash);
    }

    #[test]
    fn an_abort_is_out_of_memory_only_if_the_log_names_an_allocation() {
        let log = "memory allocation of 1024 bytes failed";
        assert!(matches!(exit(libc::SIGABRT, log), ProcessExit::OutOfMemory(_)));
        assert!(matches!(exit(libc::SIGABRT, ""), ProcessExit::Crashed { .. }));
    }
}
