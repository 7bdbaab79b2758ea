//! `/chat/completions`: an answer held to a JSON schema, with a seed, streamed so that its progress shows.

use std::time::Duration;

use async_trait::async_trait;
use common::kinds::made::Usage;
use futures::StreamExt;
use reqwest::Response;
use serde_json::{Value, json};

use super::{OpenAi, idempotency_key};
use crate::{
    kinds::{Context, Ended},
    providers::{
        Question, Writer, Written,
        guard::{Failure, Guard},
        sse::Events,
    },
};

/// An hour's script is under 100 KB; a stream wraps each word in a few hundred bytes.
const MAX_TEXT_BYTES: usize = 512 * 1024;
const MAX_BODY_BYTES: usize = 64 * MAX_TEXT_BYTES / 8;
/// How long a stream may take to end after it said that it is done.
const END_WITHIN: Duration = Duration::from_millis(200);
/// Progress is told against this many characters, as nobody knows how many there will be.
const USUAL_CHARACTERS: f64 = 2_000.0;

#[async_trait]
impl Writer for OpenAi {
    fn name(&self) -> &str {
        self.guard.name()
    }

    async fn write(&self, context: &Context, question: &Question, call: &str) -> Result<Written, Ended> {
        let body = self.body(question);
        let key = idempotency_key(context, call);
        let request = || self.guard.post("/chat/completions", &key).json(&body);
        let (text, usage) =
            self.guard.call(&context.lease.stop, request, |response| self.read(context, response)).await?;
        Ok(Written { text: self.guard.redacted(text), made: self.made(&self.config.text_model, usage) })
    }
}

impl OpenAi {
    fn body(&self, question: &Question) -> Value {
        let mut messages = vec![
            json!({"role": "system", "content": question.system}),
            json!({"role": "user", "content": question.user}),
        ];
        if let Some((answer, fault)) = &question.before {
            messages.push(json!({"role": "assistant", "content": answer}));
            messages.push(json!({"role": "user", "content": fault}));
        }
        let mut body = json!({
            "model": self.config.text_model,
            "messages": messages,
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": question.name, "strict": true, "schema": question.schema},
            },
        });
        if let Some(seed) = question.seed {
            body["seed"] = json!(seed);
        }
        if self.config.stream {
            body["stream"] = json!(true);
            body["stream_options"] = json!({"include_usage": true});
        }
        body
    }

    /// A stream where the service streams, else one body.
    async fn read(&self, context: &Context, response: Response) -> Result<(String, Usage), Failure> {
        if Guard::media_type(&response) == "text/event-stream" {
            return self.read_stream(context, response).await;
        }
        let body = self.guard.json(response, MAX_BODY_BYTES).await?;
        let said = |name: &str| body.pointer("/choices/0/message")?.get(name)?.as_str();
        match (said("content"), said("refusal")) {
            (Some(text), _) if text.len() <= MAX_TEXT_BYTES => Ok((text.to_owned(), usage(&body))),
            (Some(_), _) => Err(self.too_long()),
            (None, Some(why)) => Err(self.guard.bad_answer(&format!("is a refusal: {why}"))),
            (None, None) => Err(self.guard.bad_answer("has no `choices[0].message.content`")),
        }
    }

    async fn read_stream(&self, context: &Context, response: Response) -> Result<(String, Usage), Failure> {
        let (mut text, mut spent, mut bytes) = (String::new(), Usage::default(), 0);
        let (mut events, mut chunks) = (Events::default(), response.bytes_stream());
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|_| self.guard.cut())?;
            bytes += chunk.len();
            for data in events.feed(&chunk) {
                if data == "[DONE]" {
                    // A connection is kept only if its answer was read to the end.
                    let _ = tokio::time::timeout(END_WITHIN, async { while chunks.next().await.is_some() {} }).await;
                    return Ok((text, spent));
                }
                let event: Value = serde_json::from_str(&data)
                    .map_err(|error| self.guard.bad_answer(&format!("holds an event that is not JSON: {error}")))?;
                if event.get("error").is_some_and(Value::is_object) {
                    return Err(self.guard.broken_off(&event));
                }
                text.push_str(event.pointer("/choices/0/delta/content").and_then(Value::as_str).unwrap_or_default());
                if event.get("usage").is_some_and(Value::is_object) {
                    spent = usage(&event);
                }
            }
            if bytes > MAX_BODY_BYTES || text.len() > MAX_TEXT_BYTES {
                return Err(self.too_long());
            }
            context.reporter.tell((text.len() as f64 / USUAL_CHARACTERS).min(0.95), "writing");
        }
        Err(self.guard.cut())
    }

    fn too_long(&self) -> Failure {
        self.guard.bad_answer(&format!("is larger than {MAX_TEXT_BYTES} bytes"))
    }
}

fn usage(body: &Value) -> Usage {
    let count = |name: &str| body["usage"][name].as_u64().unwrap_or_default();
    Usage { input_tokens: count("prompt_tokens"), output_tokens: count("completion_tokens"), ..Usage::default() }
}
