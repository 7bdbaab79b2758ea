//! Errors of jobs, for machines (a code and a class) and for people (a sentence).

use std::{fmt::Display, io, time::Duration};

use serde::{Deserialize, Serialize};

use crate::fault::Fault;

/// The party that must act on an error. It decides whether another attempt can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ErrorClass {
    /// The input is wrong: the same input fails again.
    Caller,
    /// It may pass by itself: tried again after a pause.
    Transient,
    /// It stays, and is not the caller's fault.
    Permanent,
    /// An error of Spool's own: a panic, a crash, a broken promise between parts.
    Bug,
}

impl ErrorClass {
    pub const ALL: [Self; 4] = [Self::Caller, Self::Transient, Self::Permanent, Self::Bug];

    /// The stored spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Transient => "transient",
            Self::Permanent => "permanent",
            Self::Bug => "bug",
        }
    }

    /// Reads the stored spelling.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == text)
    }

    /// Returns whether another attempt by Spool may help.
    pub fn retryable(self) -> bool {
        matches!(self, Self::Transient | Self::Bug)
    }
}

/// Error codes that several parts use. Codes are stored and shown to clients, so their spelling
/// never changes.
pub mod code {
    /// Validation refused the input.
    pub const INVALID_INPUT: &str = "invalid_input";
    pub const UNKNOWN_KIND: &str = "unknown_kind";
    /// A source is missing, empty, not media, or cut short.
    pub const BAD_SOURCE: &str = "bad_source";
    /// The handler panicked.
    pub const PANIC: &str = "panic";
    /// The attempt ran past its deadline.
    pub const TIMEOUT: &str = "timeout";
    /// The media process crashed.
    pub const CRASHED: &str = "crashed";
    /// The media process ran out of the memory that it was allowed, or the machine out of its own.
    pub const OUT_OF_MEMORY: &str = "out_of_memory";
    /// The disk is full.
    pub const OUT_OF_SPACE: &str = "out_of_space";
    /// This process or this machine has too many open files.
    pub const OUT_OF_HANDLES: &str = "out_of_handles";
    /// Too many workers died with the task, so it is not run again.
    pub const POISON: &str = "poison";
    /// A task that it needs failed.
    pub const NEED_FAILED: &str = "need_failed";
    pub const CANCELLED: &str = "cancelled";
    /// An artifact is gone or damaged. It is made again when it is next needed.
    pub const ARTIFACT_LOST: &str = "artifact_lost";
    /// It waited longer than it was allowed to.
    pub const EXPIRED: &str = "expired";
    /// A stored document is damaged, or of a version that this one does not read.
    pub const UNREADABLE: &str = "unreadable";
    /// A part that the work needs is not available.
    pub const UNAVAILABLE: &str = "unavailable";
    /// Any other error of Spool's own.
    pub const INTERNAL: &str = "internal";
}

/// Returns the code for an error that means that this machine is out of something: handles, room or
/// memory. It says nothing about the work, and passes when others give some back.
pub fn exhaustion(error: &io::Error) -> Option<&'static str> {
    // Linux's numbers, the same on all its architectures. The standard library has no kinds for
    // them.
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    match (error.kind(), error.raw_os_error()) {
        (_, Some(ENFILE | EMFILE)) => Some(code::OUT_OF_HANDLES),
        (io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded, _) => Some(code::OUT_OF_SPACE),
        (io::ErrorKind::OutOfMemory, _) => Some(code::OUT_OF_MEMORY),
        _ => None,
    }
}

/// An error as it is stored with a task, a job or an item of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase")]
#[error("{code}: {detail}")]
pub struct JobError {
    /// A stable word for machines; see [`code`].
    pub code: String,
    pub class: ErrorClass,
    /// One or two sentences: what failed, for which input, and what to do.
    pub detail: String,
    /// Set if posting the same job again may help.
    pub retryable: bool,
    /// The faults of a refused input; empty for any other error.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Fault>,
    /// The pause that an outside service asked for, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// The last lines of the log of a failed media process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
}

