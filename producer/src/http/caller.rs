//! The caller of a request, and the address that it called.

use std::{convert::Infallible, sync::Arc};

use axum::{
    extract::FromRequestParts,
    http::{header, request::Parts},
};
use common::id::TenantId;

use super::{links::Links, state::Api};

/// The tenant whose jobs a call sees. A server listens on loopback only, where all calls belong to
/// one tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    pub tenant: TenantId,
    /// Prefix of absolute URLs: the configured public base, or else the address that was called.
    pub base: String,
}

impl Caller {
    /// The URLs in an answer to this caller.
    pub fn links<'a>(&'a self, api: &'a Api) -> Links<'a> {
        Links { base: &self.base, artifacts: api.artifacts.as_ref() }
    }
}

impl FromRequestParts<Arc<Api>> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Infallible> {
        let called = || format!("http://{}", host(parts).unwrap_or("localhost"));
        let base = api.settings.public_url.clone().unwrap_or_else(called);
        Ok(Self { tenant: TenantId::default(), base })
    }
}

/// Returns the host and port that were called: the `Host` header, or HTTP/2's authority.
pub fn host(parts: &Parts) -> Option<&str> {
    let header = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    header.or_else(|| parts.uri.authority().map(|authority| authority.as_str()))
}
