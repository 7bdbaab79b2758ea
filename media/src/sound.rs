//! The sound of a composition: mixed, ducked, brought to its loudness, encoded.

use serde::{Deserialize, Serialize};

/// What came of a sound.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SoundOutput {
    /// Samples in the file: those of the plan.
    pub samples: u64,
    /// The file's size in bytes.
    pub bytes: u64,
    /// Integrated loudness of the finished sound in LUFS; none where it is silent or too short to have one.
    pub loudness: Option<f64>,
    /// The finished sound's true peak in dBTP; none where it is silent.
    pub true_peak: Option<f64>,
    /// The gain that the loudness pass applied, in dB.
    pub gain: f64,
}
