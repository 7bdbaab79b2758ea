//! `/chat/completions`: a reply by a JSON schema, with a seed, streamed to report progress.

use std::time::Duration;

use async_trait::async_trait;
use common::{json, provenance::Usage};
use reqwest::Response;
use serde_json::{Value, json};

use super::{OpenAi, completion::Completion, idempotency_key};
use crate::{
    context::{Context, HandlerError},
    providers::{
        guard::{CallFailure, Guard},
        port::{Question, TextReply, Writer},
        sse::Events,
    },
};

/// An hour's script is under 100 KB; a stream wraps each word in a few hundred bytes.
const MAX_TEXT_BYTES: usize = 512 * 1024;
const MAX_BODY_BYTES: usize = 64 * MAX_TEXT_BYTES / 8;
/// The data of the event that ends a stream.
const DONE: &str = "[DONE]";
/// Longest time for a stream to end after its last event.
const END_WITHIN: Duration = Duration::from_millis(200);
/// Progress is measured against this length, because the length of the reply is not known.
const TYPICAL_CHARACTERS: f64 = 2_000.0;

#[async_trait]
impl Writer for OpenAi {
    fn name(&self) -> &str {
        self.guard.name()
    }

    async fn write(
        &self,
        context: &Context,
        question: &Question,
        call: &str,
    ) -> Result<TextReply, HandlerError> {
        let body = self.body(question);
        let key = idempotency_key(context, call);
        let request = || self.guard.post("/chat/completions", &key).json(&body);
        let (text, usage) = self
            .guard
            .call(&context.lease.stop, request, |response| self.read(context, response))
            .await?;
        Ok(TextReply { text, provenance: self.provenance(&self.config.text_model, usage) })
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

    /// Reads a stream if the service sends one, or else one body.
    async fn read(
        &self,
        context: &Context,
        response: Response,
    ) -> Result<(String, Usage), CallFailure> {
        if Guard::media_type(&response) == "text/event-stream" {
            return self.read_stream(context, response).await;
        }
        let body = self.guard.json(response, MAX_BODY_BYTES).await?;
        // Some services send an error with the status of a success.
        if is_error(&body) {
            return Err(self.guard.broken_off(&body));
        }
        let completion = Completion::whole(&body);
        if completion.text.len() > MAX_TEXT_BYTES {
            return Err(self.too_long());
        }
        completion.outcome(&self.guard)
    }

    async fn read_stream(
        &self,
        context: &Context,
        response: Response,
    ) -> Result<(String, Usage), CallFailure> {
        let (mut completion, mut events) = (Completion::default(), Events::default());
        let mut body = self.guard.body(response, MAX_BODY_BYTES)?;
        loop {
            let piece = match body.next().await {
                Ok(Some(piece)) => piece,
                Ok(None) => break,
                // A completion with a reason for its end is whole, even if the connection broke.
                Err(_) if completion.is_ended() => break,
                Err(failure) => return Err(if failure.retry { self.guard.cut() } else { failure }),
            };
            for data in events.feed(&piece) {
                if data == DONE {
                    // A connection is kept only if its response was read to the end.
                    let _ = tokio::time::timeout(END_WITHIN, async {
                        while let Ok(Some(_)) = body.next().await {}
                    })
                    .await;
                    return completion.outcome(&self.guard);
                }
                self.take(&mut completion, &data)?;
            }
            if completion.text.len() > MAX_TEXT_BYTES {
                return Err(self.too_long());
            }
            context
                .reporter
                .report((completion.text.len() as f64 / TYPICAL_CHARACTERS).min(0.95), "writing");
        }
        match events.take_rest() {
            Some(data) if data == DONE => return completion.outcome(&self.guard),
            // The last line may lack its line end. If it was cut off, it is not JSON, and the reply
            // is incomplete.
            Some(data) if json::parse(&data).is_ok() => self.take(&mut completion, &data)?,
            _ => {}
        }
        if completion.is_ended() { completion.outcome(&self.guard) } else { Err(self.guard.cut()) }
    }

    /// Adds one event of a stream to the completion.
    fn take(&self, completion: &mut Completion, data: &str) -> Result<(), CallFailure> {
        if data.is_empty() {
            return Ok(());
        }
        let event = json::parse(data)
            .map_err(|refusal| self.guard.bad_answer(&format!("holds an event that {refusal}")))?;
        if is_error(&event) {
            return Err(self.guard.broken_off(&event));
        }
        completion.piece(&event);
        Ok(())
    }

    fn too_long(&self) -> CallFailure {
        self.guard.bad_answer(&format!("is larger than {MAX_TEXT_BYTES} bytes"))
    }
}

/// Returns whether a body is an error, in the form of the protocol or of older vLLM versions.
fn is_error(body: &Value) -> bool {
    !body["error"].is_null() || body["object"] == "error"
}
