//! The result of a composition's check, as a client sees it.

use common::{
    fault::Fault,
    id::Digest,
    kinds::{image, script},
    provenance::rounded,
};
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
    /// Set if the length of speech, or the words of a script, are estimated: nothing was spoken or
    /// written for the check, so the video may be longer or shorter. Null if there are faults.
    estimated: Option<bool>,
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

/// Cost of what is not in the cache, by rates measured on a server's core: right within a factor of
/// about two.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Estimate {
    /// Seconds of one core to render.
    core_seconds: f64,
    /// Bytes of the finished file.
    bytes: u64,
    /// Seconds until it is finished, if it has all live slots to itself.
    seconds: f64,
    /// Calls of providers.
    calls: usize,
    /// Price of these calls, in the currency of the configured prices. Null if the price of any of
    /// them is not configured.
    cost: Option<f64>,
}

/// Slots of the live workers for the two parts of a video: at least one of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LiveSlots {
    pub render: u64,
    pub generate: u64,
}

impl CompositionCheck {
    /// A composition with faults.
    pub fn faulty(faults: Vec<Fault>) -> Self {
        Self { faults: faults.into_iter().map(FaultDocument::from).collect(), ..Self::default() }
    }

    /// Returns the keys in a summary: those of the segments in order, then the sound's if there is
    /// one, then those of the calls.
    pub fn keys(summary: &Value) -> Vec<Digest> {
        let key = |part: &Value| part["key"].as_str()?.parse().ok();
        let segments = parts(summary).filter_map(key);
        let sound = summary.get("sound").and_then(|key| key.as_str()?.parse().ok());
        segments.chain(sound).chain(calls(summary).filter_map(key)).collect()
    }

    /// Builds it from a summary and which of its [`Self::keys`] were found.
    pub fn of(summary: Value, found: &[bool], slots: LiveSlots) -> Self {
        let number = |value: &Value, name: &str| value[name].as_u64().unwrap_or_default();
        let mut found = found.iter().copied();
        // A script makes no file.
        let seconds = summary["seconds"].as_f64().filter(|_| summary["segments"].is_array());
        let (mut cost_ms, mut bytes) =
            (0, SOUND_BYTES_PER_SECOND * seconds.unwrap_or_default() as u64);
        let (mut segments, mut longest_ms) = (Vec::new(), 0);
        for part in parts(&summary) {
            let cached = found.next().unwrap_or_default();
            segments.push(CheckedSegment {
                start: number(part, "start"),
                frames: number(part, "frames"),
                cached,
            });
            bytes += number(part, "bytes");
            let part_ms = if cached { 0 } else { number(part, "costMs") };
            cost_ms += part_ms;
            longest_ms = part_ms.max(longest_ms);
        }
        let sound_cached = summary["sound"].as_str().map(|_| found.next().unwrap_or_default());
        let called = calls(&summary).filter(|_| !found.next().unwrap_or_default());
        let calls = CallTotals::of(called);
        let render_ms = longest_ms.max(cost_ms / slots.render.max(1));
        let ms = calls.ms(slots.generate) + render_ms + bytes / JOINED_BYTES_PER_MS;
        let cached = segments.iter().filter(|part| part.cached).count();
        let warnings = summary["warnings"].as_array().into_iter().flatten();
        Self {
            faults: Vec::new(),
            warnings: warnings.filter_map(Value::as_str).map(str::to_owned).collect(),
            duration: summary["seconds"].as_f64(),
            frames: summary["frames"].as_u64(),
            width: summary["width"].as_u64(),
            height: summary["height"].as_u64(),
            segments: summary["segments"].is_array().then_some(CheckedSegments {
                total: segments.len(),
                cached,
                parts: segments,
            }),
            sound_cached,
            estimate: Some(Estimate {
                core_seconds: cost_ms as f64 / 1000.0,
                bytes,
                seconds: ms as f64 / 1000.0,
                calls: calls.count,
                cost: calls.cost.map(rounded),
            }),
            estimated: Some(
                summary["calls"]
                    .as_array()
                    .is_some_and(|calls| calls.iter().any(|call| call["kind"] != image::NAME)),
            ),
        }
    }
}

/// Calls of providers together.
#[derive(Debug, Clone, PartialEq)]
struct CallTotals {
    count: usize,
    cost: Option<f64>,
    /// Time of the script, which all other calls wait for.
    first_ms: u64,
    sum_ms: u64,
    longest_ms: u64,
}

impl CallTotals {
    fn of<'a>(calls: impl Iterator<Item = &'a Value>) -> Self {
        let mut all = Self { count: 0, cost: Some(0.0), first_ms: 0, sum_ms: 0, longest_ms: 0 };
        for call in calls {
            let ms = call["ms"].as_u64().unwrap_or_default();
            all.count += 1;
            all.cost = all.cost.zip(call["usage"]["cost"].as_f64()).map(|(sum, one)| sum + one);
            if call["kind"] == script::NAME {
                all.first_ms += ms;
            } else {
                all.sum_ms += ms;
                all.longest_ms = all.longest_ms.max(ms);
            }
        }
        all
    }

    /// The time of all calls in this number of slots.
    fn ms(&self, slots: u64) -> u64 {
        self.first_ms + self.longest_ms.max(self.sum_ms / slots.max(1))
    }
}

/// Bytes that are joined into the finished file in a millisecond, reading and writing.
const JOINED_BYTES_PER_MS: u64 = 50_000;

/// AAC at the default 192 kbit/s.
const SOUND_BYTES_PER_SECOND: u64 = 24_000;

fn parts(summary: &Value) -> impl Iterator<Item = &Value> {
    summary["segments"].as_array().into_iter().flatten()
}

fn calls(summary: &Value) -> impl Iterator<Item = &Value> {
    summary["calls"].as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const SLOTS: LiveSlots = LiveSlots { render: 2, generate: 2 };

    #[test]
    fn calls_outside_the_cache_cost_money_and_time() {
        let call = |kind: &str, byte: &str, ms: u64, cost: Value| {
            let key = byte.repeat(32);
            json!({"kind": kind, "key": key, "ms": ms, "usage": {"cost": cost}})
        };
        let summary = |cost: Value| {
            json!({"seconds": 0.0, "warnings": [], "calls": [
                call("script", "aa", 1_000, json!(0.5)), call("speech", "bb", 4_000, json!(0.25)),
                call("image", "cc", 4_000, cost), call("image", "dd", 4_000, json!(8.0)),
            ]})
        };
        let estimate = |cost: Value, found: &[bool]| {
            let check = CompositionCheck::of(summary(cost), found, SLOTS);
            serde_json::to_value(check).unwrap()["estimate"].clone()
        };
        let none = [false, false, false, true];
        let full = estimate(json!(1.0), &none);
        let parts = [&full["calls"], &full["cost"], &full["seconds"]];
        assert_eq!(parts, [&json!(3), &json!(1.75), &json!(5.0)]);
        assert_eq!(estimate(Value::Null, &none)["cost"], Value::Null, "one has no price");
        let cached = estimate(json!(1.0), &[true; 4]);
        assert_eq!((&cached["calls"], &cached["cost"]), (&json!(0), &json!(0.0)));
    }

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
        let check = CompositionCheck::of(summary, &[true, false, true], SLOTS);
        let check = serde_json::to_value(check).unwrap();
        assert_eq!(check["segments"]["cached"], 1);
        assert_eq!(
            (&check["soundCached"], &check["estimate"]["coreSeconds"]),
            (&json!(true), &json!(1.5))
        );
        assert_eq!(check["estimate"]["bytes"], 2000 + 4 * 24_000);
    }
}
