//! `video-result`: joins the finished file with the other members of a video's result.

use std::time::Duration;

use common::{error::JobError, kind::KindSpec};
use serde_json::Value;

use super::{compose::VideoDetails, json_of};
use crate::kinds::{assemble::Assembled, deciding};

/// Stored name of the kind.
pub const NAME: &str = "video-result";

/// The kind; occurs only inside plans. Not memoised: it costs less than the look for a memo.
pub const SPEC: KindSpec =
    KindSpec { timeout: Duration::from_secs(60), ..deciding(NAME, 1, None, None, None) };

/// Joins the members of both in one object, and the warnings of both in one list.
pub fn run(details: &VideoDetails, assembled: &Assembled) -> Result<Value, JobError> {
    let (mut result, file) = (json_of(details)?, json_of(assembled)?);
    if let (Some(members), Value::Object(file)) = (result.as_object_mut(), file) {
        members.extend(file);
    }
    let warnings: Vec<&String> = details.warnings.iter().chain(&assembled.warnings).collect();
    result["warnings"] = json_of(&warnings)?;
    Ok(result)
}
