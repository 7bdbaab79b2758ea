//! `/images/generations`: a picture, sent in the response or as a URL.

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
        guard::CallFailure,
        port::{Painter, unwritten},
    },
};

/// Six times an uncompressed picture of 1,536 × 1,024 in base64. The response is held in memory, so
/// this bounds memory too.
const MAX_ANSWER_BYTES: usize = 36 << 20;
/// The same picture as a file.
const MAX_PICTURE_BYTES: usize = 27 << 20;

/// The picture in a response.
enum PictureReply {
    Inline(Vec<u8>),
    /// A URL: some services send one, even if base64 was requested.
    Url(String),
}

#[async_trait]
impl Painter for OpenAi {
    fn name(&self) -> &str {
        self.guard.name()
    }

    async fn paint(
        &self,
        context: &Context,
        input: &ImageInput,
        out: &Path,
    ) -> Result<Provenance, HandlerError> {
        let body = self.image_body(input);
        let key = idempotency_key(context, "image");
        let request = || self.guard.post("/images/generations", &key).json(&body);
        let reply = self
            .guard
            .call(&context.lease.stop, request, |response| self.read_picture(response))
            .await?;
        match reply {
            PictureReply::Inline(picture) => {
                tokio::fs::write(out, picture).await.map_err(unwritten)?
            }
            PictureReply::Url(url) => self.download(context, &url, out).await?,
        }
        Ok(self.provenance(&self.config.image_model, Usage { images: 1, ..Usage::default() }))
    }
}

impl OpenAi {
    fn image_body(&self, input: &ImageInput) -> Value {
        let style = if input.style.trim().is_empty() {
            String::new()
        } else {
            format!("\nStyle: {}", input.style)
        };
        let mut body = json!({
            "model": self.config.image_model,
            "prompt": format!("{}{style}", input.prompt),
            "size": nearest_size(input.width, input.height),
            "n": 1,
        });
        // The gpt-image models always reply in base64, and refuse this member.
        if !self.config.image_model.starts_with("gpt-image") {
            body["response_format"] = json!("b64_json");
        }
        body
    }

    async fn read_picture(&self, response: Response) -> Result<PictureReply, CallFailure> {
        let body = self.guard.json(response, MAX_ANSWER_BYTES).await?;
        let picture = &body["data"][0];
        let url = picture["url"].as_str();
        let inline = || {
            url.and_then(|url| url.strip_prefix("data:"))
                .and_then(|data| data.split_once(";base64,"))
        };
        match (picture["b64_json"].as_str().or_else(|| inline().map(|(_, encoded)| encoded)), url) {
            (Some(encoded), _) => {
                let decoded = base64::engine::general_purpose::STANDARD.decode(encoded.trim());
                let broken = |error| {
                    self.guard.bad_answer(&format!("holds a picture that is not base64: {error}"))
                };
                decoded.map(PictureReply::Inline).map_err(broken)
            }
            (None, Some(url)) if url.starts_with("https://") || url.starts_with("http://") => {
                Ok(PictureReply::Url(url.to_owned()))
            }
            _ => Err(self
                .guard
                .bad_answer("has no `data[0].b64_json` and no `data[0].url` of a picture")),
        }
    }

    /// Downloads a picture by its URL. A URL of the service itself is requested with its key. Any
    /// other is fetched as a caller's source is, which keeps a reply from reaching into a private
    /// network.
    async fn download(&self, context: &Context, url: &str, out: &Path) -> Result<(), HandlerError> {
        let stop = &context.lease.stop;
        if self.guard.is_own(url) {
            let save = |response| self.guard.save(response, MAX_PICTURE_BYTES, out);
            self.guard.call(stop, || self.guard.get_own(url), save).await?;
            return Ok(());
        }
        let scratch = context.scratch()?;
        let fetched = match context.tools.fetcher.fetch(url, scratch.inputs(), stop).await {
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
        context.fetch_artifact(&fetched.hash, out).await?;
        Ok(())
    }
}

/// Returns the size with the nearest shape, of those that the protocol's models make.
fn nearest_size(width: u32, height: u32) -> &'static str {
    match f64::from(width) / f64::from(height.max(1)) {
        wide if wide > 1.2 => "1536x1024",
        tall if tall < 1.0 / 1.2 => "1024x1536",
        _ => "1024x1024",
    }
}
