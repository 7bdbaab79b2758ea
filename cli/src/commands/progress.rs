//! Progress of a render on standard error: on a terminal a bar for the whole and one for each
//! running segment, otherwise a line for each segment that is done, or the same as JSON.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::IsTerminal,
};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::{output, printable::printable};

/// Length of a bar.
const STEPS: u64 = 1000;

/// Shows the progress of a render. Each change is shown once.
pub struct RenderProgress {
    output: ProgressOutput,
    /// The highest value shown so far: a bar never goes back.
    most: f64,
}

enum ProgressOutput {
    Terminal { all: MultiProgress, whole: ProgressBar, running: BTreeMap<String, ProgressBar> },
    Lines { done: BTreeSet<String> },
    Json { last: Value },
}

impl RenderProgress {
    /// Chooses the form of the output for this standard error.
    pub fn new(json: bool) -> Self {
        let output = if json {
            ProgressOutput::Json { last: Value::Null }
        } else if std::io::stderr().is_terminal() {
            let all = MultiProgress::new();
            let whole = all.add(bar("{elapsed_precise} {bar:40} {percent:>3} %  {msg}"));
            ProgressOutput::Terminal { all, whole, running: BTreeMap::new() }
        } else {
            ProgressOutput::Lines { done: BTreeSet::new() }
        };
        Self { output, most: 0.0 }
    }

    /// Shows the current state of a job and its tasks.
    pub fn show(&mut self, job: &Value, tasks: &Value) {
        self.most = self
            .most
            .max(job.pointer("/progress/value").and_then(Value::as_f64).unwrap_or_default());
        let segments: Vec<&Value> =
            tasks["tasks"].as_array().into_iter().flatten().filter(is_segment).collect();
        match &mut self.output {
            ProgressOutput::Terminal { all, whole, running } => {
                whole.set_position((self.most * STEPS as f64) as u64);
                whole.set_message(message(job));
                show_running(all, running, &segments);
            }
            ProgressOutput::Lines { done } => print_finished(done, &segments),
            ProgressOutput::Json { last } => {
                let now =
                    json!({"progress": self.most, "segments": job.pointer("/progress/segments")});
                if now != *last {
                    output::note(&now);
                    *last = now;
                }
            }
        }
    }

    /// Prints a sentence beside the progress.
    pub fn note(&self, sentence: &str) {
        match &self.output {
            // A write to a closed terminal is ignored.
            ProgressOutput::Terminal { all, .. } => drop(all.println(printable(sentence))),
            ProgressOutput::Lines { .. } => output::note(sentence),
            ProgressOutput::Json { .. } => output::note(json!({"note": sentence})),
        }
    }

    /// Removes the bars.
    pub fn end(&mut self) {
        if let ProgressOutput::Terminal { all, .. } = &self.output {
            // A write to a closed terminal is ignored.
            let _ = all.clear();
        }
    }
}

fn bar(template: &str) -> ProgressBar {
    let bar = ProgressBar::new(STEPS);
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

fn is_segment(task: &&Value) -> bool {
    task["kind"] == "segment"
}

fn name(task: &Value) -> String {
    printable(task["name"].as_str().unwrap_or_default()).into_owned()
}

fn message(job: &Value) -> String {
    let stage = job.pointer("/progress/stage").and_then(Value::as_str).unwrap_or_default();
    let stage = printable(stage);
    match job.pointer("/progress/segments") {
        Some(count) => {
            format!(
                "{stage}  segments {} of {} ({} cached)",
                count["done"], count["total"], count["cached"]
            )
        }
        None => stage.into_owned(),
    }
}

/// Shows a bar for each running segment, in the order of their start.
fn show_running(
    all: &MultiProgress,
    running: &mut BTreeMap<String, ProgressBar>,
    segments: &[&Value],
) {
    for task in segments {
        if task["state"] == "running" {
            let bar = running
                .entry(name(task))
                .or_insert_with(|| all.add(bar("  {msg:14} {bar:32} {percent:>3} %")));
            bar.set_message(name(task));
            bar.set_position((task["progress"].as_f64().unwrap_or_default() * STEPS as f64) as u64);
        } else if let Some(bar) = running.remove(&name(task)) {
            bar.finish_and_clear();
        }
    }
}

/// Prints a line for each segment rendered since the last call, and one line for all that were
/// cached: those may be hundreds at once.
fn print_finished(done: &mut BTreeSet<String>, segments: &[&Value]) {
    lines(done, segments).iter().for_each(output::note);
}

fn lines(done: &mut BTreeSet<String>, segments: &[&Value]) -> Vec<String> {
    let settled = segments.iter().filter(|task| task["state"] == "succeeded");
    let (cached, rendered): (Vec<&&Value>, Vec<&&Value>) =
        settled.partition(|task| task["cached"] == true);
    let mut lines = Vec::new();
    let found = cached.into_iter().filter(|task| done.insert(name(task))).count();
    if found > 0 {
        lines.push(format!("{found} cached, {} of {}", done.len(), segments.len()));
    }
    for task in rendered {
        if done.insert(name(task)) {
            lines.push(format!("{} rendered, {} of {}", name(task), done.len(), segments.len()));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cached_segments_are_reported_in_one_line_and_each_segment_once() {
        let task = |number: u32, state: &str, cached: bool| {
            let name = format!("segment-{number}");
            json!({"kind": "segment", "name": name, "state": state, "cached": cached})
        };
        let mut done = BTreeSet::new();
        let first =
            [task(1, "succeeded", true), task(2, "running", false), task(3, "succeeded", true)];
        assert_eq!(lines(&mut done, &first.each_ref()), ["2 cached, 2 of 3"]);
        assert!(lines(&mut done, &first.each_ref()).is_empty());
        let then =
            [task(1, "succeeded", true), task(2, "succeeded", false), task(3, "succeeded", true)];
        assert_eq!(lines(&mut done, &then.each_ref()), ["segment-2 rendered, 3 of 3"]);
    }
}
