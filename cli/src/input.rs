//! Documents that are named on the command line.

use std::{io::Read, path::Path};

use serde_json::{Value, json};

use crate::exit::Failure;

/// Reads JSON from a file, or from standard input for `-`.
pub fn read_json(path: &Path) -> Result<Value, Failure> {
    let shown = if path == Path::new("-") {
        "standard input".to_owned()
    } else {
        path.display().to_string()
    };
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
