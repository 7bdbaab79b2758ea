//! Measures a running server under a load of echo jobs.
//!
//! Latencies from submit to start and to result are differences of the server's own timestamps, so
//! the client's polling adds nothing to them. Meanwhile `GET /v1/jobs/{id}` is read at a steady
//! rate; each read is timed from when it was due, so a stall is not hidden by the requests it
//! delayed (coordinated omission).

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use clap::Args;
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};
use tokio::time::MissedTickBehavior;

use crate::{
    client::Client,
    exit::{CommandResult, Failure},
    options::ServerArg,
    output,
};

/// Options of `bench`.
#[derive(Debug, Args)]
pub struct Bench {
    /// Number of jobs.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub jobs: u64,
    /// Jobs in one call; 1 posts them singly.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub batch: u64,
    /// Calls under way at once.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    pub concurrency: u16,
    /// Reads of single jobs a second while it runs.
    #[arg(long, default_value_t = 200)]
    pub reads: u64,
    /// The input of each job.
    #[arg(long, default_value = r#"{"value":1}"#)]
    pub input: String,
    /// Gives up after this many seconds.
    #[arg(long, default_value_t = 300)]
    pub patience: u64,
    #[command(flatten)]
    pub server: ServerArg,
}

/// The most jobs whose times are read.
const SAMPLE: usize = 2_000;

/// Runs the benchmark and prints its figures.
pub async fn run(options: Bench, json: bool) -> CommandResult {
    let input = common::json::parse(&options.input)
        .map_err(|refusal| Failure::Failed(format!("--input {refusal}")))?;
    let client = Client::new(&options.server.server)?;
    let posted: Arc<Mutex<Vec<String>>> = Arc::default();
    let stop = Arc::new(AtomicBool::new(false));
    let reader =
        tokio::spawn(read_steadily(client.clone(), posted.clone(), options.reads, stop.clone()));
    let began = Instant::now();
    let submits = submit_all(&client, &options, &input, &posted).await?;
    let accepted = began.elapsed();
    let deadline = began + Duration::from_secs(options.patience);
    wait_until_idle(&client, deadline).await?;
    stop.store(true, Ordering::Relaxed);
    let reads =
        reader.await.map_err(|error| Failure::Failed(format!("the reader broke: {error}")))??;
    let posted = posted.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let jobs = sample(&client, &posted, options.batch > 1).await?;
    report(&options, accepted, submits, reads, &jobs, json)
}

async fn submit_all(
    client: &Client,
    options: &Bench,
    input: &Value,
    posted: &Mutex<Vec<String>>,
) -> Result<Vec<Duration>, Failure> {
    let calls = options.jobs.div_ceil(options.batch);
    let sent = AtomicUsize::new(0);
    stream::iter(0..calls)
        .map(|call| {
            let sent = &sent;
            async move {
                let count = options.batch.min(options.jobs - call * options.batch);
                let began = Instant::now();
                let answer = post(client, options.batch > 1, count, input).await?;
                let took = began.elapsed();
                sent.fetch_add(1, Ordering::Relaxed);
                let id = answer["id"].as_str().unwrap_or_default().to_owned();
                posted.lock().unwrap_or_else(PoisonError::into_inner).push(id);
                Ok(took)
            }
        })
        .buffer_unordered(usize::from(options.concurrency))
        .try_collect()
        .await
}

async fn post(client: &Client, batched: bool, count: u64, input: &Value) -> Result<Value, Failure> {
    let job = json!({"kind": "echo", "input": input});
    if batched {
        let jobs: Vec<&Value> = (0..count).map(|_| &job).collect();
        client.post("/v1/batches", &json!({ "jobs": jobs }), None).await
    } else {
        client.post("/v1/jobs", &job, None).await
    }
}

