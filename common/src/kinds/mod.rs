//! The kinds whose input needs no knowledge of video. Adding one is a file here, its run in `worker/src/kinds`, and a line in [`ALL`].

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    fault::Fault,
    kind::{Class, KindSpec, PlanFn, Provider},
    retry::RetryPolicy,
};

mod checks;
pub mod echo;
pub mod hook;
pub mod ideas;
pub mod image;
pub mod made;
pub mod probe;
pub mod score;
pub mod script;
pub mod source;
pub mod speech;
pub mod subtitles;
pub mod tongue;
pub mod usual;

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
        class: Class::Generate,
        timeout: Duration::from_secs(300),
        max_attempts: 3,
        retry: RetryPolicy::DEFAULT,
        provider: Some(provider),
        memo: true,
        plan: Some(plan),
        grow: None,
    }
}

/// Reads an input into its type, turning a refusal by serde into a fault with the pointer to the place.
pub fn read<T: DeserializeOwned>(input: &Value) -> Result<T, Vec<Fault>> {
    // serde would read a struct from an array too.
    if !input.is_object() {
        return Err(vec![Fault::new("", "is not an object: give the input's fields as `{\"name\": value}`")]);
    }
    serde_path_to_error::deserialize(input).map_err(|error| {
        let pointer = pointer(error.path());
        let said = error.inner().to_string();
        vec![Fault::new(pointer.clone(), sentence(&said, input.pointer(&pointer)))]
    })
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
    match (said.strip_prefix("invalid type: ").or_else(|| said.strip_prefix("invalid value: ")), shown()) {
        (Some(rest), Some(shown)) if rest.contains(", expected ") => {
            let expected = rest.rsplit(", expected ").next().unwrap_or_default();
            format!("is {shown}: give {}", wanted(expected))
        }
        (_, Some(shown)) if said == "invalid number" => format!("is {shown}: give {}", wanted("u32")),
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
            (json!({"topic": "a", "duration": "30"}), "/duration", "is \"30\": give a whole number of 0 or more"),
            (json!({"topic": "a", "duration": 30.5}), "/duration", "is 30.5: give a whole number of 0 or more"),
            (json!({"topic": "a", "duration": -3}), "/duration", "is -3: give a whole number of 0 or more"),
            (json!({"topic": "a", "duration": null}), "/duration", "is null: give a whole number of 0 or more"),
            (json!({"topic": ["a"]}), "/topic", "is [\"a\"]: give a text in quotes"),
            (json!({}), "", "missing field `topic`"),
        ];
        for (input, pointer, sentence) in cases {
            let faults = script::parse(&input).expect_err("a fault");
            let found: Vec<_> = faults.iter().map(|fault| (fault.pointer.as_str(), fault.detail.as_str())).collect();
            assert_eq!(found, [(pointer, sentence)]);
        }
    }
}
