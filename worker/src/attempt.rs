//! One attempt, as a line of stages: join the company → run → judge → settle. It ends in a verdict, a release, or in silence when
//! the lease is gone. A panic, a timeout or a crash in the handler is this attempt's own and nobody else's.

use std::{sync::Arc, time::Instant};

use common::{
    error::{JobError, code},
    id::WorkerId,
    kind::Catalog,
    limits::{EXCLUSIVE_AFTER, MAX_OUTPUT_BYTES},
    outcome::{ArtifactRef, Outcome, Settlement, Verdict, judge},
    plan::{self, Parent},
    port::view_cache::ViewCache,
    provenance::is_fallback,
    retry::RetryPolicy,
    store::{Claimed, Settled, Store},
    trace::TraceParent,
};
use serde_json::Value;
use tokio::time::Duration;
use tracing::{Instrument, Span};

use crate::{
    context::{Context, HandlerError, Tools},
    kinds,
    leases::{Held, Leases},
    metrics::Metrics,
    progress::Reporter,
    providers::Providers,
    settle::Settler,
    slots::{RunPermits, Slot},
    stop::Reason,
};

/// What all attempts of a worker share.
pub struct Shared {
    /// Who we are.
    pub worker: WorkerId,
    /// For claims, hand-backs and releases.
    pub store: Arc<dyn Store>,
    /// For progress.
    pub view_cache: Arc<dyn ViewCache>,
    /// The kinds and their bounds.
    pub catalog: Arc<Catalog>,
    pub tools: Arc<Tools>,
    pub providers: Arc<Providers>,
    /// Running attempts.
    pub leases: Arc<Leases>,
    /// Lets a suspect task run alone.
    pub permits: RunPermits,
    /// Writes verdicts.
    pub settler: Settler,
    /// Tells what a release readied.
    pub announcer: backing::announce::Announcer,
    /// Series.
    pub metrics: Metrics,
}

/// A handler that was asked to stop gets this long to come to an end before it is dropped.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// Starts an attempt on a slot. The lease is held from here on, so the next heartbeat renews it.
/// `traceparent` is what its message carries.
pub fn start(shared: Arc<Shared>, claimed: Claimed, slot: Slot, traceparent: Option<&str>) {
    let held = shared.leases.hold(claimed.task, claimed.fence);
    let span = span(traceparent);
    let attempt = async move {
        let used = shared.metrics.slots.with_label_values(&[slot.queue.as_str()]);
        used.inc();
        let outcome = run(&shared, &claimed, &held).await;
        end(&shared, claimed, held, outcome).await;
        used.dec();
        drop(slot);
    };
    tokio::spawn(attempt.instrument(span));
}

/// What the attempt logs, and its handler with it, goes under the trace of the call that made the job.
fn span(traceparent: Option<&str>) -> Span {
    match traceparent.and_then(TraceParent::read) {
        Some(trace) => {
            tracing::info_span!("attempt", trace = trace.trace(), parent = trace.parent())
        }
        None => Span::none(),
    }
}

async fn run(shared: &Arc<Shared>, claimed: &Claimed, held: &Held) -> Outcome {
    let _permit = tokio::select! {
        permit = shared.permits.acquire(claimed.losses >= EXCLUSIVE_AFTER) => permit,
        () = held.lease.stop.asked() => return stopped(held, claimed.timeout),
    };
    let began = Instant::now();
    let outcome = handle(shared, claimed, held).await;
    shared.metrics.run.with_label_values(&[&claimed.kind]).observe(began.elapsed().as_secs_f64());
    outcome
}

/// Runs the handler in a task of its own, so that its panic is an answer, under its deadline, until it ends or is asked to stop.
async fn handle(shared: &Arc<Shared>, claimed: &Claimed, held: &Held) -> Outcome {
    let context = Context {
        claimed: claimed.clone(),
        tools: shared.tools.clone(),
        lease: held.lease.clone(),
        reporter: Arc::new(Reporter::new(
            held.lease.clone(),
            shared.view_cache.clone(),
            claimed.view.clone(),
        )),
    };
    let providers = shared.providers.clone();
    let handler = async move { kinds::run(context, &providers).await };
    let mut handler = tokio::spawn(handler.in_current_span());
    let ended = tokio::select! {
        ended = &mut handler => Some(ended),
        () = tokio::time::sleep(claimed.timeout) => {
            held.lease.stop.ask(Reason::TimedOut);
            tokio::time::timeout(STOP_WITHIN, &mut handler).await.ok()
        }
        () = held.lease.stop.asked() => tokio::time::timeout(STOP_WITHIN, &mut handler).await.ok(),
    };
    if ended.is_none() {
        handler.abort();
    }
    match ended {
        Some(Ok(Ok(done))) => Outcome::Done { output: done.output, artifacts: done.artifacts },
        Some(Ok(Err(HandlerError::Failed(error)))) if held.lease.stop.reason().is_none() => {
            Outcome::Failed(error)
        }
        Some(Err(panic)) if panic.is_panic() => Outcome::Failed(panicked(panic.into_panic())),
        _ => stopped(held, claimed.timeout),
    }
}

fn panicked(payload: Box<dyn std::any::Any + Send>) -> JobError {
    let said = payload
        .downcast_ref::<&str>()
        .map(|said| (*said).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "without a message".to_owned());
    JobError::bug(code::PANIC, format!("the handler panicked: {said}"))
}

