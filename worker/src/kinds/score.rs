//! `score`: estimates how likely a script is to be watched and shared.

use common::{
    error::JobError,
    kinds::score::{self, Score, ScoreReply},
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
    let input = score::parse(&context.claimed.input).map_err(JobError::refused)?;
    let request = TextRequest {
        prompt: Prompt::SCORE,
        language: "",
        user: json!({"script": input.script}),
        schema: score::schema(),
        outline: outline::score(&input),
        check: &|_| Vec::new(),
        provider: input.provider.as_deref(),
        seed: input.seed,
    };
    let (ScoreReply { score, criteria, advice }, provenance) =
        ask(context, providers, request).await?;
    Ok(HandlerOutput {
        output: to_json(&Score { score, criteria, advice, provenance })?,
        artifacts: Vec::new(),
    })
}
