//! `ideas`: describes a picture for each scene.

use common::{
    error::JobError,
    kinds::ideas::{self, Ideas, IdeasReply},
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
    let input = ideas::parse(&context.claimed.input).map_err(JobError::refused)?;
    let scenes = input.scenes.len();
    let request = TextRequest {
        prompt: Prompt::IDEAS,
        language: "",
        user: json!({"scenes": input.scenes, "style": input.style}),
        schema: ideas::schema(),
        outline: outline::ideas(&input),
        check: &|answer: &IdeasReply| ideas::check(answer, scenes),
        provider: input.provider.as_deref(),
        seed: input.seed,
    };
    let (IdeasReply { ideas }, provenance) = ask(context, providers, request).await?;
    Ok(HandlerOutput { output: to_json(&Ideas { ideas, provenance })?, artifacts: Vec::new() })
}
