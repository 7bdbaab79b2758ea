//! A job or a batch on one line.

use serde_json::Value;

use crate::{exit::CommandResult, output};

/// Prints one line for people, or the whole document as JSON.
pub fn show(value: &Value, json: bool) -> CommandResult {
    if json { output::line(value) } else { output::line(line(value)) }
}

/// Describes it in one line: id, status and result.
pub fn line(value: &Value) -> String {
    let text = |pointer: &str| {
        value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let mut line = format!("{} {}", text("/id"), text("/status"));
    if let Some(counts) = value.get("counts") {
        line.push_str(&format!(
            "  {} of {} fulfilled, {} rejected, {} pending",
            counts["fulfilled"], counts["total"], counts["rejected"], counts["pending"]
        ));
    }
    if let Some(progress) = value.pointer("/progress/value").and_then(Value::as_f64) {
        line.push_str(&format!("  {:.0} % {}", progress * 100.0, text("/progress/stage")));
    }
    for text in ["/waitingFor", "/error/detail", "/result/path", "/result/url"]
        .map(text)
        .iter()
        .filter(|text| !text.is_empty())
    {
        line.push_str("  ");
        line.push_str(text);
    }
    line
}
