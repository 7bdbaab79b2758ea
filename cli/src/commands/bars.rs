//! How far a render is, on standard error: a bar for the whole and one for each segment that runs, on a terminal; a line for each segment
//! that is done, elsewhere; the same as JSON, for machines.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::IsTerminal,
};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::{Value, json};

/// A bar's length.
const STEPS: u64 = 1000;

/// Shows progress, each change once.
pub struct Bars {
    way: Way,
    /// The most that was shown: a bar never goes back.
    most: f64,
}

enum Way {
    Terminal { all: MultiProgress, whole: ProgressBar, running: BTreeMap<String, ProgressBar> },
    Lines { done: BTreeSet<String> },
    Json { last: Value },
}

impl Bars {
    /// For whoever reads standard error.
    pub fn new(json: bool) -> Self {
        let way = if json {
            Way::Json { last: Value::Null }
        } else if std::io::stderr().is_terminal() {
            let all = MultiProgress::new();
            let whole = all.add(bar("{elapsed_precise} {bar:40} {percent:>3} %  {msg}"));
            Way::Terminal { all, whole, running: BTreeMap::new() }
        } else {
            Way::Lines { done: BTreeSet::new() }
        };
        Self { way, most: 0.0 }
    }

    /// Shows a job and its tasks as they are.
    pub fn show(&mut self, job: &Value, tasks: &Value) {
        self.most = self.most.max(job.pointer("/progress/value").and_then(Value::as_f64).unwrap_or_default());
        let segments: Vec<&Value> = tasks["tasks"].as_array().into_iter().flatten().filter(is_segment).collect();
        match &mut self.way {
            Way::Terminal { all, whole, running } => {
                whole.set_position((self.most * STEPS as f64) as u64);
                whole.set_message(message(job));
                show_running(all, running, &segments);
            }
            Way::Lines { done } => tell(done, &segments),
            Way::Json { last } => {
                let now = json!({"progress": self.most, "segments": job.pointer("/progress/segments")});
                if now != *last {
                    eprintln!("{now}");
                    *last = now;
                }
            }
        }
    }

    /// Takes the bars away.
    pub fn end(&mut self) {
        if let Way::Terminal { all, .. } = &self.way {
            // A terminal that is gone by now has nothing to be cleared.
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
    task["name"].as_str().unwrap_or_default().to_owned()
}

fn message(job: &Value) -> String {
    let stage = job.pointer("/progress/stage").and_then(Value::as_str).unwrap_or_default();
    match job.pointer("/progress/segments") {
        Some(count) => {
            format!("{stage}  segments {} of {} ({} cached)", count["done"], count["total"], count["cached"])
        }
        None => stage.to_owned(),
    }
}

/// A bar for each segment that runs, in the order in which they began.
fn show_running(all: &MultiProgress, running: &mut BTreeMap<String, ProgressBar>, segments: &[&Value]) {
    for task in segments {
        if task["state"] == "running" {
            let bar = running.entry(name(task)).or_insert_with(|| all.add(bar("  {msg:14} {bar:32} {percent:>3} %")));
            bar.set_message(name(task));
            bar.set_position((task["progress"].as_f64().unwrap_or_default() * STEPS as f64) as u64);
        } else if let Some(bar) = running.remove(&name(task)) {
            bar.finish_and_clear();
        }
    }
}

/// A line for each segment that has settled since the last look.
fn tell(done: &mut BTreeSet<String>, segments: &[&Value]) {
    for task in segments {
        if task["state"] == "succeeded" && done.insert(name(task)) {
            let how = if task["cached"] == true { "cached" } else { "rendered" };
            eprintln!("{} {how}, {} of {}", name(task), done.len(), segments.len());
        }
    }
}
