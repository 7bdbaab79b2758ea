//! What a completion comes to, whole or piece by piece: its text, or why there is none.
//!
//! Services leave out, null or rename what they like, so only what is needed is asked for, and every way that the protocol has to
//! end without an answer becomes a sentence of its own: asking the same again would end the same.

use common::provenance::Usage;
use serde_json::Value;

use crate::providers::guard::{Failure, Guard};

/// An answer as far as it has come.
#[derive(Debug, Default)]
pub(super) struct Completion {
    /// The text so far.
    pub text: String,
    refusal: String,
    ended: Option<String>,
    usage: Usage,
    seen: bool,
}

impl Completion {
    /// The answer that came in one body.
    pub fn whole(body: &Value) -> Self {
        let mut completion = Self::default();
        completion.add(body, "message");
        completion
    }

    /// One more piece of a stream.
    pub fn piece(&mut self, event: &Value) {
        self.add(event, "delta");
    }

    fn add(&mut self, body: &Value, part: &str) {
        let choice = &body["choices"][0];
        let said = |name: &str| choice[part][name].as_str();
        // Some send the text in parts, each with its type.
        let parts = choice[part]["content"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|part| part["text"].as_str());
        for text in said("content").into_iter().chain(parts) {
            self.seen = true;
            self.text.push_str(text);
        }
        self.refusal.push_str(said("refusal").unwrap_or_default());
        if let Some(reason) = choice["finish_reason"].as_str() {
            self.ended = Some(reason.to_owned());
        }
        if body["usage"].is_object() {
            self.usage = usage(body);
        }
    }

    /// Returns whether the service said that this is all. Some then close the stream without
    /// another word.
    pub fn is_ended(&self) -> bool {
        self.ended.is_some()
    }

    /// The text and what it took, if there is a text to be used.
    pub fn outcome(self, guard: &Guard) -> Result<(String, Usage), Failure> {
        match self.ended.as_deref() {
            Some("content_filter") => {
                return Err(guard.bad_answer("was withheld by its content filter"));
            }
            Some("length") => {
                return Err(guard.bad_answer(
                    "was cut off at the most tokens that the model writes: ask for less, or configure a model that writes more",
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
    fn pieces_add_up_whatever_is_left_out_or_null() {
        let mut completion = Completion::default();
        for piece in [
            json!({"choices": [{"delta": {"role": "assistant", "content": null}, "finish_reason": null}], "usage": null}),
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