impl JobError {
    /// An error of `class`, which also decides `retryable`.
    pub fn new(code: impl Into<String>, class: ErrorClass, detail: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            class,
            detail: detail.into(),
            retryable: class.retryable(),
            errors: Vec::new(),
            retry_after_ms: None,
            log: None,
        }
    }

    /// The error of an input with these faults.
    pub fn refused(errors: Vec<Fault>) -> Self {
        let detail = match errors.as_slice() {
            [one] if one.pointer.is_empty() => one.detail.clone(),
            [one] => format!("{}: {}", one.pointer, one.detail),
            many => format!("the input has {} faults; `errors` lists them", many.len()),
        };
        Self { errors, ..Self::new(code::INVALID_INPUT, ErrorClass::Caller, detail) }
    }

    /// The error of a stored document that can't be read.
    pub fn unreadable(column: &str, reason: impl Display) -> Self {
        let detail = format!(
            "the stored {column} can't be read ({reason}): it is damaged, or another version of \
             Spool wrote it; post the job again"
        );
        Self::permanent(code::UNREADABLE, detail)
    }

    /// An error of class `caller`.
    pub fn caller(code: &str, detail: impl Into<String>) -> Self {
        Self::new(code, ErrorClass::Caller, detail)
    }

    /// An error of class `transient`.
    pub fn transient(code: &str, detail: impl Into<String>) -> Self {
        Self::new(code, ErrorClass::Transient, detail)
    }

    /// An error of the operating system, of class `transient`.
    pub fn from_io(detail: impl Into<String>, error: &io::Error) -> Self {
        Self::transient(exhaustion(error).unwrap_or(code::UNAVAILABLE), detail)
    }

    /// Returns whether this machine was out of something.
    pub fn is_exhaustion(&self) -> bool {
        let codes = [code::OUT_OF_HANDLES, code::OUT_OF_SPACE, code::OUT_OF_MEMORY];
        self.class == ErrorClass::Transient && codes.contains(&self.code.as_str())
    }

    /// An error of class `permanent`.
    pub fn permanent(code: &str, detail: impl Into<String>) -> Self {
        Self::new(code, ErrorClass::Permanent, detail)
    }

    /// An error of class `bug`.
    pub fn bug(code: &str, detail: impl Into<String>) -> Self {
        Self::new(code, ErrorClass::Bug, detail)
    }

    /// Asks for a pause of at least `pause` before the next attempt.
    pub fn after(mut self, pause: Duration) -> Self {
        self.retry_after_ms = Some(pause.as_millis().try_into().unwrap_or(u64::MAX));
        self
    }

    /// Adds the tail of a log.
    pub fn with_log(mut self, log: impl Into<String>) -> Self {
        let log = log.into();
        self.log = (!log.is_empty()).then_some(log);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_error_of_an_older_version_still_reads() {
        let old =
            r#"{"code":"timeout","class":"transient","detail":"took too long","retryable":true}"#;
        let error: JobError = serde_json::from_str(old).expect("reads");
        assert_eq!(error, JobError::transient("timeout", "took too long"));
    }

    #[test]
    fn what_this_machine_is_out_of_has_a_code_of_its_own() {
        let codes = [23, 24, 28, 122, 12]
            .map(|number| JobError::from_io("", &io::Error::from_raw_os_error(number)));
        assert!(codes.iter().all(JobError::is_exhaustion), "{codes:?}");
        assert_eq!(
            codes.map(|error| error.code),
            ["handles", "handles", "space", "space", "memory"].map(|of| format!("out_of_{of}"))
        );
        let denied = JobError::from_io("", &io::Error::from_raw_os_error(13));
        assert_eq!((denied.code.as_str(), denied.is_exhaustion()), (code::UNAVAILABLE, false));
        assert!(!JobError::permanent(code::OUT_OF_MEMORY, "").is_exhaustion());
    }

    #[test]
    fn a_single_fault_becomes_the_detail() {
        assert_eq!(JobError::refused(vec![Fault::new("/a", "b")]).detail, "/a: b");
        assert_eq!(
            JobError::refused(vec![Fault::new("", "b")]).detail,
            "b",
            "an empty pointer is left out"
        );
    }
}
