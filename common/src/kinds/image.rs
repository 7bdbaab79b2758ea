//! `image`: a picture of what a text describes.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{generated, script::PICTURE, whole};
use crate::{
    bounds::{PROVIDER, STYLE},
    document::{self, NumberBounds, object},
    fault::Fault,
    id::Digest,
    kind::{KindSpec, Provider},
    plan::Draft,
    provenance::Provenance,
};

/// Stored name of the kind.
pub const NAME: &str = "image";

/// The kind.
pub const SPEC: KindSpec =
    generated(NAME, 1, Provider::Image, plan, || document::schema::<ImageInput>(NAME));

/// A side of a picture.
const SIDE: NumberBounds = NumberBounds::new(64, 4_096, " pixels");
/// Size of a picture unless the input has another.
const DEFAULT_SIZE: (u32, u32) = (1280, 720);

object! {
    /// Input of an `image` job.
    #[derive(Eq, Serialize)]
    pub struct ImageInput {
        /// Subject of the picture.
        prompt: String = "prompt" within PICTURE,
        /// How the picture looks, in words.
        style: String = "style" within STYLE default String::new(),
        /// Width in pixels. A provider that has certain sizes only makes the one nearest in shape.
        width: u32 = "width" within SIDE default DEFAULT_SIZE.0,
        /// Height in pixels.
        height: u32 = "height" within SIDE default DEFAULT_SIZE.1,
        /// Set if it moves: a clip of a few seconds that loops without a seam.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        motion: bool = "motion" default false,
        /// One provider of the configuration, in place of the default chain.
        #[serde(skip_serializing_if = "Option::is_none")]
        provider: Option<String> = "provider" within PROVIDER,
        /// Another number gives another picture.
        #[serde(skip_serializing_if = "Option::is_none")]
        seed: Option<u32> = "seed",
    }
}

impl ImageInput {
    /// An input with this prompt and all defaults.
    pub fn of(prompt: impl Into<String>) -> Self {
        Self {
            prompt: prompt.into(),
            style: String::new(),
            width: DEFAULT_SIZE.0,
            height: DEFAULT_SIZE.1,
            motion: false,
            provider: None,
            seed: None,
        }
    }
}

/// Output of an `image` job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Picture {
    /// The file, as an artifact.
    pub artifact: Digest,
    /// Such as `image/png`; `video/mp4` of one that moves.
    pub media_type: String,
    /// Size of the file.
    pub bytes: u64,
    /// Width of the file's picture, in pixels.
    pub width: u32,
    /// Height of the file's picture, in pixels.
    pub height: u32,
    /// Time until a picture that moves begins again, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// Result of probing it: `composition::plan::Facts` as JSON.
    pub facts: Value,
    /// Provider that made it.
    pub provenance: Provenance,
}

/// Reads an input. The error lists every fault.
pub fn parse(input: &Value) -> Result<ImageInput, Vec<Fault>> {
    document::read(input)
}

fn plan(input: &Value) -> Result<Vec<Draft>, Vec<Fault>> {
    Ok(vec![Draft::only(NAME, whole(&parse(input)?)?)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::pointers;
    use serde_json::json;

    #[test]
    fn a_picture_that_does_not_move_has_the_key_it_always_had() {
        let drafts = plan(&json!({"prompt": "sea", "motion": false})).expect("a plan");
        assert_eq!(
            drafts[0].input,
            json!({"prompt": "sea", "style": "", "width": 1280, "height": 720})
        );
        let drafts = plan(&json!({"prompt": "sea", "motion": true})).expect("a plan");
        assert_eq!(drafts[0].input["motion"], true);
    }

    #[test]
    fn all_faults_are_reported_at_once() {
        let faults =
            parse(&json!({"prompt": "", "width": 1, "height": 10_000})).expect_err("faults");
        assert_eq!(pointers(&faults), ["/prompt", "/width", "/height"]);
    }
}
