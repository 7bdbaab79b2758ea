//! Replies in text, cached for a day. A task that runs again, because its worker died, a later step
//! failed or its memo is gone, does not pay twice. Equal questions at the same time are sent once.
//!
//! A memo holds the output of a task; this cache holds the reply of a provider. Only replies that
//! were read and accepted are cached. An outline is not cached, because it costs nothing. Neither
//! is a fallback's reply, because the provider it replaced may be back.

use std::time::Duration;

use backing::cache::{CacheKey, CachedValue, ComputeError, Lifetime, Namespace};
use common::{
    error::{JobError, code},
    provenance::Provenance,
};
use serde::{Deserialize, Serialize};

use super::{
    Providers,
    port::{OFFLINE, Question, TextReply},
};
use crate::context::{Context, HandlerError};

/// The version of [`CachedReply`]. It is part of the cache key, so that no version of Spool reads
/// another's values.
const VERSION: &str = "3";

/// A reply in its cached form.
#[derive(Serialize, Deserialize)]
struct CachedReply {
    text: String,
    provenance: Provenance,
}

impl Providers {
    /// Returns a cached reply to the question, or the reply that `asking` gets.
    pub(crate) async fn cached_reply(
        &self,
        context: &Context,
        only: Option<&str>,
        question: &Question,
        asking: impl Future<Output = Result<TextReply, HandlerError>> + Send,
    ) -> Result<TextReply, HandlerError> {
        let Some(item) = self.item(context, only, question) else { return asking.await };
        let asking = async {
            let TextReply { text, provenance } = asking.await.map_err(ComputeError::from)?;
            let expires_now = provenance.provider == OFFLINE || !provenance.fallback_for.is_empty();
            // Otherwise it lives as long as its namespace says.
            let fresh = if expires_now { Duration::ZERO } else { Duration::MAX };
            let json = serde_json::to_vec(&CachedReply { text, provenance })
                .map_err(|error| ComputeError::Failed(unreadable(&error)))?;
            Ok(CachedValue { value: json.into(), lifetime: Lifetime::fresh(fresh) })
        };
        let value = context.cached(&item, asking).await?;
        let CachedReply { text, provenance } =
            serde_json::from_slice(&value).map_err(|error| unreadable(&error))?;
        Ok(TextReply { text, provenance })
    }

    /// Returns the cache item for a question, or nothing if no service would be asked. Its key
    /// holds all that decides the reply; the kind's version stands for the configured providers.
    /// Replies are cached per tenant, as memos are: the time of a reply would show that another
    /// tenant had asked.
    fn item(&self, context: &Context, only: Option<&str>, question: &Question) -> Option<CacheKey> {
        let writers = self
            .writers
            .iter()
            .map(|writer| writer.name())
            .filter(|name| only.is_none_or(|only| only == *name));
        let services: Vec<&str> = writers.filter(|name| *name != OFFLINE).collect();
        if services.is_empty() {
            return None;
        }
        let claimed = &context.claimed;
        let (version, seed) =
            (claimed.kind_version.to_string(), question.seed.map(|seed| seed.to_string()));
        let (schema, only) = (question.schema.to_string(), only.map(str::to_owned));
        let parts = [
            VERSION,
            claimed.tenant.0.as_str(),
            &claimed.kind,
            &version,
            only.as_deref().unwrap_or_default(),
            seed.as_deref().unwrap_or_default(),
            &question.system,
            &question.user,
            &schema,
        ];
        let item =
            CacheKey::new(Namespace::Text, parts.map(str::as_bytes)).tagged("kind", &claimed.kind);
        Some(services.into_iter().fold(item, |item, name| item.tagged("provider", name)))
    }
}

fn unreadable(error: &serde_json::Error) -> JobError {
    JobError::bug(code::INTERNAL, format!("a cached reply can't be written or read: {error}"))
}
