//! `echo`: does what its input says. For tests and benchmarks; known only if the configuration
//! enables it.
//!
//! It can be a plan, too: with `needs` it waits for other echoes, with `grows` it adds some. So
//! plans can be tried by the thousand, where a render would cost seconds each.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    document::{self, DocumentReader, Form, NumberBounds, object},
    error::{ErrorClass, JobError},
    fault::Fault,
    kind::KindSpec,
    plan::{Draft, OnFailure},
    queue::Queue,
    retry::RetryPolicy,
};

/// Stored name of the kind.
pub const NAME: &str = "echo";

/// The kind. Not memoised: a test needs its side effects each time.
pub const SPEC: KindSpec = KindSpec {
    name: NAME,
    version: 1,
    queue: Queue::Light,
    timeout: Duration::from_secs(60),
    max_attempts: 3,
    retry: RetryPolicy::full_jitter(Duration::from_millis(100), Duration::from_secs(5)),
    provider: None,
    memo: false,
    plan: Some(plan),
    schema: Some(|| document::schema::<Echo>(NAME)),
    grow: Some(grow),
};

const MILLISECONDS: NumberBounds = NumberBounds::new(0, 3_600_000, " milliseconds");
/// More than any media process may have, so that its limit can be tried.
const MEBIBYTES: NumberBounds = NumberBounds::new(0, 64 * 1024, " MiB");

object! {
    /// Input of an `echo` job. First the media process does its part, then the task sleeps, then
    /// it ends.
    #[derive(Default, Serialize, Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields, default)]
    pub struct Echo {
        /// Result of the job.
        value: Value = "value" default Value::Null,
        /// Time to wait without a thread, in milliseconds.
        sleep_ms: u64 = "sleepMs" within MILLISECONDS default 0,
        /// Time to keep a media process busy, in milliseconds.
        spin_ms: u64 = "spinMs" within MILLISECONDS default 0,
        /// Memory that a media process touches, in MiB.
        allocate_mb: u64 = "allocateMb" within MEBIBYTES default 0,
        /// Error sentence to fail with.
        fail: Option<String> = "fail",
        /// Class of that error; `permanent` by default.
        class: Option<ErrorClass> = "class",
        /// Set if the handler panics.
        panic: bool = "panic" default false,
        /// Number of first attempts that fail with a transient error.
        fail_times: u16 = "failTimes" default 0,
        /// Set if the media process ends as in a crash.
        exit: bool = "exit" default false,
        /// Echoes that must succeed before this one runs, a task each. They have none of their own.
        needs: Vec<Echo> = "needs" default Vec::new(),
        /// Echoes that are added once this one has succeeded, a task each, and one more that waits
        /// for them and has the value as its result.
        grows: Vec<Echo> = "grows" default Vec::new(),
    }
}

impl Echo {
    /// Returns whether it needs a media process.
    pub fn in_child(&self) -> bool {
        self.spin_ms > 0 || self.allocate_mb > 0 || self.exit
    }
}

fn plan(input: &Value) -> Result<Vec<Draft>, Vec<Fault>> {
    let mut reader = DocumentReader::default();
    let echo = Echo::read(input, &mut reader);
    if let Some(echo) = &echo {
        check_steps("needs", &echo.needs, &mut reader);
        check_steps("grows", &echo.grows, &mut reader);
    }
    reader.finish(echo)?;
    let mut own = input.clone();
    let steps = own.as_object_mut().and_then(|fields| fields.remove("needs"));
    Ok(after(steps.as_ref(), own))
}

fn check_steps(list: &str, steps: &[Echo], reader: &mut DocumentReader) {
    for (index, step) in steps.iter().enumerate() {
        if !step.needs.is_empty() || !step.grows.is_empty() {
            let pointer = format!("/{list}/{index}");
            reader.add(Fault::new(pointer, "is a step itself: leave out its `needs` and `grows`"));
        }
    }
}

fn grow(input: &Value, output: &Value) -> Result<Vec<Draft>, JobError> {
    match input.get("grows") {
        Some(Value::Array(steps)) if !steps.is_empty() => {
            Ok(after(input.get("grows"), json!({ "value": output })))
        }
        _ => Ok(Vec::new()),
    }
}

/// A task for each step, and then one with `input`, whose output is the result.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds;

    #[test]
    fn every_bad_member_is_reported() {
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
            assert_eq!(kinds::pointers(&faults), pointers, "{input}");
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
