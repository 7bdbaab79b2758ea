//! `score`: how likely a script is to be watched and shared.

use common::{
    error::JobError,
    kinds::score::{self, Answer, Score},
};
use serde_json::json;

use super::{
    Context, Done, Ended, json as to_json,
    text::{Asked, ask},
};
use crate::providers::{Prompt, outline};

pub(super) async fn run(context: &Context) -> Result<Done, Ended> {
    let input = score::parse(&context.claimed.input).map_err(JobError::refused)?;
    let asked = Asked {
        prompt: Prompt::SCORE,
        language: "",
        user: json!({"script": input.script}),
        schema: score::schema(),
        outline: outline::score(&input),
        check: &score::check,
        provider: input.provider.as_deref(),
        seed: input.seed,
    };
    let (Answer { score, criteria, advice }, made) = ask(context, asked).await?;
    Ok(Done { output: to_json(&Score { score, criteria, advice, made })?, artifacts: Vec::new() })
}
