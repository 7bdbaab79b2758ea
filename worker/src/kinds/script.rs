//! `script`: writes the scenes of a video on a topic.

use common::{
    error::JobError,
    kinds::script::{self, Script, ScriptReply},
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
    let input = script::parse(&context.claimed.input).map_err(JobError::refused)?;
    let request = TextRequest {
        prompt: Prompt::SCRIPT,
        language: &input.language,
        user: json!({
            "topic": input.topic, "style": input.style, "seconds": input.duration,
            "scenes": input.scene_count(),
        }),
        schema: script::schema(),
        outline: outline::script(&input),
        check: &|_| Vec::new(),
        provider: input.provider.as_deref(),
        seed: input.seed,
    };
    let (ScriptReply { title, scenes }, provenance) = ask(context, providers, request).await?;
    Ok(HandlerOutput {
        output: to_json(&Script { title, scenes, provenance })?,
        artifacts: Vec::new(),
    })
}
