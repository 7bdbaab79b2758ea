//! `/images/generations`: a picture, sent back inside the answer, or as the address that it lies at.

use std::path::Path;

use async_trait::async_trait;
use base64::Engine;
use common::{
    error::ErrorClass,
    kinds::image::ImageInput,
    provenance::{Provenance, Usage},
};
use reqwest::Response;
use serde_json::{Value, json};

use super::{OpenAi, idempotency_key};
use crate::{
    context::{Context, HandlerError},
    providers::{
        guard::Failure,
        port::{Painter, unwritten},
    },
};

/// Six times a picture of 1,536 × 1,024 that no compression made smaller, in base64. It is held in memory, so the bound is also one of that.
const MAX_ANSWER_BYTES: usize = 36 << 20;
/// The same, as a file of its own.
const MAX_PICTURE_BYTES: usize = 27 << 20;

/// How a picture was sent.
enum Sent {
    /// In the answer.
    Inside(Vec<u8>),
    /// The answer says where it is: some services do, whatever they are asked for.
    At(String),
}

#[async_trait]
impl Painter for OpenAi {
    fn name(&self) -> &str {
        self.guard.name()
    }

    async fn paint(
        &self,
        context: &Context,
        ask: &ImageInput,
        out: &Path,
    ) -> Result<Provenance, HandlerError> {
        let body = self.image_body(ask);
        let key = idempotency_key(context, "image");
        let request = || self.guard.post("/images/generations", &key).json(&body);
        let sent = self
            .guard
            .call(&context.lease.stop, request, |response| self.read_picture(response))
            .await?;
        match sent {
            Sent::Inside(picture) => tokio::fs::write(out, picture).await.map_err(unwritten)?,
            Sent::At(url) => self.bring(context, &url, out).await?,
        }
        Ok(self.made(&self.config.image_model, Usage { images: 1, ..Usage::default() }))
    }
}

impl OpenAi {
    fn image_body(&self, ask: &ImageInput) -> Value {
        let style = if ask.style.trim().is_empty() {
            String::new()
        } else {
            format!("\nStyle: {}", ask.style)
        };
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

    async fn read_picture(&self, response: Response) -> Result<Sent, Failure> {
        let body = self.guard.json(response, MAX_ANSWER_BYTES).await?;
        let picture = &body["data"][0];
        let url = picture["url"].as_str();
        let inside = || {
            url.and_then(|url| url.strip_prefix("data:"))
                .and_then(|data| data.split_once(";base64,"))
        };
        match (picture["b64_json"].as_str().or_else(|| inside().map(|(_, encoded)| encoded)), url) {
            (Some(encoded), _) => {
                let decoded = base64::engine::general_purpose::STANDARD.decode(encoded.trim());
                let broken = |error| {
                    self.guard.bad_answer(&format!("holds a picture that is not base64: {error}"))
                };
                decoded.map(Sent::Inside).map_err(broken)
            }
            (None, Some(url)) if url.starts_with("https://") || url.starts_with("http://") => {
                Ok(Sent::At(url.to_owned()))
            }
            _ => Err(self
                .guard
                .bad_answer("has no `data[0].b64_json` and no `data[0].url` of a picture")),
        }
    }

    /// A picture that the answer only names. What lies with the service itself is asked of it, with its key; anything else is fetched as a
    /// caller's source would be, which keeps an answer from reaching into our own network.
    async fn bring(&self, context: &Context, url: &str, out: &Path) -> Result<(), HandlerError> {
        let stop = &context.lease.stop;
        if self.guard.is_own(url) {
            let save = |response| self.guard.save(response, MAX_PICTURE_BYTES, out);
            self.guard.call(stop, || self.guard.get_own(url), save).await?;
            return Ok(());
        }
        let scratch = context.scratch()?;
        let fetched = match context.tools.fetcher.fetch(url, scratch.path(), stop).await {
            Err(_) if stop.reason().is_some() => return Err(HandlerError::Stopped),
            Err(error) if error.class == ErrorClass::Caller => {
                let what = format!("names a picture that can't be had: {}", error.detail);
                return Err((*self.guard.bad_answer(&what).error).into());
            }
            fetched => fetched?,
        };
        if fetched.bytes > MAX_PICTURE_BYTES as u64 {
            let what = format!("names a picture of {} bytes", fetched.bytes);
            return Err((*self.guard.bad_answer(&what).error).into());
        }
        context.bring_to(&fetched.hash, out).await?;
        Ok(())
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
