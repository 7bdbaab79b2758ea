//! The verdict of an attempt: what the store writes for its outcome.

use std::time::Duration;

use serde_json::Value;

use crate::{
    error::{JobError, code},
    key,
    kind::Catalog,
    limits::MAX_OUTPUT_BYTES,
    outcome::{ArtifactRef, Outcome, Verdict},
    plan::{self, NewTask, Parent},
    provenance::is_fallback,
    retry::RetryPolicy,
    rules::lifecycle::TaskEvent,
    store::Claimed,
};

/// The verdict on an attempt. `chance` is uniform in `[0, 1)` and spreads retries.
///
/// A success becomes a failure where its output is too large or the plan can't grow by it. An error
/// that may go away becomes a retry while attempts are left.
pub fn decide(outcome: Outcome, claimed: &Claimed, catalog: &Catalog, chance: f64) -> Verdict {
    match outcome {
        Outcome::Done { output, artifacts } => {
            succeeded(output, artifacts, claimed, catalog).unwrap_or_else(Verdict::Failed)
        }
        Outcome::Failed(error) => failed(error, claimed, catalog, chance),
        Outcome::Cancelled => Verdict::Cancelled,
    }
}

/// The event of an expired lease. `losses` counts this one; a task that lost as many workers as
/// `quarantine_after` is failed as poison.
pub fn lease_expired(losses: u16, quarantine_after: u16) -> TaskEvent {
    if losses >= quarantine_after { TaskEvent::Quarantine } else { TaskEvent::Lose }
}

fn succeeded(
    output: Value,
    artifacts: Vec<ArtifactRef>,
    claimed: &Claimed,
    catalog: &Catalog,
) -> Result<Verdict, JobError> {
    let size = output.to_string().len();
    if size > MAX_OUTPUT_BYTES {
        let detail = format!("the output is {size} bytes of JSON: at most {MAX_OUTPUT_BYTES}");
        return Err(JobError::permanent(code::INTERNAL, detail));
    }
    let grown = grown(&output, claimed, catalog)?;
    let (hash, memo) = (key::output_hash(&output), !is_fallback(&output));
    Ok(Verdict::Succeeded { output, hash, artifacts, grown, memo })
}

/// The tasks that a success adds to its job's plan.
fn grown(output: &Value, claimed: &Claimed, catalog: &Catalog) -> Result<Vec<NewTask>, JobError> {
    let drafts = catalog.grow(&claimed.kind, &claimed.input, output)?;
    let result = claimed.result && !drafts.is_empty();
    plan::build(Parent::Task(claimed.task), drafts, result, claimed.overrides, catalog)
        .map_err(|fault| JobError::bug(code::INTERNAL, format!("the plan can't grow: {fault}")))
}

