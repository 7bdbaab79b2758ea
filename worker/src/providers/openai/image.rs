//! `/images/generations`: a picture, sent back inside the answer.

use std::path::Path;

use async_trait::async_trait;
use base64::Engine;
use common::kinds::{
    image::Ask,
    made::{Made, Usage},
};
use reqwest::Response;
use serde_json::{Value, json};

use super::{OpenAi, idempotency_key};
use crate::{
    kinds::{Context, Ended},
    providers::{Painter, guard::Failure, unwritten},
};

/// Six times a picture of 1,536 × 1,024 that no compression made smaller, in base64. It is held in memory, so the bound is also one of that.
const MAX_ANSWER_BYTES: usize = 36 << 20;

#[async_trait]
impl Painter for OpenAi {
    fn name(&self) -> &str {
        self.guard.name()
    }

    async fn paint(&self, context: &Context, ask: &Ask, out: &Path) -> Result<Made, Ended> {
        let body = self.image_body(ask);
        let key = idempotency_key(context, "image");
        let request = || self.guard.post("/images/generations", &key).json(&body);
        let picture = self.guard.call(&context.lease.stop, request, |response| self.read_picture(response)).await?;
        tokio::fs::write(out, picture).await.map_err(unwritten)?;
        Ok(self.made(&self.config.image_model, Usage { images: 1, ..Usage::default() }))
    }
}

impl OpenAi {
    fn image_body(&self, ask: &Ask) -> Value {
        let style = if ask.style.trim().is_empty() { String::new() } else { format!("\nStyle: {}", ask.style) };
        let mut body = json!({
            "model": self.config.image_model,
            "prompt": format!("{}{style}", ask.prompt),
            "size": nearest_size(ask.width, ask.height),
            "n": 1,
        });
        // The gpt-image models always answer in base64 and refuse to be asked for it.
        if !self.config.image_model.starts_with("gpt-image") {
            body["response_format"] = json!("b64_json");
        }
        body
    }

    async fn read_picture(&self, response: Response) -> Result<Vec<u8>, Failure> {
        let body = self.guard.json(response, MAX_ANSWER_BYTES).await?;
        let encoded = body.pointer("/data/0/b64_json").and_then(Value::as_str);
        let encoded = encoded.ok_or_else(|| self.guard.bad_answer("has no `data[0].b64_json`"))?;
        base64::engine::general_purpose::STANDARD
            .decode(encoded)
            .map_err(|error| self.guard.bad_answer(&format!("holds a picture that is not base64: {error}")))
    }
}

/// The sizes that the protocol's models make: the one whose shape is nearest.
fn nearest_size(width: u32, height: u32) -> &'static str {
    match f64::from(width) / f64::from(height.max(1)) {
        wide if wide > 1.2 => "1536x1024",
        tall if tall < 1.0 / 1.2 => "1024x1536",
        _ => "1024x1024",
    }
}
