//! `/audio/speech`: a text spoken. The protocol tells no times of words.

use std::path::Path;

use async_trait::async_trait;
use common::{kinds::speech::SpeechInput, language, provenance::Usage};
use reqwest::Response;
use serde_json::json;

use super::{OpenAi, idempotency_key};
use crate::{
    context::{Context, HandlerError},
    providers::{
        guard::{Failure, Guard},
        port::{Speaker, Voiced},
    },
};

/// An hour of the WAV that services send is 170 MB.
const MAX_SOUND_BYTES: usize = 256 << 20;
/// The rate that the protocol's speed 1 is taken for, in words a minute: the input's default.
const USUAL_RATE: f64 = 165.0;

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
    ) -> Result<Voiced, HandlerError> {
        let body = json!({
            "model": self.config.speech_model,
            "input": speech.text,
            "voice": self.voice(&speech.voice),
            "response_format": "wav",
            "speed": (f64::from(speech.rate) / USUAL_RATE).clamp(0.25, 4.0),
        });
        let key = idempotency_key(context, "speech");
        let request = || self.guard.post("/audio/speech", &key).json(&body);
        self.guard
            .call(&context.lease.stop, request, |response| self.save_sound(response, out))
            .await?;
        let usage = Usage { characters: speech.text.chars().count() as u64, ..Usage::default() };
        Ok(Voiced {
            words: None,
            media_type: "audio/wav",
            made: self.made(&self.config.speech_model, usage),
        })
    }
}

impl OpenAi {
    /// Names of languages are espeak-ng's voices; the service has names of its own.
    fn voice<'a>(&'a self, asked: &'a str) -> &'a str {
        if language::is_language(asked) { &self.config.voice } else { asked }
    }

    async fn save_sound(&self, response: Response, out: &Path) -> Result<(), Failure> {
        let kind = Guard::media_type(&response);
        // Some say nothing of what they send. It is looked at before anyone hears it.
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