/// Waits until the queue of echo has neither waiting nor running tasks.
async fn wait_until_idle(client: &Client, deadline: Instant) -> CommandResult {
    loop {
        let demand = client.get("/v1/queues/light/demand").await?;
        if demand["queued"].as_u64() == Some(0) && demand["running"].as_u64() == Some(0) {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(Failure::Failed(format!("not all settled in time: {demand}")));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Reads jobs at a steady rate until stopped.
async fn read_steadily(
    client: Client,
    posted: Arc<Mutex<Vec<String>>>,
    rate: u64,
    stop: Arc<AtomicBool>,
) -> Result<Vec<Duration>, Failure> {
    if rate == 0 {
        return Ok(Vec::new());
    }
    let mut ticks =
        tokio::time::interval(Duration::from_secs(1) / u32::try_from(rate).unwrap_or(u32::MAX));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut reads = tokio::task::JoinSet::new();
    let mut index = 0usize;
    while !stop.load(Ordering::Relaxed) {
        let due = ticks.tick().await.into_std();
        let id = {
            let posted = posted.lock().unwrap_or_else(PoisonError::into_inner);
            index = index.wrapping_add(7919);
            posted.get(index % posted.len().max(1)).cloned()
        };
        if let Some(id) = id {
            let client = client.clone();
            reads.spawn(async move {
                client
                    .find(uuid::Uuid::parse_str(&id).unwrap_or_default())
                    .await
                    .map(|_| due.elapsed())
            });
        }
    }
    reads.join_all().await.into_iter().collect()
}

/// Reads the times of jobs: all of the first and last batches, or single jobs spread evenly.
async fn sample(client: &Client, posted: &[String], batched: bool) -> Result<Vec<Value>, Failure> {
    let step = posted.len().div_ceil(if batched { SAMPLE / 100 } else { SAMPLE }).max(1);
    let chosen: Vec<&String> = posted.iter().step_by(step).chain(posted.last()).collect();
    stream::iter(chosen)
        .map(|id| async move {
            if !batched {
                return Ok(vec![client.get(&format!("/v1/jobs/{id}")).await?]);
            }
            let page = client.get(&format!("/v1/batches/{id}/results?limit=100")).await?;
            let ids: Vec<String> = page["results"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|item| item["jobId"].as_str().map(str::to_owned))
                .collect();
            stream::iter(ids)
                .then(|id| async move { client.get(&format!("/v1/jobs/{id}")).await })
                .try_collect()
                .await
        })
        .buffer_unordered(8)
        .try_concat()
        .await
}

fn report(
    options: &Bench,
    accepted: Duration,
    submits: Vec<Duration>,
    reads: Vec<Duration>,
    jobs: &[Value],
    json: bool,
) -> CommandResult {
    let time = |job: &Value, name: &str| {
        job[name].as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok())
    };
    let between = |from: &str, to: &str| -> Vec<Duration> {
        let span = |job: &Value| time(job, to)?.duration_since(time(job, from)?).try_into().ok();
        jobs.iter().filter_map(span).collect()
    };
    let first = jobs.iter().filter_map(|job| time(job, "createdAt")).min();
    let last = jobs.iter().filter_map(|job| time(job, "finishedAt")).max();
    let whole =
        first.zip(last).map_or(f64::NAN, |(first, last)| last.duration_since(first).as_secs_f64());
    let failed = jobs.iter().filter(|job| job["status"] != "succeeded").count();
    let figures = json!({
        "bench": if options.batch > 1 { "queue, in batches" } else { "queue, singly" },
        "jobs": options.jobs,
        "batch": options.batch,
        "acceptedPerSecond": (options.jobs as f64 / accepted.as_secs_f64()).round(),
        "settledPerSecond": (options.jobs as f64 / whole).round(),
        "submitMs": percentiles(submits),
        "submitToStartMs": percentiles(between("createdAt", "startedAt")),
        "submitToResultMs": percentiles(between("createdAt", "finishedAt")),
        "statusReadMs": percentiles(reads),
        "sampled": jobs.len(),
        "notSucceeded": failed,
    });
    if json {
        output::line(&figures)?;
    } else {
        for (name, figure) in figures.as_object().into_iter().flatten() {
            let figure = figure.as_str().map_or_else(|| figure.to_string(), str::to_owned);
            output::line(format_args!("{name:<18} {figure}"))?;
        }
    }
    if failed == 0 {
        Ok(())
    } else {
        Err(Failure::Failed(format!("{failed} of the sampled jobs did not succeed")))
    }
}

/// Returns the 50th, 95th and 99th percentile in milliseconds (nearest rank), or null without a
/// measurement.
fn percentiles(mut times: Vec<Duration>) -> Value {
    times.sort_unstable();
    let at = |share: f64| {
        let rank = (share * times.len() as f64).ceil().max(1.0) as usize - 1;
        times.get(rank).map(|time| (time.as_secs_f64() * 10_000.0).round() / 10.0)
    };
    json!({"p50": at(0.5), "p95": at(0.95), "p99": at(0.99)})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_the_nearest_rank() {
        let times = (1..=200).map(Duration::from_millis).collect();
        assert_eq!(percentiles(times), json!({"p50": 100.0, "p95": 190.0, "p99": 198.0}));
        assert_eq!(percentiles(Vec::new())["p50"], Value::Null);
    }
}
