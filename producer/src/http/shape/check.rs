//! The result of a composition's check, as a client sees it.

use common::{fault::Fault, id::Digest};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::http::problem::FaultDocument;

/// The result of a check. If there are faults, everything else is null.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema, Default)]
#[serde(rename_all = "camelCase")]
#[schema(as = Check)]
pub struct CompositionCheck {
    /// All faults at once; pointers start at the composition.
    faults: Vec<FaultDocument>,
    /// Members that were understood in a way that may not have been meant.
    warnings: Vec<String>,
    /// Length in seconds.
    duration: Option<f64>,
    /// Number of frames.
    frames: Option<u64>,
    /// Width in pixels.
    width: Option<u64>,
    /// Height in pixels.
    height: Option<u64>,
    /// Its segments, and how many of them need not be rendered.
    segments: Option<CheckedSegments>,
    /// Set if its sound is in the cache; null where it has none.
    sound_cached: Option<bool>,
    /// Cost of what is not in the cache.
    estimate: Option<Estimate>,
}

/// The segments of a composition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckedSegments {
    /// Number of segments.
    total: usize,
    /// Segments in the cache.
    cached: usize,
    /// The segments, in order.
    parts: Vec<CheckedSegment>,
}

/// One segment of a composition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckedSegment {
    /// Its first frame.
    start: u64,
    /// Number of its frames.
    frames: u64,
    /// Set if it is in the cache.
    cached: bool,
}

/// Cost of rendering, by rates measured on a server's core: right within a factor of about two.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Estimate {
    /// Seconds of one core for what is not in the cache.
    core_seconds: f64,
    /// Bytes of the finished file.
    bytes: u64,
}

impl CompositionCheck {
    /// A composition with faults.
    pub fn faulty(faults: Vec<Fault>) -> Self {
        Self { faults: faults.into_iter().map(FaultDocument::from).collect(), ..Self::default() }
    }

    /// Returns the keys in a summary: those of the segments in order, then the sound's if there is
    /// one.
    pub fn keys(summary: &Value) -> Vec<Digest> {
        let segments = parts(summary).map(|part| &part["key"]);
        segments.chain(summary.get("sound")).filter_map(|key| key.as_str()?.parse().ok()).collect()
    }

    /// Builds it from a summary and which of its [`Self::keys`] were found.
    pub fn of(summary: Value, found: &[bool]) -> Self {
        let number = |value: &Value, name: &str| value[name].as_u64().unwrap_or_default();
        let mut found = found.iter().copied();
        let (mut cost_ms, mut bytes) =
            (0, SOUND_BYTES_PER_SECOND * summary["seconds"].as_f64().unwrap_or_default() as u64);
        let mut segments = Vec::new();
        for part in parts(&summary) {
            let cached = found.next().unwrap_or_default();
            segments.push(CheckedSegment {
                start: number(part, "start"),
                frames: number(part, "frames"),
                cached,
            });
            bytes += number(part, "bytes");
            cost_ms += if cached { 0 } else { number(part, "costMs") };
        }
        let cached = segments.iter().filter(|part| part.cached).count();
        let warnings = summary["warnings"].as_array().into_iter().flatten();
        Self {
            faults: Vec::new(),
            warnings: warnings.filter_map(Value::as_str).map(str::to_owned).collect(),
            duration: summary["seconds"].as_f64(),
            frames: summary["frames"].as_u64(),
            width: summary["width"].as_u64(),
            height: summary["height"].as_u64(),
            segments: Some(CheckedSegments { total: segments.len(), cached, parts: segments }),
            sound_cached: summary["sound"].as_str().map(|_| found.next().unwrap_or_default()),
            estimate: Some(Estimate { core_seconds: cost_ms as f64 / 1000.0, bytes }),
        }
    }
}

/// AAC at the default 192 kbit/s.
const SOUND_BYTES_PER_SECOND: u64 = 24_000;

fn parts(summary: &Value) -> impl Iterator<Item = &Value> {
    summary["segments"].as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_segments_outside_the_cache_are_counted_as_work() {
        let key = |byte: &str| byte.repeat(32);
        let part = |start: u64, byte: &str| {
            json!({
                "start": start, "frames": 50, "key": key(byte), "costMs": 1500, "bytes": 1000,
            })
        };
        let summary = json!({
            "seconds": 4.0, "frames": 100, "width": 320, "height": 180, "warnings": [],
            "segments": [part(0, "ab"), part(50, "cd")], "sound": key("ef"),
        });
        assert_eq!(CompositionCheck::keys(&summary).len(), 3);
        let check = CompositionCheck::of(summary, &[true, false, true]);
        let check = serde_json::to_value(check).unwrap();
        assert_eq!(check["segments"]["cached"], 1);
        assert_eq!(
            (&check["soundCached"], &check["estimate"]["coreSeconds"]),
            (&json!(true), &json!(1.5))
        );
        assert_eq!(check["estimate"]["bytes"], 2000 + 4 * 24_000);
    }
}
