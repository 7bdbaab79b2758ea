//! The kinds whose input needs no knowledge of video. Adding one is a file here, its run in `worker/src/kinds`, and a line in [`ALL`].

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    fault::Fault,
    kind::{KindSpec, PlanFn, Provider},
    queue::Queue,
    retry::RetryPolicy,
};

mod checks;
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

pub use checks::Checks;

/// The kinds that every process knows. [`echo::SPEC`] is apart: it is there only where the configuration asks for it.
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

/// A kind that asks a provider: it waits for somebody else, and what was answered is remembered. Providers keep their own, shorter time.
const fn generated(name: &'static str, version: u32, provider: Provider, plan: PlanFn) -> KindSpec {
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
        grow: None,
    }
}

/// Faults of one input that are told; who has more has another kind's input.
const MOST_FAULTS: usize = 50;

/// Reads an input into its type, turning each refusal by serde into a fault with the pointer to the place.
pub fn read<T: DeserializeOwned>(input: &Value) -> Result<T, Vec<Fault>> {
    // serde would read a struct from an array too.
    if !input.is_object() {
        return Err(vec![Fault::new(
            "",
            "is not an object: give the input's fields as `{\"name\": value}`",
        )]);
    }
    read_once(input).map_err(|first| all_faults::<T>(input, first))
}

fn read_once<T: DeserializeOwned>(input: &Value) -> Result<T, Fault> {
    serde_path_to_error::deserialize(input).map_err(|error| {
        let pointer = pointer(error.path());
        let said = error.inner().to_string();
        Fault::new(pointer.clone(), sentence(&said, input.pointer(&pointer)))
    })
}

/// serde stops at the first fault: what it names is taken out and the rest is read again, for as long as that finds another member at fault.
/// A member that is missing is looked for last of its object, so it ends the search; it is told unless it is missing because it was taken out.
fn all_faults<T: DeserializeOwned>(input: &Value, first: Fault) -> Vec<Fault> {
    let (mut rest, mut faults) = (input.clone(), vec![first]);
    while let Some(fault) = faults.last().filter(|_| faults.len() < MOST_FAULTS) {
        if !take_out(&mut rest, &fault.pointer) {
            break;
        }
        let Err(next) = read_once::<T>(&rest) else { break };
        let missing = missing(&next);
        if missing
            .as_ref()
            .is_none_or(|missing| faults.iter().all(|fault| fault.pointer != *missing))
        {
            faults.push(next);
        }
        if missing.is_some() {
            break;
        }
    }
    faults
}

/// Where the member would be that is missing, if that is the fault.
fn missing(fault: &Fault) -> Option<String> {
    let name = fault.detail.strip_prefix("missing field `")?.strip_suffix('`')?;
    Some(format!("{}{}", fault.pointer, crate::fault::step(name)))
}

/// Takes a member out of its object; whether there was one.
fn take_out(document: &mut Value, pointer: &str) -> bool {
    let Some((parent, name)) = pointer.rsplit_once('/') else { return false };
    let name = name.replace("~1", "/").replace("~0", "~");
    let parent = document.pointer_mut(parent).and_then(Value::as_object_mut);
    parent.is_some_and(|members| members.remove(&name).is_some())
}

/// What serde says, in words for those who write JSON and not Rust.
fn sentence(said: &str, value: Option<&Value>) -> String {
    if said.starts_with("unknown field") {
        return format!("{said}: remove it or correct its name");
    }
    let wanted = |expected: &str| match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number of 0 or more".to_owned(),
        "i32" | "i64" => "a whole number".to_owned(),
        "f64" => "a number".to_owned(),
        "a string" => "a text in quotes".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a sequence" => "a list".to_owned(),
        other => other.to_owned(),
    };
    // Numbers are kept as they are written, so one that is no `u32` is only called an invalid number.
    let shown = || value.map(|value| value.to_string().chars().take(40).collect::<String>());
    match (
        said.strip_prefix("invalid type: ").or_else(|| said.strip_prefix("invalid value: ")),
        shown(),
    ) {
        (Some(rest), Some(shown)) if rest.contains(", expected ") => {
            let expected = rest.rsplit(", expected ").next().unwrap_or_default();
            format!("is {shown}: give {}", wanted(expected))
        }
        (_, Some(shown)) if said == "invalid number" => {
            format!("is {shown}: give {}", wanted("u32"))
        }
        _ => said.to_owned(),
    }
}

/// An input written out whole, so that a default left out and the same value spelled are one key.
pub fn whole(input: &impl serde::Serialize) -> Result<Value, Vec<Fault>> {
    serde_json::to_value(input).map_err(|error| vec![Fault::new("", error.to_string())])
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter()
        .map(|segment| match segment {
            Segment::Seq { index } => format!("/{index}"),
            Segment::Map { key } => crate::fault::step(key),
            Segment::Enum { variant } => crate::fault::step(variant),
            Segment::Unknown => String::new(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_wrong_type_is_said_with_its_value_and_what_to_give() {
        let cases = [
            (
                json!({"topic": "a", "duration": "30"}),
                "/duration",
                "is \"30\": give a whole number of 0 or more",
            ),
            (
                json!({"topic": "a", "duration": 30.5}),
                "/duration",
                "is 30.5: give a whole number of 0 or more",
            ),
            (
                json!({"topic": "a", "duration": -3}),
                "/duration",
                "is -3: give a whole number of 0 or more",
            ),
            (
                json!({"topic": "a", "duration": null}),
                "/duration",
                "is null: give a whole number of 0 or more",
            ),
            (json!({"topic": ["a"]}), "/topic", "is [\"a\"]: give a text in quotes"),
            (json!({}), "", "missing field `topic`"),
        ];
        for (input, pointer, sentence) in cases {
            let faults = script::parse(&input).expect_err("a fault");
            let found: Vec<_> = faults
                .iter()
                .map(|fault| (fault.pointer.as_str(), fault.detail.as_str()))
                .collect();
            assert_eq!(found, [(pointer, sentence)]);
        }
    }

    #[test]
    fn every_member_at_fault_is_told() {
        let input = json!({"topic": 5, "durtion": 3, "duration": -4, "a/b": 1, "language": "en"});
        let faults = script::parse(&input).expect_err("faults");
        let mut pointers: Vec<_> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
        pointers.sort_unstable();
        assert_eq!(pointers, ["/a~1b", "/duration", "/durtion", "/topic"]);
        let faults = script::parse(&json!({"durtion": 3})).expect_err("faults");
        let found: Vec<_> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
        assert_eq!(found, ["/durtion", ""], "and what is missing: {faults:?}");
    }
}
