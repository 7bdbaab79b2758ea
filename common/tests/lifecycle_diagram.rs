//! Keeps the diagram of task states in `docs/jobs.md` equal to the lifecycle table.
//!
//! `SPOOL_DOCS=write cargo nextest run -p common lifecycle_diagram` writes it again.

#![allow(clippy::unwrap_used)]

use std::{env, fs, path::Path};

use common::rules::lifecycle::{TaskEvent, TaskState, next};

const PAGE: &str = "../docs/jobs.md";
const BEGIN: &str = "<!-- begin: drawn by common/tests/lifecycle_diagram.rs -->\n";
const END: &str = "<!-- end -->\n";

/// The table as a Mermaid state diagram: one arrow for each pair of states, with its events.
fn diagram() -> String {
    let mut lines = vec!["```mermaid".to_owned(), "stateDiagram-v2".to_owned()];
    for state in ["waiting", "ready", "queued"] {
        lines.push(format!("    [*] --> {state}: accepted"));
    }
    for from in TaskState::ALL {
        for to in TaskState::ALL {
            let leads_to_it = |event: &TaskEvent| next(from, *event) == Ok(to);
            let events: Vec<String> = TaskEvent::ALL
                .into_iter()
                .filter(leads_to_it)
                .map(|event| format!("{event:?}"))
                .collect();
            if !events.is_empty() {
                lines.push(format!("    {from} --> {to}: {}", events.join(", ")));
            }
        }
    }
    for state in TaskState::ALL.into_iter().filter(|state| state.is_final()) {
        lines.push(format!("    {state} --> [*]"));
    }
    lines.push("```\n".to_owned());
    lines.join("\n")
}

#[test]
fn the_lifecycle_diagram_in_the_documents_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let page = fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("the page marks where the diagram begins");
    let (_, after) = rest.split_once(END).expect("the page marks where the diagram ends");
    let current = format!("{before}{BEGIN}{}{END}{after}", diagram());
    if env::var_os("SPOOL_DOCS").is_some_and(|value| value == "write") {
        fs::write(&path, current).unwrap();
        return;
    }
    assert_eq!(
        page, current,
        "run `SPOOL_DOCS=write cargo nextest run -p common lifecycle_diagram`"
    );
}
