//! Names of keys and channels in Redis. No other file spells them.

use common::id::{Digest, JobId, TenantId};

/// The names of one installation. No caller's text becomes part of one: tenants and cache keys are
/// hashed.
#[derive(Debug, Clone)]
pub(super) struct RedisNames {
    prefix: String,
}

impl RedisNames {
    pub fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    /// The prefix of the keys of a tenant's views.
    pub fn tenant_prefix(&self, tenant: &TenantId) -> String {
        let tenant = Digest::of(tenant.0.as_bytes()).to_string();
        format!("{}:view:{}:", self.prefix, &tenant[..32])
    }

    /// The key of a view under [`Self::tenant_prefix`]. It ends with the 32 hex digits of the job's
    /// id, which subscribers are sent.
    pub fn view(tenant_prefix: &str, job: JobId) -> String {
        format!("{tenant_prefix}{}", job.0.simple())
    }

    /// The key of a shared value.
    pub fn value(&self, key: &str) -> String {
        format!("{}:value:{}", self.prefix, Digest::of(key.as_bytes()))
    }

    /// Two keys that a check writes. As those of two views, a cluster may hold them on two nodes.
    pub fn checked(&self) -> [String; 2] {
        ["a", "b"].map(|key| format!("{}:check:{key}", self.prefix))
    }

    /// The channel of changed views.
    pub fn changes(&self) -> String {
        format!("{}:changes", self.prefix)
    }
}
