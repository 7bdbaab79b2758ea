//! URLs of artifacts. Results store hashes; the URLs are built when a result is read.

use common::{id::Digest, port::artifacts::Artifacts};
use serde_json::{Map, Value};

/// Builds the URLs of one answer.
#[derive(Clone, Copy)]
pub struct Links<'a> {
    /// URL prefix, such as `http://127.0.0.1:8080`.
    pub base: &'a str,
    /// Knows the path of a file that is on this machine.
    pub artifacts: &'a dyn Artifacts,
}

impl Links<'_> {
    /// Gives every object in `value` that has an `artifact` its `url`, and its `path` if it is on
    /// this machine.
    pub fn add_to(&self, value: &mut Value) {
        match value {
            Value::Object(members) => {
                members.values_mut().for_each(|member| self.add_to(member));
                self.add_to_object(members);
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.add_to(item)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn add_to_object(&self, members: &mut Map<String, Value>) {
        let Some(hash) = members
            .get("artifact")
            .and_then(Value::as_str)
            .and_then(|text| text.parse::<Digest>().ok())
        else {
            return;
        };
        members.insert("url".to_owned(), Value::from(format!("{}/v1/artifacts/{hash}", self.base)));
        if let Some(path) = self.artifacts.path(&hash) {
            members.insert("path".to_owned(), Value::from(path.to_string_lossy()));
        }
    }
}
