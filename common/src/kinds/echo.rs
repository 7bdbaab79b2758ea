//! `echo`: does what its input says. For tests and benchmarks; there only where the configuration asks for it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::read;
use crate::{
    error::ErrorClass,
    fault::Fault,
    kind::{Class, KindSpec},
    plan::Draft,
    retry::RetryPolicy,
};

/// The stored name.
pub const NAME: &str = "echo";

/// The kind. Not memoised: a test wants its side effects each time.
pub const SPEC: KindSpec = KindSpec {
    name: NAME,
    version: 1,
    class: Class::Light,
    timeout: Duration::from_secs(60),
    max_attempts: 3,
    retry: RetryPolicy { base: Duration::from_millis(100), ceiling: Duration::from_secs(5) },
    memo: false,
    plan: Some(plan),
    grow: None,
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
}

/// The longest sleep or spin: an hour.
const MAX_MS: u64 = 3_600_000;
/// The most memory a child may be asked to touch: more than any child's limit, so that the limit can be tried.
const MAX_MB: u64 = 64 * 1024;

impl Echo {
    /// Whether it needs a child process.
    pub fn in_child(&self) -> bool {
        self.spin_ms > 0 || self.allocate_mb > 0 || self.exit
    }
}

fn plan(input: &Value) -> Result<Vec<Draft>, Vec<Fault>> {
    let echo: Echo = read(input)?;
    let bounded = [
        ("sleepMs", echo.sleep_ms, MAX_MS),
        ("spinMs", echo.spin_ms, MAX_MS),
        ("allocateMb", echo.allocate_mb, MAX_MB),
    ];
    let faults: Vec<_> = bounded
        .into_iter()
        .filter(|(_, value, most)| value > most)
        .map(|(name, value, most)| Fault::new(format!("/{name}"), format!("{value} is too much: at most {most}")))
        .collect();
    if faults.is_empty() { Ok(vec![Draft::only(NAME, input.clone())]) } else { Err(faults) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_bad_field_is_named() {
        let cases = [
            (json!({"sleepMs": 3_600_001, "allocateMb": 70_000}), vec!["/sleepMs", "/allocateMb"]),
            (json!({"nap": 1}), vec!["/nap"]),
            (json!({"sleepMs": "long"}), vec!["/sleepMs"]),
            (json!([]), vec![""]),
        ];
        for (input, pointers) in cases {
            let faults = plan(&input).expect_err("faults");
            assert_eq!(faults.iter().map(|fault| fault.pointer.as_str()).collect::<Vec<_>>(), pointers, "{input}");
        }
    }

    #[test]
    fn a_value_of_any_shape_is_kept_as_it_is() {
        let input = json!({"value": {"n": 0.1, "list": [null, "x"]}});
        assert_eq!(plan(&input).expect("a plan")[0].input, input);
    }
}
