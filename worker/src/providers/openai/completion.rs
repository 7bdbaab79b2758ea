//! The outcome of a chat completion, whole or streamed: its text, or the reason why there is none.
//!
//! Services leave out, null or rename members, so only the necessary ones are required. Each way in
//! which the protocol ends without a text has an error sentence of its own; a retry would end the
//! same.

use common::provenance::Usage;
use serde_json::Value;

use crate::providers::guard::{CallFailure, Guard};

/// A completion as far as it was received.
#[derive(Debug, Default)]
pub(super) struct Completion {
    pub text: String,
    refusal: String,
    ended: Option<String>,
    usage: Usage,
    seen: bool,
}

impl Completion {
    /// Reads a completion from one body.
    pub fn whole(body: &Value) -> Self {
        let mut completion = Self::default();
        completion.add(body, "message");
        completion
    }

    /// Adds an event of a stream.
    pub fn piece(&mut self, event: &Value) {
        self.add(event, "delta");
    }

    fn add(&mut self, body: &Value, part: &str) {
        let choice = &body["choices"][0];
        let text_of = |name: &str| choice[part][name].as_str();
        // Some services send the text in parts, each with its type.
        let parts = choice[part]["content"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|part| part["text"].as_str());
        for text in text_of("content").into_iter().chain(parts) {
            self.seen = true;
            self.text.push_str(text);
        }
        self.refusal.push_str(text_of("refusal").unwrap_or_default());
        if let Some(reason) = choice["finish_reason"].as_str() {
            self.ended = Some(reason.to_owned());
        }
        if body["usage"].is_object() {
            self.usage = usage(body);
        }
    }

    /// Returns whether the service gave a reason for its end. Some services then close the stream
    /// without another event.
    pub fn is_ended(&self) -> bool {
        self.ended.is_some()
    }

    /// Returns the text and its usage, if the text can be used.
    pub fn outcome(self, guard: &Guard) -> Result<(String, Usage), CallFailure> {
        match self.ended.as_deref() {
            Some("content_filter") => {
                return Err(guard.bad_answer("was withheld by its content filter"));
            }
            Some("length") => {
                return Err(guard.bad_answer(
                    "was cut off at the most tokens that the model writes: ask for less, or \
                     configure a model that writes more",
                ));
            }
            _ => {}
        }
        if self.text.is_empty() && !self.refusal.is_empty() {
            return Err(guard.bad_answer(&format!("is a refusal: {}", self.refusal)));
        }
        if !self.seen && !self.is_ended() {
            return Err(guard.bad_answer("has no `choices[0].message.content`"));
        }
        Ok((self.text, self.usage))
    }
}

fn usage(body: &Value) -> Usage {
    let count = |name: &str| body["usage"][name].as_u64().unwrap_or_default();
    Usage {
        input_tokens: count("prompt_tokens"),
        output_tokens: count("completion_tokens"),
        ..Usage::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_stream_adds_up_with_missing_or_null_members() {
        let mut completion = Completion::default();
        for piece in [
            json!({
                "choices": [
                    {"delta": {"role": "assistant", "content": null}, "finish_reason": null},
                ],
                "usage": null,
            }),
            json!({"choices": [{"delta": {"content": "a"}}]}),
            json!({"choices": []}),
            json!({"choices": [{"delta": {"content": [{"type": "text", "text": "-"}]}}]}),
            json!({"choices": [{"delta": {"content": "b"}, "finish_reason": "stop"}]}),
            json!({"usage": {"prompt_tokens": 3, "completion_tokens": null}}),
        ] {
            completion.piece(&piece);
        }
        assert!(completion.is_ended());
        assert_eq!((completion.text.as_str(), completion.usage.input_tokens), ("a-b", 3));
    }
}
