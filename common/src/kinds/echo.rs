//! `echo`: does what its input says. For tests and benchmarks; there only where the configuration asks for it.
//!
//! It can be a plan, too: with `needs` it waits for other echoes, with `grows` it adds some. So what happens to plans can be tried by
//! the thousand, where a render would cost seconds each.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::read;
use crate::{
    error::{ErrorClass, JobError},
    fault::Fault,
    kind::KindSpec,
    plan::{Draft, OnFailure},
    queue::Queue,
    retry::RetryPolicy,
};

/// The stored name.
pub const NAME: &str = "echo";

/// The kind. Not memoised: a test wants its side effects each time.
pub const SPEC: KindSpec = KindSpec {
    name: NAME,
    version: 1,
    queue: Queue::Light,
    timeout: Duration::from_secs(60),
    max_attempts: 3,
    retry: RetryPolicy { base: Duration::from_millis(100), ceiling: Duration::from_secs(5) },
    provider: None,
    memo: false,
    plan: Some(plan),
    grow: Some(grow),
};

/// What to do, in the order of the fields: first the child's part, then sleep, then the ending.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Echo {
    /// Returned as the result.
    pub value: Value,
    /// Waits this long without a thread, in milliseconds.
    pub sleep_ms: u64,
    /// Keeps a child process busy this long, in milliseconds.
    pub spin_ms: u64,
    /// Has a child process touch this much memory, in MiB.
    pub allocate_mb: u64,
    /// Fails with this sentence…
    pub fail: Option<String>,
    /// …and this class (`permanent` unless said).
    pub class: Option<ErrorClass>,
    /// Panics in the handler.
    pub panic: bool,
    /// Fails the first attempts with a transient error.
    pub fail_times: u16,
    /// Ends its child as a crash would.
    pub exit: bool,
    /// Echoes that must succeed before this one runs: a task each. They have none of their own.
    pub needs: Vec<Self>,
    /// Echoes that are added once this one has succeeded: a task each, and one that waits for them and has the value as its result.
    pub grows: Vec<Self>,
}

/// The longest sleep or spin: an hour.
const MAX_MS: u64 = 3_600_000;
/// The most memory a child may be asked to touch: more than any child's limit, so that the limit can be tried.
const MAX_MB: u64 = 64 * 1024;

impl Echo {
    /// Returns whether it needs a child process.
    pub fn in_child(&self) -> bool {
        self.spin_ms > 0 || self.allocate_mb > 0 || self.exit
    }
}

fn plan(input: &Value) -> Result<Vec<Draft>, Vec<Fault>> {
    let echo: Echo = read(input)?;
    let mut faults = excesses("", &echo);
    for (list, steps) in [("needs", &echo.needs), ("grows", &echo.grows)] {
        for (index, step) in steps.iter().enumerate() {
            let pointer = format!("/{list}/{index}");
            if !step.needs.is_empty() || !step.grows.is_empty() {
                faults.push(Fault::new(
                    &*pointer,
                    "is a step itself: leave out its `needs` and `grows`",
                ));
            }
            faults.extend(excesses(&pointer, step));
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let mut own = input.clone();
    let steps = own.as_object_mut().and_then(|fields| fields.remove("needs"));
    Ok(after(steps.as_ref(), own))
}

fn grow(input: &Value, output: &Value) -> Result<Vec<Draft>, JobError> {
    match input.get("grows") {
        Some(Value::Array(steps)) if !steps.is_empty() => {
            Ok(after(input.get("grows"), json!({ "value": output })))
        }
        _ => Ok(Vec::new()),
    }
}

/// A task for each of the steps, and then one with `input`, whose output is the result.
fn after(steps: Option<&Value>, input: Value) -> Vec<Draft> {
    let steps = steps.and_then(Value::as_array).into_iter().flatten();
    let step = |(index, input): (usize, &Value)| {
        let (name, input) = (format!("{NAME}-{index}"), input.clone());
        Draft { name, kind: NAME, input, needs: Vec::new(), result: false }
    };
    let mut drafts: Vec<Draft> = steps.enumerate().map(step).collect();
    let needs = drafts.iter().map(|draft| (draft.name.clone(), OnFailure::Cancel)).collect();
    drafts.push(Draft { needs, ..Draft::only(NAME, input) });
    drafts
}

fn excesses(pointer: &str, echo: &Echo) -> Vec<Fault> {
    let bounded = [
        ("sleepMs", echo.sleep_ms, MAX_MS),
        ("spinMs", echo.spin_ms, MAX_MS),
        ("allocateMb", echo.allocate_mb, MAX_MB),
    ];
    let excess = bounded.into_iter().filter(|(_, value, most)| value > most);
    excess
        .map(|(name, value, most)| {
            Fault::new(format!("{pointer}/{name}"), format!("{value} is too much: at most {most}"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn every_bad_field_is_named() {
        let cases = [
            (json!({"sleepMs": 3_600_001, "allocateMb": 70_000}), vec!["/sleepMs", "/allocateMb"]),
            (json!({"nap": 1}), vec!["/nap"]),
            (json!({"sleepMs": "long"}), vec!["/sleepMs"]),
            (
                json!({"needs": [{"spinMs": 3_600_001}, {"grows": [{}]}]}),
                vec!["/needs/0/spinMs", "/needs/1"],
            ),
            (json!([]), vec![""]),
        ];
        for (input, pointers) in cases {
            let faults = plan(&input).expect_err("faults");
            assert_eq!(
                faults.iter().map(|fault| fault.pointer.as_str()).collect::<Vec<_>>(),
                pointers,
                "{input}"
            );
        }
    }

    #[test]
    fn a_value_of_any_shape_is_kept_as_it_is() {
        let input = json!({"value": {"n": 0.1, "list": [null, "x"]}});
        assert_eq!(plan(&input).expect("a plan")[0].input, input);
    }

    #[test]
    fn what_it_needs_and_what_it_adds_are_tasks_before_and_after_it() {
        let input =
            json!({"value": 7, "needs": [{"value": 1}, {"sleepMs": 5}], "grows": [{"value": 2}]});
        let shape = |drafts: Vec<Draft>| -> Vec<(String, Value, usize, bool)> {
            drafts
                .into_iter()
                .map(|draft| (draft.name, draft.input, draft.needs.len(), draft.result))
                .collect()
        };
        let own = json!({"value": 7, "grows": [{"value": 2}]});
        let wanted = [
            ("echo-0".to_owned(), json!({"value": 1}), 0, false),
            ("echo-1".to_owned(), json!({"sleepMs": 5}), 0, false),
            ("echo".to_owned(), own.clone(), 2, true),
        ];
        assert_eq!(shape(plan(&input).expect("a plan")), wanted);
        let wanted = [
            ("echo-0".to_owned(), json!({"value": 2}), 0, false),
            ("echo".to_owned(), json!({"value": 7}), 1, true),
        ];
        assert_eq!(shape(grow(&own, &json!(7)).expect("a growth")), wanted);
        assert_eq!(grow(&json!({"value": 7}), &json!(7)), Ok(Vec::new()));
    }
}
