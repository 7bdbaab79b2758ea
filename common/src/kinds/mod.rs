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
        let hint = if said.starts_with("unknown field") { ": remove it or correct its name" } else { "" };
        vec![Fault::new(pointer, format!("{said}{hint}"))]
    })
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
