//! `/audio/speech`: speaks a text. The protocol gives no times of words.

use std::path::Path;

use async_trait::async_trait;
use common::{kinds::speech::SpeechInput, language, provenance::Usage};
use reqwest::Response;
use serde_json::json;

use super::{OpenAi, idempotency_key};
use crate::{
    context::{Context, HandlerError},
    providers::{
        guard::{CallFailure, Guard},
        port::{Speaker, SpeechReply},
    },
};

/// An hour of the WAV that services send is 170 MB.
const MAX_SOUND_BYTES: usize = 256 << 20;
/// The rate of the protocol's speed 1, in words a minute. It is the default of the input.
const DEFAULT_RATE: f64 = 165.0;

#[async_trait]
impl Speaker for OpenAi {
    fn name(&self) -> &str {
        self.guard.name()
    }

    async fn speak(
        &self,
        context: &Context,
        speech: &SpeechInput,
        out: &Path,
    ) -> Result<SpeechReply, HandlerError> {
        let body = json!({
            "model": self.config.speech_model,
            "input": speech.text,
            "voice": self.voice(&speech.voice),
            "response_format": "wav",
            "speed": (f64::from(speech.rate) / DEFAULT_RATE).clamp(0.25, 4.0),
        });
        let key = idempotency_key(context, "speech");
        let request = || self.guard.post("/audio/speech", &key).json(&body);
        self.guard
            .call(&context.lease.stop, request, |response| self.save_sound(response, out))
            .await?;
        let usage = Usage { characters: speech.text.chars().count() as u64, ..Usage::default() };
        Ok(SpeechReply {
            words: None,
            media_type: "audio/wav",
            provenance: self.provenance(&self.config.speech_model, usage),
        })
    }
}

impl OpenAi {
    /// Returns the voice to request. A language is a voice of espeak-ng; services have voices of
    /// their own.
    fn voice<'a>(&'a self, wanted: &'a str) -> &'a str {
        if language::is_language(wanted) { &self.config.voice } else { wanted }
    }

    async fn save_sound(&self, response: Response, out: &Path) -> Result<(), CallFailure> {
        let kind = Guard::media_type(&response);
        // Some services name no type. The file is probed before it is used.
        let fits =
            kind.is_empty() || kind.starts_with("audio/") || kind == "application/octet-stream";
        if !fits {
            return Err(self.guard.bad_answer(&format!("is `{kind}` where a sound was asked for")));
        }
        match self.guard.save(response, MAX_SOUND_BYTES, out).await? {
            0 => Err(self.guard.bad_answer("is an empty sound")),
            _ => Ok(()),
        }
    }
}
