//! The kinds whose input needs no knowledge of video. A new one is a file here, its run in
//! `worker/src/kinds`, and a line in [`ALL`].

use std::time::Duration;

use serde_json::Value;

use crate::{
    fault::Fault,
    kind::{KindSpec, PlanFn, Provider, SchemaFn},
    queue::Queue,
    retry::RetryPolicy,
};

pub mod echo;
pub mod hook;
pub mod ideas;
pub mod image;
pub mod probe;
pub mod score;
pub mod script;
pub mod source;
pub mod speech;
pub mod subtitles;

/// The kinds that every process knows. [`echo::SPEC`] is apart: only the configuration enables it.
pub const ALL: &[KindSpec] = &[
    probe::SPEC,
    source::SPEC,
    speech::SPEC,
    script::SPEC,
    ideas::SPEC,
    hook::SPEC,
    score::SPEC,
    image::SPEC,
    subtitles::SPEC,
];

/// A kind that asks a provider. It mostly waits, and its output is memoised. Each call to a
/// provider has a shorter timeout of its own.
const fn generated(
    name: &'static str,
    version: u32,
    provider: Provider,
    plan: PlanFn,
    schema: SchemaFn,
) -> KindSpec {
    KindSpec {
        name,
        version,
        queue: Queue::Generate,
        timeout: Duration::from_secs(300),
        max_attempts: 3,
        retry: RetryPolicy::DEFAULT,
        provider: Some(provider),
        memo: true,
        plan: Some(plan),
        schema: Some(schema),
        grow: None,
    }
}

/// An input as JSON with its defaults, so that a default left out and the same value written are
/// one key.
pub fn whole(input: &impl serde::Serialize) -> Result<Value, Vec<Fault>> {
    serde_json::to_value(input).map_err(|error| vec![Fault::new("", error.to_string())])
}

/// The pointers of faults, for assertions.
#[cfg(test)]
pub(crate) fn pointers(faults: &[Fault]) -> Vec<&str> {
    faults.iter().map(|fault| fault.pointer.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_wrong_type_is_reported_with_its_value_and_the_remedy() {
        let duration = "give a whole number from 5 to 600 seconds";
        let cases = [
            (
                json!({"topic": "a", "duration": "30"}),
                "/duration",
                format!("is the text `30`: {duration}"),
            ),
            (json!({"topic": "a", "duration": 30.5}), "/duration", format!("is 30.5: {duration}")),
            (json!({"topic": "a", "duration": -3}), "/duration", format!("is -3: {duration}")),
            (json!({"topic": "a", "duration": null}), "/duration", format!("is null: {duration}")),
            (json!({"topic": ["a"]}), "/topic", "is a list: give text in quotes".to_owned()),
            (json!({}), "/topic", "is missing: give text in quotes".to_owned()),
        ];
        for (input, pointer, sentence) in cases {
            let faults = script::parse(&input).expect_err("a fault");
            assert_eq!(faults, [Fault::new(pointer, sentence)]);
        }
    }

    #[test]
    fn every_member_at_fault_is_reported() {
        let input = json!({"topic": 5, "durtion": 3, "duration": -4, "a/b": 1, "language": "en"});
        let faults = script::parse(&input).expect_err("faults");
        let mut found = pointers(&faults);
        found.sort_unstable();
        assert_eq!(found, ["/a~1b", "/duration", "/durtion", "/topic"]);
        let faults = script::parse(&json!({"durtion": 3})).expect_err("faults");
        assert_eq!(pointers(&faults), ["/durtion", "/topic"]);
    }

    #[test]
    fn the_schema_of_every_kind_of_job_has_the_defaults_that_a_plan_writes() {
        let default = |kind: KindSpec, form: &str, member: &str| {
            let schema = kind.schema.expect("a schema")();
            schema["$defs"][form]["properties"][member]["default"].clone()
        };
        let planned = |kind: KindSpec, input: Value, member: &str| {
            let drafts = kind.plan.expect("a kind of job")(&input).expect("a plan");
            drafts[0].input[member].clone()
        };
        for (kind, form, input, members) in [
            (speech::SPEC, "SpeechInput", json!({"text": "a"}), &["rate", "pitch"][..]),
            (script::SPEC, "ScriptInput", json!({"topic": "a"}), &["duration", "language"]),
            (hook::SPEC, "HookInput", json!({"topic": "a"}), &["count", "language"]),
            (image::SPEC, "ImageInput", json!({"prompt": "a"}), &["width", "height"]),
            (
                subtitles::SPEC,
                "SubtitlesInput",
                json!({"words": []}),
                &["format", "maxCharacters", "maxLines"],
            ),
        ] {
            for member in members {
                let planned = planned(kind, input.clone(), member);
                assert!(!planned.is_null(), "{form}.{member}");
                assert_eq!(default(kind, form, member), planned, "{form}.{member}");
            }
        }
        let style = default(script::SPEC, "ScriptInput", "style");
        assert_eq!(style, Value::Null, "an empty text is no default to show");
        assert!(ALL.iter().all(|kind| kind.plan.is_some() == kind.schema.is_some()));
    }

    #[test]
    fn a_written_input_reads_as_the_same_input() {
        let inputs = [
            (speech::SPEC, json!({"text": "Hello"})),
            (script::SPEC, json!({"topic": "Tides", "scenes": 3, "seed": 1, "provider": "a"})),
            (ideas::SPEC, json!({"scenes": ["Waves"], "seed": 1, "provider": "a"})),
            (hook::SPEC, json!({"topic": "Tides", "seed": 1, "provider": "a"})),
            (score::SPEC, json!({"script": "Tides", "seed": 1, "provider": "a"})),
            (image::SPEC, json!({"prompt": "sea", "motion": true, "seed": 1, "provider": "a"})),
            (
                subtitles::SPEC,
                json!({"words": [{"word": "a", "startMs": 1, "endMs": 2}], "format": "vtt"}),
            ),
            (subtitles::SPEC, json!({"src": "a.mp3", "language": "en", "provider": "a"})),
            (subtitles::SPEC, json!({"speech": {"text": "Hello"}, "maxLines": 1})),
            (probe::SPEC, json!({"src": "a.mp4", "takenFor": "lut"})),
        ];
        for (kind, input) in inputs {
            let plan = kind.plan.expect("a kind of job");
            let written = plan(&input).expect("a plan").pop().expect("a draft").input;
            let again = plan(&written).expect("a plan").pop().expect("a draft").input;
            assert_eq!(written, again, "{}", kind.name);
            let given = input.as_object().expect("an object");
            assert!(given.iter().all(|(name, value)| name == "speech" || written[name] == *value));
        }
    }
}
