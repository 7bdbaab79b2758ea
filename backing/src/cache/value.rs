//! Computed values, and the reasons why one was not computed.

use std::time::Duration;

use bytes::Bytes;
use common::error::JobError;

use super::namespace::Lifetime;

/// A value that was computed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachedValue {
    pub value: Bytes,
    /// How long it is served; at most the lifetime of its namespace.
    pub lifetime: Lifetime,
}

impl CachedValue {
    /// A value with the lifetime of its namespace.
    pub fn new(value: impl Into<Bytes>) -> Self {
        Self { value: value.into(), lifetime: Lifetime::fresh(Duration::MAX) }
    }
}

/// The reason why a value was not computed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ComputeError {
    /// It failed. All waiters get the error, and the next reader tries again.
    Failed(JobError),
    /// The computing reader was stopped, which concerns no other: the next waiter computes.
    Stopped,
}
