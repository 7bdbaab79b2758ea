//! Documents that are named on the command line.

use std::{io::Read, path::Path};

use serde_json::{Value, json};

use crate::exit::Failure;

/// The path from the root, as errors show it: the current folder may not be the expected one.
pub fn full_path(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}

/// Reads JSON from a file, or from standard input for `-`.
pub fn read_json(path: &Path) -> Result<Value, Failure> {
    let shown = if path == Path::new("-") { "standard input".to_owned() } else { full_path(path) };
    let unreadable =
        |error: std::io::Error| Failure::Failed(format!("{shown} can't be read: {error}"));
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        std::io::stdin().read_to_end(&mut bytes).map_err(unreadable)?;
    } else {
        bytes = std::fs::read(path).map_err(unreadable)?;
    }
    common::json::parse(&bytes).map_err(|refusal| Failure::Failed(format!("{shown} {refusal}")))
}

/// Sets merge fields of a composition. They replace fields of the same name.
pub fn set_merge_fields(composition: &mut Value, fields: &[(String, String)]) {
    let Some(members) = composition.as_object_mut().filter(|_| !fields.is_empty()) else { return };
    // A list of a wrong type is reported as a fault later.
    if let Some(list) = members.entry("merge").or_insert_with(|| json!([])).as_array_mut() {
        list.retain(|field| !fields.iter().any(|(name, _)| field["find"] == **name));
        list.extend(fields.iter().map(|(name, value)| json!({"find": name, "replace": value})));
    }
}

/// Turns a document into a job request: one with a `kind` is a job, one with a `timeline` is a
/// composition to render.
pub fn as_job(document: Value) -> Result<Value, Failure> {
    if document.get("kind").is_some() {
        return Ok(document);
    }
    if document.get("timeline").is_some() {
        return Ok(json!({"kind": "render", "input": document}));
    }
    Err(Failure::Failed(
        "the document is neither a job (`{\"kind\", \"input\"}`) nor a composition \
         (`{\"timeline\", \"output\"}`)"
            .into(),
    ))
}

/// Turns a document into a batch request: `{"jobs": […]}`, or a bare list of jobs or compositions.
pub fn as_batch(document: Value) -> Result<Value, Failure> {
    match document {
        Value::Array(jobs) => {
            let jobs: Vec<Value> = jobs.into_iter().map(as_job).collect::<Result<_, _>>()?;
            Ok(json!({ "jobs": jobs }))
        }
        document if document.get("jobs").is_some() => Ok(document),
        _ => Err(Failure::Failed(
            "the document is neither a batch (`{\"jobs\": […]}`) nor a list of jobs".into(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_composition_becomes_a_render_job() {
        let composition = json!({"timeline": {}});
        assert_eq!(
            as_job(composition.clone()),
            Ok(json!({"kind": "render", "input": composition}))
        );
        assert!(as_job(json!({"a": 1})).is_err());
        assert_eq!(as_batch(json!([{"kind": "echo"}])), Ok(json!({"jobs": [{"kind": "echo"}]})));
    }
}
