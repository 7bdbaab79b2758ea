//! `image`: a picture of what a text describes.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{checks::Checks, generated, read, script::MAX_PICTURE, whole};
use crate::{
    fault::Fault,
    id::Digest,
    kind::{KindSpec, Provider},
    plan::Draft,
    provenance::Provenance,
};

/// The stored name.
pub const NAME: &str = "image";

/// The kind.
pub const SPEC: KindSpec = generated(NAME, 1, Provider::Image, plan);

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImageInput {
    /// What it shows.
    pub prompt: String,
    /// How it is to look, in words.
    #[serde(default)]
    pub style: String,
    /// Pixels across, 64 to 4,096. A provider that makes only certain sizes makes the one nearest in shape.
    #[serde(default = "default_width")]
    pub width: u32,
    /// Pixels down, 64 to 4,096.
    #[serde(default = "default_height")]
    pub height: u32,
    /// Set if it moves: a clip of a few seconds whose end meets its beginning, from a provider that
    /// makes such.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub motion: bool,
    /// One provider of the configuration, instead of the usual ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Another number gives another picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u32>,
}

impl ImageInput {
    /// A picture of this, all else as it is unless said.
    pub fn of(prompt: impl Into<String>) -> Self {
        Self {
            prompt: prompt.into(),
            style: String::new(),
            width: default_width(),
            height: default_height(),
            motion: false,
            provider: None,
            seed: None,
        }
    }
}

fn default_width() -> u32 {
    1280
}

fn default_height() -> u32 {
    720
}

/// The picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Picture {
    /// The file, as an artifact.
    pub artifact: Digest,
    /// Such as `image/png`; `video/mp4` of one that moves.
    pub media_type: String,
    /// Bytes of the file.
    pub bytes: u64,
    /// Pixels across, as it came.
    pub width: u32,
    /// Pixels down, as it came.
    pub height: u32,
    /// How long it lasts before it begins again, in milliseconds, where it moves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// What the probe said of it: `composition::plan::Facts` as JSON.
    pub facts: Value,
    /// Who made it.
    pub provenance: Provenance,
}

/// Reads an input, with all its faults.
pub fn parse(input: &Value) -> Result<ImageInput, Vec<Fault>> {
    let request: ImageInput = read(input)?;
    let mut checks = Checks::default();
    checks.text("/prompt", &request.prompt, MAX_PICTURE);
    checks.style(&request.style);
    checks.within("/width", request.width, 64, 4_096);
    checks.within("/height", request.height, 64, 4_096);
    checks.provider(request.provider.as_ref());
    checks.of(request)
}

fn plan(input: &Value) -> Result<Vec<Draft>, Vec<Fault>> {
    Ok(vec![Draft::only(NAME, whole(&parse(input)?)?)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_picture_that_stands_has_the_key_it_always_had() {
        let drafts = plan(&json!({"prompt": "sea", "motion": false})).expect("a plan");
        assert_eq!(
            drafts[0].input,
            json!({"prompt": "sea", "style": "", "width": 1280, "height": 720})
        );
        let drafts = plan(&json!({"prompt": "sea", "motion": true})).expect("a plan");
        assert_eq!(drafts[0].input["motion"], true);
    }

    #[test]
    fn all_faults_are_said_at_once() {
        let faults =
            parse(&json!({"prompt": "", "width": 1, "height": 10_000})).expect_err("faults");
        let pointers: Vec<&str> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
        assert_eq!(pointers, ["/prompt", "/width", "/height"]);
    }
}
