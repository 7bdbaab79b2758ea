//! `hook`: first sentences.

use common::{
    error::JobError,
    kinds::hook::{self, Answer, Hooks},
};
use serde_json::json;

use super::{
    Context, Done, Ended, json as to_json,
    text::{Asked, ask},
};
use crate::providers::{Prompt, outline};

pub(super) async fn run(context: &Context) -> Result<Done, Ended> {
    let input = hook::parse(&context.claimed.input).map_err(JobError::refused)?;
    let asked = Asked {
        prompt: Prompt::HOOK,
        language: &input.language,
        user: json!({"topic": input.topic, "style": input.style, "count": input.count}),
        schema: hook::schema(),
        outline: outline::hooks(&input),
        check: &hook::check,
        provider: input.provider.as_deref(),
        seed: input.seed,
    };
    let (Answer { hooks }, made) = ask(context, asked).await?;
    Ok(Done { output: to_json(&Hooks { hooks, made })?, artifacts: Vec::new() })
}
