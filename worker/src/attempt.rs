//! One attempt, in stages: wait for the run permit → run → decide → settle. If the worker is
//! stopping, the task is released. If the lease is lost, nothing is written. A panic, a timeout or
//! a crash in the handler ends this attempt alone.

use std::{panic::resume_unwind, sync::Arc, time::Instant};

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
use tokio::{task::spawn_blocking, time::Duration};
use tracing::{Instrument, Span};

use crate::{
    context::{Context, HandlerError, Tools},
    kinds,
    leases::{HeldLease, Leases},
    metrics::Metrics,
    progress::Reporter,
    providers::Providers,
    settle::Settler,
    slots::{RunPermits, Slot},
    stop::Reason,
};

/// The state that all attempts of a worker share.
pub struct Shared {
    pub worker: WorkerId,
    pub store: Arc<dyn Store>,
    pub view_cache: Arc<dyn ViewCache>,
    pub catalog: Arc<Catalog>,
    pub tools: Arc<Tools>,
    pub providers: Arc<Providers>,
    /// The attempts that are running.
    pub leases: Arc<Leases>,
    pub permits: RunPermits,
    pub settler: Settler,
    /// Announces the tasks that a release made ready.
    pub announcer: backing::announce::Announcer,
    pub metrics: Metrics,
}

/// Time that a handler gets to end after it was asked to stop. Then it is dropped.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// Starts an attempt in a slot. The lease is held from here on, so the next heartbeat renews it.
/// `traceparent` comes from the task message.
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

/// Pause before a handler runs again that lacked resources of this machine.
const EXHAUSTED_PAUSE: Duration = Duration::from_secs(2);

/// Returns the span for the logs of an attempt and its handler: part of the trace of the call that
/// submitted the job.
fn span(traceparent: Option<&str>) -> Span {
    match traceparent.and_then(TraceParent::read) {
        Some(trace) => {
            tracing::info_span!("attempt", trace = trace.trace(), parent = trace.parent())
        }
        None => Span::none(),
    }
}

/// The way in which an attempt ended.
enum AttemptEnd {
    /// The handler returned an outcome.
    Outcome(Outcome),
    /// The worker is stopping, and another one runs the task.
    Released,
    /// The lease is lost, so nothing may be written.
    Abandoned,
}

impl AttemptEnd {
    fn failed(error: JobError) -> Self {
        Self::Outcome(Outcome::Failed(error))
    }
}

async fn run(shared: &Arc<Shared>, claimed: &Claimed, held: &HeldLease) -> AttemptEnd {
    let _permit = tokio::select! {
        permit = shared.permits.acquire(claimed.losses >= EXCLUSIVE_AFTER) => permit,
        () = held.lease.stop.asked() => return stopped(held, claimed.timeout),
    };
    let began = Instant::now();
    let outcome = handle(shared, claimed, held).await;
    shared.metrics.run.with_label_values(&[&claimed.kind]).observe(began.elapsed().as_secs_f64());
    outcome
}

/// Runs the handler, and again after a pause where it ended because this machine was out of
/// handles, room or memory. That says nothing about the task, so it costs no attempt before the
/// deadline.
async fn handle(shared: &Arc<Shared>, claimed: &Claimed, held: &HeldLease) -> AttemptEnd {
    let deadline = tokio::time::Instant::now() + claimed.timeout;
    loop {
        let end = handle_once(shared, claimed, held, deadline).await;
        match &end {
            AttemptEnd::Outcome(Outcome::Failed(error))
                if error.is_exhaustion()
                    && tokio::time::Instant::now() + EXHAUSTED_PAUSE < deadline =>
            {
                let (task, kind) = (claimed.task, &claimed.kind);
                tracing::warn!(%task, kind, %error, "it waits for resources of this machine");
            }
            _ => return end,
        }
        tokio::select! {
            () = tokio::time::sleep(EXHAUSTED_PAUSE) => {}
            () = held.lease.stop.asked() => return stopped(held, claimed.timeout),
        }
    }
}

/// Runs the handler until it ends, is asked to stop, or passes its deadline. It runs in a task of
/// its own, so that a panic becomes an error of this attempt.
async fn handle_once(
    shared: &Arc<Shared>,
    claimed: &Claimed,
    held: &HeldLease,
    deadline: tokio::time::Instant,
) -> AttemptEnd {
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
        () = tokio::time::sleep_until(deadline) => {
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
    let message = payload
        .downcast_ref::<&str>()
        .map(|message| (*message).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "without a message".to_owned());
    JobError::bug(code::PANIC, format!("the handler panicked: {message}"))
}

fn stopped(held: &HeldLease, timeout: Duration) -> AttemptEnd {
    match held.lease.stop.reason() {
        Some(Reason::Cancelled) => AttemptEnd::Outcome(Outcome::Cancelled),
        Some(Reason::Released) => AttemptEnd::Released,
        Some(Reason::Abandoned) => AttemptEnd::Abandoned,
        Some(Reason::TimedOut) => {
            let detail = format!(
                "the attempt took longer than {timeout:?}: give it more with `timeoutMs`, \
                 or less to do"
            );
            AttemptEnd::failed(JobError::transient(code::TIMEOUT, detail))
        }
        None => AttemptEnd::failed(JobError::bug(
            code::INTERNAL,
            "the handler stopped without being asked to",
        )),
    }
}

/// Decides the verdict for the outcome and writes it.
async fn end(shared: &Shared, claimed: Claimed, held: HeldLease, ended: AttemptEnd) {
    let kind = claimed.kind.clone();
    let count =
        |outcome: &str| shared.metrics.attempts.with_label_values(&[kind.as_str(), outcome]).inc();
    let outcome = match ended {
        AttemptEnd::Outcome(outcome) => outcome,
        AttemptEnd::Released => return release(shared, &claimed, count).await,
        AttemptEnd::Abandoned => return count("abandoned"),
    };
    let (verdict, claimed) = verdict(shared, outcome, claimed).await;
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

/// Decides the verdict. A kind that grows may plan thousands of tasks, so it does so on a thread of
/// its own.
async fn verdict(shared: &Shared, outcome: Outcome, claimed: Claimed) -> (Verdict, Claimed) {
    let catalog = Arc::clone(&shared.catalog);
    let grows = catalog.get(&claimed.kind).is_some_and(|kind| kind.grow.is_some());
    let deciding = move || (decide(outcome, &claimed, &catalog, rand::random()), claimed);
    if !grows {
        return deciding();
    }
    spawn_blocking(deciding).await.unwrap_or_else(|error| resume_unwind(error.into_panic()))
}

/// Fails a task whose verdict the store refused, because its output cannot be stored. Without this,
/// the task would run again and again.
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
