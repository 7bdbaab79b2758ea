//! The sound of a whole composition: one task, sample-exact.

use super::asset::Source;
use super::motion::Curve;
use super::number::{Micro, Ratio, SourceHash};
use super::recipe::SoundRecipe;
use serde::{Deserialize, Serialize};

/// Everything that is heard. Samples are counted at `recipe.rate` (48 kHz).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sound {
    /// The exact length, in samples: that of the picture, rounded half up.
    pub samples: u64,
    /// What is heard, by start, then in the composition's order.
    pub items: Vec<SoundItem>,
    /// How music gives way to voice, where both are there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ducking: Option<Ducking>,
    /// How loud the whole shall be; none leaves it as mixed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loudness: Option<Loudness>,
    /// How it is encoded.
    pub recipe: SoundRecipe,
}

impl Sound {
    /// The sources it reads, each once, sorted.
    pub fn sources(&self) -> Vec<SourceHash> {
        let mut found: Vec<SourceHash> =
            self.items.iter().map(|item| item.source.hash.clone()).collect();
        found.sort();
        found.dedup();
        found
    }
}

/// One thing that is heard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SoundItem {
    /// The stream.
    pub source: Source,
    /// The sample of the whole it begins on.
    pub start: u64,
    /// How many samples it lasts; silence follows where the source ends sooner.
    pub samples: u64,
    /// Seconds of the source before its first sample.
    pub trim: Ratio,
    /// Seconds of the source per second of output, pitch kept; positive.
    pub speed: Ratio,
    /// A factor to the amplitude, by samples from `start`.
    pub volume: Curve,
    /// Samples of even rise at the start.
    pub fade_in: u64,
    /// How many of these were over before the first that is heard: a range may begin within a rise.
    #[serde(default, skip_serializing_if = "is_nought")]
    pub fade_in_before: u64,
    /// Samples of even fall at the end.
    pub fade_out: u64,
    /// How many of these would follow the last that is heard.
    #[serde(default, skip_serializing_if = "is_nought")]
    pub fade_out_after: u64,
    /// What part it plays.
    pub role: Role,
}

fn is_nought(samples: &u64) -> bool {
    *samples == 0
}

/// What part a sound plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// Speech: others give way to it.
    Voice,
    /// Music: gives way to speech.
    Music,
    /// Everything else: neither.
    Effect,
}

/// A sidechain: the sum of the voices presses the sum of the music.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ducking {
    /// The voice's level from which music gives way, in dBFS.
    pub threshold: Micro,
    /// How far music is pressed at most, in dB; positive.
    pub depth: Micro,
    /// How fast it gives way, in milliseconds.
    pub attack_ms: u32,
    /// How slowly it comes back, in milliseconds.
    pub release_ms: u32,
}

/// The loudness to reach, by EBU R128 in two passes. Silence, and sound under 3 s, is left as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Loudness {
    /// Integrated loudness, in LUFS: −14 by default.
    pub integrated: Micro,
    /// The highest true peak, in dBTP: −1 by default.
    pub true_peak: Micro,
}
