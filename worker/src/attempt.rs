//! One attempt, as a line of stages: join the company → run → judge → settle. It ends in a verdict, a release, or in silence when
//! the lease is gone. A panic, a timeout or a crash in the handler is this attempt's own and nobody else's.

use std::{sync::Arc, time::Instant};

use common::{
    error::{JobError, code},
    id::WorkerId,
    kind::Catalog,
    limits::EXCLUSIVE_AFTER,
    outcome::{Outcome, Settlement, Verdict},
    port::view_cache::ViewCache,
    rules::decide::decide,
    store::{Claimed, Settled, Store},
    trace::TraceParent,
};
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

/// End of an attempt.
enum AttemptEnd {
    /// The handler came to an outcome.
    Outcome(Outcome),
    /// The worker is stopping; another one runs the task.
    Released,
    /// The lease is lost: nothing may be written.
    Abandoned,
}

impl AttemptEnd {
    fn failed(error: JobError) -> Self {
        Self::Outcome(Outcome::Failed(error))
    }
}

async fn run(shared: &Arc<Shared>, claimed: &Claimed, held: &Held) -> AttemptEnd {
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
async fn handle(shared: &Arc<Shared>, claimed: &Claimed, held: &Held) -> AttemptEnd {
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
        Some(Ok(Ok(done))) => {
            AttemptEnd::Outcome(Outcome::Done { output: done.output, artifacts: done.artifacts })
        }
        Some(Ok(Err(HandlerError::Failed(error)))) if held.lease.stop.reason().is_none() => {
            AttemptEnd::failed(error)
        }
        Some(Err(panic)) if panic.is_panic() => AttemptEnd::failed(panicked(panic.into_panic())),
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

fn stopped(held: &Held, timeout: Duration) -> AttemptEnd {
    match held.lease.stop.reason() {
        Some(Reason::Cancelled) => AttemptEnd::Outcome(Outcome::Cancelled),
        Some(Reason::Released) => AttemptEnd::Released,
        Some(Reason::Abandoned) => AttemptEnd::Abandoned,
        Some(Reason::TimedOut) => {
            let detail = format!(
                "the attempt took longer than {timeout:?}: give it more with `timeoutMs`, or less to do"
            );
            AttemptEnd::failed(JobError::transient(code::TIMEOUT, detail))
        }
        None => AttemptEnd::failed(JobError::bug(
            code::INTERNAL,
            "the handler stopped without being asked to",
        )),
    }
}

/// Turns the outcome into what is written, and writes it.
async fn end(shared: &Shared, claimed: Claimed, held: Held, ended: AttemptEnd) {
    let kind = claimed.kind.clone();
    let count =
        |outcome: &str| shared.metrics.attempts.with_label_values(&[kind.as_str(), outcome]).inc();
    let outcome = match ended {
        AttemptEnd::Outcome(outcome) => outcome,
        AttemptEnd::Released => return release(shared, &claimed, count).await,
        AttemptEnd::Abandoned => return count("abandoned"),
    };
    let verdict = decide(outcome, &claimed, &shared.catalog, rand::random());
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
