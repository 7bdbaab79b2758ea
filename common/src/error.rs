//! Why a job failed, for a machine (code, class), and for a person (a sentence).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::Fault;

/// Whose fault it is, which decides whether trying again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ErrorClass {
    /// The input is at fault: the same input fails again.
    Caller,
    /// It may go away by itself: tried again after a pause.
    Transient,
    /// It will not go away by itself, and is not the caller's fault.
    Permanent,
    /// Ours: a panic, a crash, a broken promise between parts.
    Bug,
}

impl ErrorClass {
    /// All, from whom it falls back on to us.
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

    /// Returns whether another attempt by the queue may help.
    pub fn retryable(self) -> bool {
        matches!(self, Self::Transient | Self::Bug)
    }
}

/// Codes that more than one part speaks. A code is stored and shown to clients: never respelled.
pub mod code {
    /// Validation refused the input.
    pub const INVALID_INPUT: &str = "invalid_input";
    /// No kind has this name.
    pub const UNKNOWN_KIND: &str = "unknown_kind";
    /// A source is missing, empty, not media, or cut short.
    pub const BAD_SOURCE: &str = "bad_source";
    /// The handler panicked.
    pub const PANIC: &str = "panic";
    /// The attempt ran past its deadline.
    pub const TIMEOUT: &str = "timeout";
    /// The child that parsed media crashed.
    pub const CRASHED: &str = "crashed";
    /// The child ran out of the memory it was allowed.
    pub const OUT_OF_MEMORY: &str = "out_of_memory";
    /// No room on the disk.
    pub const OUT_OF_SPACE: &str = "out_of_space";
    /// Its workers died too often: run no more.
    pub const POISON: &str = "poison";
    /// Something it needed failed.
    pub const NEED_FAILED: &str = "need_failed";
    /// Someone cancelled it.
    pub const CANCELLED: &str = "cancelled";
    /// A file that was made before is gone or damaged; it is made anew when it is asked for again.
    pub const ARTIFACT_LOST: &str = "artifact_lost";
    /// It waited longer than it was allowed to.
    pub const EXPIRED: &str = "expired";
    /// A part that the work needs is not there.
    pub const UNAVAILABLE: &str = "unavailable";
    /// Anything else of ours.
    pub const INTERNAL: &str = "internal";
}

/// An error as it is stored with a task, a job and a batch's item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase")]
#[error("{code}: {detail}")]
pub struct JobError {
    /// A stable word for machines; see [`code`].
    pub code: String,
    /// Whose fault it is.
    pub class: ErrorClass,
    /// What failed, for which input, and what to do: one sentence or two.
    pub detail: String,
    /// Set if posting the same job again may help.
    pub retryable: bool,
    /// The faults of a refused input; empty for any other error.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Fault>,
    /// How long an outside service asked us to wait, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// The last lines of the failed child's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
}

impl JobError {
    /// An error of `class`; `retryable` follows from the class.
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

    /// The input can't be accepted, for these reasons.
    pub fn refused(errors: Vec<Fault>) -> Self {
        let detail = match errors.as_slice() {
            [one] if one.pointer.is_empty() => one.detail.clone(),
            [one] => format!("{}: {}", one.pointer, one.detail),
            many => format!("the input has {} faults; `errors` lists them", many.len()),
        };
        Self { errors, ..Self::new(code::INVALID_INPUT, ErrorClass::Caller, detail) }
    }

    /// The caller's fault.
    pub fn caller(code: &str, detail: impl Into<String>) -> Self {
        Self::new(code, ErrorClass::Caller, detail)
    }

    /// May go away by itself.
    pub fn transient(code: &str, detail: impl Into<String>) -> Self {
        Self::new(code, ErrorClass::Transient, detail)
    }

    /// Stays, and is not the caller's fault.
    pub fn permanent(code: &str, detail: impl Into<String>) -> Self {
        Self::new(code, ErrorClass::Permanent, detail)
    }

    /// Ours.
    pub fn bug(code: &str, detail: impl Into<String>) -> Self {
        Self::new(code, ErrorClass::Bug, detail)
    }

    /// Asks for a pause of at least `pause` before the next attempt.
    pub fn after(mut self, pause: Duration) -> Self {
        self.retry_after_ms = Some(pause.as_millis().try_into().unwrap_or(u64::MAX));
        self
    }

    /// With the tail of a log.
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
    fn one_fault_is_its_own_sentence() {
        assert_eq!(JobError::refused(vec![Fault::new("/a", "b")]).detail, "/a: b");
        assert_eq!(
            JobError::refused(vec![Fault::new("", "b")]).detail,
            "b",
            "the whole of it has no name"
        );
    }
}
