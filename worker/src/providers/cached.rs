//! Answers in text, remembered for a day: a task that runs again because its worker died, what came after failed, or its memo went, does not
//! pay twice; and equal questions that are asked at once are asked once.
//!
//! The memo remembers what a task came to; this remembers what a provider said. Only answers that were read and found good are kept: one
//! that could not be used would be given again to whoever tries again. An outline costs nothing and is not kept; nor is what stood in for a
//! service that was away, as it may be back.

use std::time::Duration;

use backing::cache::{Item, Life, Made as Value, Namespace, Unmade};
use common::{
    error::{JobError, code},
    provenance::Provenance,
};
use serde::{Deserialize, Serialize};

use super::{
    Providers,
    port::{OFFLINE, Question, Written},
};
use crate::context::{Context, HandlerError};

/// The form of [`Kept`]: part of its place, so that no version reads another's.
const FORM: &str = "2";

/// An answer as it is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    text: String,
    made: Provenance,
}

impl Providers {
    /// A good answer to the question: as it was given before, or by `asking`.
    pub(crate) async fn remembered(
        &self,
        context: &Context,
        named: Option<&str>,
        question: &Question,
        asking: impl Future<Output = Result<Written, HandlerError>> + Send,
    ) -> Result<Written, HandlerError> {
        let Some(place) = self.place(context, named, question) else { return asking.await };
        let asking = async {
            let Written { text, made } = asking.await.map_err(Unmade::from)?;
            let passing = made.provider == OFFLINE || !made.fallback_for.is_empty();
            let life = if passing { Life::fresh(Duration::ZERO) } else { Namespace::Text.life() };
            let json = serde_json::to_vec(&Kept { text, made })
                .map_err(|error| Unmade::Failed(unreadable(&error)))?;
            Ok(Value { value: json.into(), life })
        };
        let kept = context.cached(&place, asking).await?;
        let Kept { text, made } =
            serde_json::from_slice(&kept).map_err(|error| unreadable(&error))?;
        Ok(Written { text, made })
    }

    /// Where the answer is kept, by all that decides it; the kind's version holds which providers are configured. It is the tenant's own,
    /// as memos are: how long an answer takes would tell others that it was asked.
    fn place(&self, context: &Context, named: Option<&str>, question: &Question) -> Option<Item> {
        let writers = self
            .writers
            .iter()
            .map(|writer| writer.name())
            .filter(|name| named.is_none_or(|named| named == *name));
        let asked: Vec<&str> = writers.filter(|name| *name != OFFLINE).collect();
        if asked.is_empty() {
            return None;
        }
        let claimed = &context.claimed;
        let (version, seed) =
            (claimed.kind_version.to_string(), question.seed.map(|seed| seed.to_string()));
        let (schema, named) = (question.schema.to_string(), named.map(str::to_owned));
        let parts = [
            FORM,
            claimed.tenant.0.as_str(),
            &claimed.kind,
            &version,
            named.as_deref().unwrap_or_default(),
            seed.as_deref().unwrap_or_default(),
            &question.system,
            &question.user,
            &schema,
        ];
        let item =
            Item::new(Namespace::Text, parts.map(str::as_bytes)).tagged("kind", &claimed.kind);
        Some(asked.into_iter().fold(item, |item, name| item.tagged("provider", name)))
    }
}

fn unreadable(error: &serde_json::Error) -> JobError {
    JobError::bug(code::INTERNAL, format!("a remembered answer can't be kept or read: {error}"))
}
