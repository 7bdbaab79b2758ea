//! `script`: a topic to scenes.

use common::{
    error::JobError,
    kinds::script::{self, Script, ScriptReply},
};
use serde_json::json;

use crate::{
    context::{Context, HandlerError, HandlerOutput, json as to_json},
    providers::Providers,
    providers::structured::{Request, ask},
    providers::{Prompt, outline},
};

pub(super) async fn run(
    context: &Context,
    providers: &Providers,
) -> Result<HandlerOutput, HandlerError> {
    let input = script::parse(&context.claimed.input).map_err(JobError::refused)?;
    let asked = Request {
        prompt: Prompt::SCRIPT,
        language: &input.language,
        user: json!({
            "topic": input.topic, "style": input.style, "seconds": input.duration, "scenes": input.scene_count(),
        }),
        schema: script::schema(),
        outline: outline::script(&input),
        check: &script::check,
        provider: input.provider.as_deref(),
        seed: input.seed,
    };
    let (ScriptReply { title, scenes }, made) = ask(context, providers, asked).await?;
    Ok(HandlerOutput {
        output: to_json(&Script { title, scenes, provenance: made })?,
        artifacts: Vec::new(),
    })
}