fn stopped(held: &Held, timeout: Duration) -> Outcome {
    match held.lease.stop.reason() {
        Some(Reason::Cancelled) => Outcome::Cancelled,
        Some(Reason::Released) => Outcome::Released,
        Some(Reason::Abandoned) => Outcome::Abandoned,
        Some(Reason::TimedOut) => {
            let detail = format!(
                "the attempt took longer than {timeout:?}: give it more with `timeoutMs`, or less to do"
            );
            Outcome::Failed(JobError::transient(code::TIMEOUT, detail))
        }
        None => Outcome::Failed(JobError::bug(
            code::INTERNAL,
            "the handler stopped without being asked to",
        )),
    }
}

/// Turns the outcome into what is written, and writes it.
async fn end(shared: &Shared, claimed: Claimed, held: Held, outcome: Outcome) {
    let kind = claimed.kind.clone();
    let count =
        |outcome: &str| shared.metrics.attempts.with_label_values(&[kind.as_str(), outcome]).inc();
    let verdict = match outcome {
        Outcome::Done { output, artifacts } => {
            succeed(&shared.catalog, &claimed, output, artifacts)
        }
        Outcome::Failed(error) => fail(&shared.catalog, &claimed, error),
        Outcome::Cancelled => Verdict::Cancelled,
        Outcome::Released => return release(shared, &claimed, count).await,
        Outcome::Abandoned => return count("abandoned"),
    };
    count(name(&verdict));
    log(&claimed, &verdict);
    let began = Instant::now();
    let settlement = Settlement { task: claimed.task, fence: claimed.fence, verdict };
    match shared.settler.settle(settlement).await {
        Ok(Settled::Counted) => {}
        Ok(Settled::Stale) => shared.metrics.stale.inc(),
        Err(error) => settle_as_bug(shared, &claimed, error).await,
    }
    shared.metrics.settle.with_label_values(&[&kind]).observe(began.elapsed().as_secs_f64());
    drop(held);
}

/// The store refused the verdict itself: what it holds can't be stored. The task must not run again and again for that.
async fn settle_as_bug(shared: &Shared, claimed: &Claimed, error: common::port::PortError) {
    tracing::error!(task = %claimed.task, kind = claimed.kind, %error, "a verdict was refused");
    let error =
        JobError::permanent(code::INTERNAL, format!("the result could not be stored: {error}"));
    let settlement =
        Settlement { task: claimed.task, fence: claimed.fence, verdict: Verdict::Failed(error) };
    if let Err(error) = shared.settler.settle(settlement).await {
        tracing::error!(task = %claimed.task, %error, "the lease is left to expire");
    }
}

async fn release(shared: &Shared, claimed: &Claimed, count: impl Fn(&str)) {
    count("released");
    match shared.store.release(shared.worker, &[(claimed.task, claimed.fence)]).await {
        Ok(changes) => shared.announcer.announce(changes),
        Err(error) => {
            tracing::warn!(task = %claimed.task, %error, "not released; its lease will expire")
        }
    }
}

fn name(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Succeeded { .. } => "done",
        Verdict::Failed(_) => "failed",
        Verdict::Cancelled => "cancelled",
        Verdict::Retry { .. } => "retried",
    }
}

fn log(claimed: &Claimed, verdict: &Verdict) {
    let (task, job, kind, attempt) = (claimed.task, claimed.job, &claimed.kind, claimed.attempt);
    match verdict {
        Verdict::Failed(error) => tracing::warn!(%task, %job, kind, attempt, %error, "failed"),
        Verdict::Retry { error, pause } => {
            tracing::info!(%task, %job, kind, attempt, %error, ?pause, "will be tried again")
        }
        Verdict::Succeeded { .. } | Verdict::Cancelled => {
            tracing::debug!(%task, %job, kind, attempt, verdict = name(verdict))
        }
    }
}

fn succeed(
    catalog: &Catalog,
    claimed: &Claimed,
    output: Value,
    artifacts: Vec<ArtifactRef>,
) -> Verdict {
    let size = output.to_string().len();
    if size > MAX_OUTPUT_BYTES {
        let detail = format!("the output is {size} bytes of JSON: at most {MAX_OUTPUT_BYTES}");
        return Verdict::Failed(JobError::permanent(code::INTERNAL, detail));
    }
    let grown = catalog.grow(&claimed.kind, &claimed.input, &output).and_then(|drafts| {
        let result = claimed.result && !drafts.is_empty();
        plan::build(Parent::Task(claimed.task), drafts, result, claimed.overrides, catalog)
            .map_err(|fault| JobError::bug(code::INTERNAL, format!("the plan can't grow: {fault}")))
    });
    match grown {
        Ok(grown) => {
            let (hash, memo) = (common::key::output_hash(&output), !is_fallback(&output));
            Verdict::Succeeded { output, hash, artifacts, grown, memo }
        }
        Err(error) => Verdict::Failed(error),
    }
}

fn fail(catalog: &Catalog, claimed: &Claimed, error: JobError) -> Verdict {
    let policy = catalog.get(&claimed.kind).map_or(RetryPolicy::DEFAULT, |kind| kind.retry);
    judge(error, claimed.attempt, claimed.max_attempts, &policy, rand::random())
}
