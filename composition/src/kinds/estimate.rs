//! Estimates of speech and pictures that do not exist yet, so that a check compiles without them.

use common::{
    error::{JobError, code},
    id::Digest,
    key::input_key,
    kinds::{
        image::Picture,
        speech::{self, SpeechInput, SpeechOutput, Timing},
    },
    provenance::Provenance,
};
use serde_json::json;

use super::video::json_of;
use crate::plan::{AudioFacts, ColourFacts, Facts, Ratio, SourceHash, SpokenWord, VideoFacts};

/// Time until a picture that moves begins again.
const LOOP_MS: u64 = 4_000;

/// A speech as its text suggests it, with the facts of its sound.
pub fn spoken(input: &SpeechInput) -> Result<(SpeechOutput, Facts), JobError> {
    let artifact = input_key(speech::NAME, 0, &json!(input));
    let duration_ms = speech::estimated_ms(input);
    let words = speech::estimated_words(&input.text, duration_ms);
    let duration = seconds(duration_ms)?;
    let timed = words.iter().map(|word| {
        let (start, end) = (seconds(word.start_ms)?, seconds(word.end_ms)?);
        Ok(SpokenWord { text: word.word.clone(), start, end })
    });
    let audio = AudioFacts {
        index: 0,
        codec: "pcm_s16le".to_owned(),
        rate: 24_000,
        channels: 1,
        start: Ratio::ZERO,
        duration: Some(duration),
    };
    let facts = Facts {
        duration: Some(duration),
        audio: vec![audio],
        words: timed.collect::<Result<_, JobError>>()?,
        ..of_artifact(artifact, "wav")
    };
    let output = SpeechOutput {
        artifact,
        duration_ms,
        words,
        facts: json_of(&facts)?,
        provider: String::new(),
        timing: Timing::Estimated,
        provenance: None,
    };
    Ok((output, facts))
}

/// A picture of this size for the scene with this number.
pub fn painted(
    scene: usize,
    (width, height): (u32, u32),
    motion: bool,
) -> Result<Picture, JobError> {
    let artifact = input_key("estimate", 0, &json!([scene, width, height, motion]));
    let unknown = || "unknown".to_owned();
    let video = VideoFacts {
        index: 0,
        codec: if motion { "h264" } else { "png" }.to_owned(),
        width,
        height,
        rotation: 0,
        sar: Ratio::ONE,
        rate: motion.then(|| Ratio::whole(25)),
        variable_rate: false,
        frames: (!motion).then_some(1),
        pixel_format: if motion { "yuv420p" } else { "rgb24" }.to_owned(),
        bits: 8,
        colour: ColourFacts {
            matrix: unknown(),
            primaries: unknown(),
            transfer: unknown(),
            range: unknown(),
        },
        interlaced: false,
        alpha: false,
        start: Ratio::ZERO,
        keyframes: Vec::new(),
    };
    let facts = Facts {
        duration: if motion { Some(seconds(LOOP_MS)?) } else { None },
        image: !motion,
        video: vec![video],
        ..of_artifact(artifact, if motion { "mov,mp4,m4a,3gp,3g2,mj2" } else { "png_pipe" })
    };
    Ok(Picture {
        artifact,
        media_type: if motion { "video/mp4" } else { "image/png" }.to_owned(),
        bytes: 0,
        width,
        height,
        duration_ms: motion.then_some(LOOP_MS),
        facts: json_of(&facts)?,
        provenance: Provenance::default(),
    })
}

/// The facts of an artifact that is not made.
fn of_artifact(artifact: Digest, container: &str) -> Facts {
    Facts::empty(SourceHash(artifact.to_string()), container)
}

fn seconds(ms: u64) -> Result<Ratio, JobError> {
    Ratio::new(i64::try_from(ms).unwrap_or(i64::MAX), 1_000)
        .map_err(|error| JobError::bug(code::INTERNAL, format!("an estimated time: {error}")))
}
