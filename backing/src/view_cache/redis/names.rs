//! What things are called in Redis. The only place that spells them.

use common::id::{Digest, JobId, TenantId};

/// Keys and channels of one installation. No caller's text ever becomes part of one: tenants and cache keys enter as their hash.
#[derive(Debug, Clone)]
pub(super) struct Names {
    prefix: String,
}

impl Names {
    pub fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    /// The start of the keys of a tenant's views.
    pub fn views_of(&self, tenant: &TenantId) -> String {
        let tenant = Digest::of(tenant.0.as_bytes()).to_string();
        format!("{}:view:{}:", self.prefix, &tenant[..32])
    }

    /// A view's key under [`Self::views_of`]; it ends with the 32 hex digits of the job's id, which is what subscribers are told.
    pub fn view(tenants: &str, job: JobId) -> String {
        format!("{tenants}{}", job.0.simple())
    }

    /// A shared value's key.
    pub fn value(&self, key: &str) -> String {
        format!("{}:value:{}", self.prefix, Digest::of(key.as_bytes()))
    }

    /// The channel that tells of changed views.
    pub fn changes(&self) -> String {
        format!("{}:changes", self.prefix)
    }
}
