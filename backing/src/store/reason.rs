//! The errors that a store gives by itself, in the same words in every adapter.

use common::error::{ErrorClass, JobError, code};

/// The task or its job was cancelled.
pub fn cancelled() -> JobError {
    let error = JobError::caller(code::CANCELLED, "it was cancelled before it ended");
    JobError { retryable: true, ..error }
}

/// The job's result can no longer come, so its other tasks were not run.
pub fn without_result() -> JobError {
    JobError::permanent(
        code::CANCELLED,
        "it was not run, because the task that makes the job's result did not succeed",
    )
}

/// The need with this name did not succeed.
pub fn need_failed(need: &str) -> JobError {
    JobError::permanent(code::NEED_FAILED, format!("it needs `{need}`, which did not succeed"))
}

/// The job did not start in time.
pub fn expired(allowed_ms: i64) -> JobError {
    let detail = format!(
        "it did not start within the {allowed_ms} ms that its `queueTimeoutMs` allows; add \
         workers, or allow it more time"
    );
    JobError::permanent(code::EXPIRED, detail)
}

/// The task's workers died too often.
pub fn poison(losses: i64) -> JobError {
    let detail = format!(
        "{losses} workers died while they ran it, so it is not run again; look at its input and at \
         the workers' logs"
    );
    JobError { retryable: true, ..JobError::new(code::POISON, ErrorClass::Permanent, detail) }
}
