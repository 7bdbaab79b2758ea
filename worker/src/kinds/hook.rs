//! `hook`: writes first sentences for a topic.

use common::{
    error::JobError,
    kinds::hook::{self, HookReply, Hooks},
};
use serde_json::json;

use crate::{
    context::{Context, HandlerError, HandlerOutput, json as to_json},
    providers::Providers,
    providers::structured::{TextRequest, ask},
    providers::{Prompt, outline},
};

pub(super) async fn run(
    context: &Context,
    providers: &Providers,
) -> Result<HandlerOutput, HandlerError> {
    let input = hook::parse(&context.claimed.input).map_err(JobError::refused)?;
    let request = TextRequest {
        prompt: Prompt::HOOK,
        language: &input.language,
        user: json!({"topic": input.topic, "style": input.style, "count": input.count}),
        schema: hook::schema(),
        outline: outline::hooks(&input),
        check: &|_| Vec::new(),
        provider: input.provider.as_deref(),
        seed: input.seed,
    };
    let (HookReply { hooks }, provenance) = ask(context, providers, request).await?;
    Ok(HandlerOutput { output: to_json(&Hooks { hooks, provenance })?, artifacts: Vec::new() })
}
