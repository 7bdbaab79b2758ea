//! `ideas`: what is seen behind each scene.

use common::{
    error::JobError,
    kinds::ideas::{self, Answer, Ideas},
};
use serde_json::json;

use super::{
    Context, Done, Ended, json as to_json,
    text::{Asked, ask},
};
use crate::providers::{Prompt, outline};

pub(super) async fn run(context: &Context) -> Result<Done, Ended> {
    let input = ideas::parse(&context.claimed.input).map_err(JobError::refused)?;
    let scenes = input.scenes.len();
    let asked = Asked {
        prompt: Prompt::IDEAS,
        language: "",
        user: json!({"scenes": input.scenes, "style": input.style}),
        schema: ideas::schema(),
        outline: outline::ideas(&input),
        check: &|answer: &Answer| ideas::check(answer, scenes),
        provider: input.provider.as_deref(),
        seed: input.seed,
    };
    let (Answer { ideas }, made) = ask(context, asked).await?;
    Ok(Done { output: to_json(&Ideas { ideas, made })?, artifacts: Vec::new() })
}
