//! The sound of a whole composition: one task, exact to the sample.

use super::asset::Source;
use super::motion::Curve;
use super::number::{Micro, Ratio, SourceHash};
use super::recipe::SoundRecipe;
use serde::{Deserialize, Serialize};

/// The mix of all sounds. Samples are counted at `recipe.rate` (48 kHz).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sound {
    /// The exact length in samples: that of the picture, rounded half up.
    pub samples: u64,
    /// The sounds, by start, then in the composition's order.
    pub items: Vec<SoundItem>,
    /// How voice lowers music, if both are present.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ducking: Option<Ducking>,
    /// The loudness to reach; none leaves the mix as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loudness: Option<Loudness>,
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

/// One sound of the mix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SoundItem {
    pub source: Source,
    /// The sample of the mix at which it begins.
    pub start: u64,
    /// The length in samples. Silence follows if the source ends sooner.
    pub samples: u64,
    /// Seconds of the source before its first sample.
    pub trim: Ratio,
    /// Seconds of the source per second of output; positive. The pitch is kept.
    pub speed: Ratio,
    /// A factor to the amplitude, by samples from `start`.
    pub volume: Curve,
    /// The length of the fade at the start, in samples.
    pub fade_in: u64,
    /// The samples of `fade_in` that lie before the item's first one: a range may begin within a
    /// fade.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub fade_in_before: u64,
    /// The length of the fade at the end, in samples.
    pub fade_out: u64,
    /// The samples of `fade_out` that lie after the item's last one.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub fade_out_after: u64,
    pub role: Role,
}

fn is_zero(samples: &u64) -> bool {
    *samples == 0
}

/// The part that a sound plays in the mix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// Speech, which lowers music.
    Voice,
    /// Music, which speech lowers.
    Music,
    /// Any other sound: it neither lowers others nor is lowered.
    Effect,
}

/// A sidechain: the level of all voices lowers all music.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ducking {
    /// The level of the voices from which music is lowered, in dBFS.
    pub threshold: Micro,
    /// The most that music is lowered, in dB; positive.
    pub depth: Micro,
    /// The time to lower the music, in milliseconds.
    pub attack_ms: u32,
    /// The time to raise it again, in milliseconds.
    pub release_ms: u32,
}

/// The loudness to reach, by EBU R128 in two passes. Silence and sound under 3 s are left as they
/// are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Loudness {
    /// The integrated loudness, in LUFS; −14 by default.
    pub integrated: Micro,
    /// The highest true peak, in dBTP; −1 by default.
    pub true_peak: Micro,
}
