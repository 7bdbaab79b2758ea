//! The errors that a store gives by itself, with the same words on every adapter.

use common::error::{ErrorClass, JobError, code};

/// Someone cancelled the task or its job.
pub fn cancelled() -> JobError {
    let error = JobError::caller(code::CANCELLED, "it was cancelled before it ended");
    JobError { retryable: true, ..error }
}

/// The job's result can't come any more, so what is left of it was not run.
pub fn without_result() -> JobError {
    JobError::permanent(
        code::CANCELLED,
        "it was not run, because the task that makes the job's result did not succeed",
    )
}

/// A need, named here, did not succeed.
pub fn need_failed(need: &str) -> JobError {
    JobError::permanent(code::NEED_FAILED, format!("it needs `{need}`, which did not succeed"))
}

/// Its job did not start in time.
pub fn expired(allowed_ms: i64) -> JobError {
    let detail = format!(
        "it did not start within the {allowed_ms} ms that its `queueTimeoutMs` allows; add workers, or allow it more time"
    );
    JobError::permanent(code::EXPIRED, detail)
}

/// Its workers died too often.
pub fn poison(losses: i64) -> JobError {
    let detail = format!(
        "{losses} workers died while they ran it, so it is not run again; look at its input and at the workers' logs"
    );
    JobError { retryable: true, ..JobError::new(code::POISON, ErrorClass::Permanent, detail) }
}