fn failed(error: JobError, claimed: &Claimed, catalog: &Catalog, chance: f64) -> Verdict {
    if !error.class.retryable() || claimed.attempt >= claimed.max_attempts {
        return Verdict::Failed(error);
    }
    let policy = catalog.get(&claimed.kind).map_or(RetryPolicy::DEFAULT, |kind| kind.retry);
    let policy = policy.with(claimed.overrides.retry.unwrap_or_default());
    let retry_after = error.retry_after_ms.map(Duration::from_millis);
    let pause = policy.pause(claimed.attempt, chance, retry_after);
    Verdict::Retry { error, pause }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::{
        error::ErrorClass,
        id::{Fence, JobId, TaskId, TenantId},
        kind::KindSpec,
        kinds::echo,
        plan::{Draft, Overrides},
        retry::RetryOverride,
        rules::lifecycle::JobStatus,
        view::{JobView, Rank},
    };

    fn claimed(kind: &str, attempt: u16) -> Claimed {
        let (job, tenant) = (JobId::new(), TenantId::default());
        let view = JobView {
            id: job,
            tenant: tenant.clone(),
            kind: kind.to_owned(),
            status: JobStatus::Running,
            progress: None,
            result: None,
            error: None,
            batch: None,
            priority: 5,
            tags: Vec::new(),
            metadata: None,
            created_at: Timestamp::UNIX_EPOCH,
            run_at: None,
            started_at: None,
            finished_at: None,
            attempts: 1,
            waiting_for: None,
            tasks: Default::default(),
            rank: Rank::default(),
        };
        Claimed {
            task: TaskId::new(),
            job,
            tenant,
            name: "only".to_owned(),
            kind: kind.to_owned(),
            kind_version: 1,
            input: json!({}),
            unreadable: None,
            needs: Vec::new(),
            result: true,
            fence: Fence(1),
            attempt,
            max_attempts: 3,
            losses: 0,
            timeout: Duration::from_secs(60),
            overrides: Overrides::default(),
            view,
        }
    }

    fn catalog() -> Catalog {
        let grows = KindSpec {
            name: "grows",
            grow: Some(|_, output| match output.as_bool() {
                Some(valid) => {
                    let need =
                        if valid { Vec::new() } else { vec![("z".to_owned(), Default::default())] };
                    Ok(vec![Draft { needs: need, ..Draft::only(echo::NAME, json!({})) }])
                }
                None => Ok(Vec::new()),
            }),
            ..echo::SPEC
        };
        Catalog::new(&[&[echo::SPEC, grows]])
    }

    fn done(kind: &str, output: Value) -> Verdict {
        let outcome = Outcome::Done { output, artifacts: Vec::new() };
        decide(outcome, &claimed(kind, 1), &catalog(), 0.5)
    }

    #[test]
    fn only_errors_that_may_go_away_are_tried_again_while_attempts_are_left() {
        let verdict = |class, attempt| {
            let outcome = Outcome::Failed(JobError::new("x", class, "y"));
            decide(outcome, &claimed(echo::NAME, attempt), &catalog(), 0.5)
        };
        for class in [ErrorClass::Transient, ErrorClass::Bug] {
            assert!(matches!(verdict(class, 2), Verdict::Retry { .. }));
            assert!(matches!(verdict(class, 3), Verdict::Failed(_)));
        }
        for class in [ErrorClass::Caller, ErrorClass::Permanent] {
            assert!(matches!(verdict(class, 1), Verdict::Failed(_)));
        }
    }

    #[test]
    fn a_job_sets_its_own_pauses_in_place_of_those_of_its_kind() {
        let retry = RetryOverride {
            base: Some(Duration::from_secs(40)),
            ceiling: None,
            jitter_percent: Some(0),
        };
        let claimed = Claimed {
            overrides: Overrides { retry: Some(retry), ..Overrides::default() },
            ..claimed(echo::NAME, 1)
        };
        let outcome = Outcome::Failed(JobError::transient("x", "y"));
        let verdict = decide(outcome, &claimed, &catalog(), 0.5);
        let pause = Duration::from_secs(40);
        assert!(matches!(verdict, Verdict::Retry { pause: found, .. } if found == pause));
    }

    #[test]
    fn an_output_that_is_too_large_fails_the_task() {
        let verdict = done(echo::NAME, json!("x".repeat(MAX_OUTPUT_BYTES)));
        assert!(matches!(verdict, Verdict::Failed(error) if error.detail.contains("at most")));
    }

    #[test]
    fn a_growth_hands_the_result_on_and_an_impossible_one_fails_the_task() {
        let Verdict::Succeeded { grown, .. } = done("grows", json!(true)) else { panic!("grows") };
        assert_eq!(grown.iter().map(|task| task.result).collect::<Vec<_>>(), [true]);
        assert!(matches!(done("grows", json!(false)), Verdict::Failed(_)));
        let Verdict::Succeeded { grown, .. } = done("grows", json!(1)) else { panic!("succeeds") };
        assert!(grown.is_empty());
    }

    #[test]
    fn a_fallback_output_leaves_no_memo() {
        let memo = |output| match done(echo::NAME, output) {
            Verdict::Succeeded { memo, .. } => memo,
            _ => panic!("succeeds"),
        };
        assert!(memo(json!({"provenance": {"provider": "a"}})));
        assert!(!memo(json!({"provenance": {"fallbackFor": ["a"]}})));
    }

    #[test]
    fn a_task_that_lost_enough_workers_is_quarantined() {
        assert_eq!(lease_expired(4, 5), TaskEvent::Lose);
        assert_eq!(lease_expired(5, 5), TaskEvent::Quarantine);
    }
}
