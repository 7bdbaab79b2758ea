//! Calls to the fleet, chosen by a seed, and clients that do not give up: a call without a clear
//! answer is repeated with the same `Idempotency-Key`.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use parking_lot::Mutex;
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};

/// The expected end of a job.
#[derive(Debug, Clone, PartialEq)]
pub enum Expect {
    /// It succeeds with this result.
    Result(Value),
    /// It succeeds with the same result as all others of this name.
    Alike(String),
    /// It succeeds with any result.
    Success,
    /// It fails.
    Failure,
    /// It ends in any way.
    End,
}

/// Repetition of a call that had a clear answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repetition {
    Never,
    Afterwards,
    AtOnce,
}

/// One call.
#[derive(Debug, Clone)]
pub struct PlannedCall {
    at: Duration,
    /// `jobs` or `batches`.
    pub to: &'static str,
    body: Value,
    key: String,
    twice: Repetition,
    /// Seconds from posting to the time at which the job may run.
    due_in: Option<i64>,
    cancel: bool,
    /// Of the job, or of each item.
    pub expect: Vec<Expect>,
}

/// Calls that make at least `jobs` jobs, spread over a window of time.
pub fn orders(seed: u64, jobs: usize, window: Duration) -> Vec<PlannedCall> {
    let mut rng = SmallRng::seed_from_u64(seed ^ 0x10ad);
    let (mut orders, mut count) = (Vec::new(), 0);
    while count < jobs {
        let mut order = if rng.random_range(0..100) < 3 {
            batch(&mut rng, count)
        } else {
            single(&mut rng, count)
        };
        order.at = window.mul_f64(count as f64 / jobs as f64);
        order.key = format!("{seed}-{count}");
        order.twice = match rng.random_range(0..20) {
            0 => Repetition::Afterwards,
            1 => Repetition::AtOnce,
            _ => Repetition::Never,
        };
        count += order.expect.len();
        orders.push(order);
    }
    orders
}

fn single(rng: &mut SmallRng, n: usize) -> PlannedCall {
    let (mut body, mut expect) = job(rng, n);
    let mut due_in = None;
    if rng.random_range(0..30) == 0 {
        due_in = Some(rng.random_range(1..20));
    }
    if rng.random_range(0..10) == 0 {
        body["priority"] = json!(rng.random_range(0..10));
    }
    let cancel = rng.random_range(0..60) == 0;
    if cancel {
        expect = Expect::End;
    }
    PlannedCall {
        at: Duration::ZERO,
        to: "jobs",
        body,
        key: String::new(),
        twice: Repetition::Never,
        due_in,
        cancel,
        expect: vec![expect],
    }
}

fn batch(rng: &mut SmallRng, n: usize) -> PlannedCall {
    let size = rng.random_range(2..80);
    let (jobs, mut expect): (Vec<Value>, Vec<Expect>) =
        (0..size).map(|item| job(rng, n + item)).unzip();
    let mut body = json!({ "jobs": jobs });
    if rng.random_range(0..2) == 0 {
        body["maxConcurrent"] = json!(rng.random_range(2..12));
    }
    if rng.random_range(0..3) == 0 {
        body["stopOnError"] = json!(true);
        if expect.contains(&Expect::Failure) {
            // Items that were not finished when the first one failed are cancelled.
            expect
                .iter_mut()
                .filter(|expect| **expect != Expect::Failure)
                .for_each(|expect| *expect = Expect::End);
            expect.iter_mut().for_each(|expect| {
                if *expect == Expect::Failure {
                    *expect = Expect::End
                }
            });
        }
    }
    let cancel = rng.random_range(0..25) == 0;
    if cancel {
        expect.fill(Expect::End);
    }
    PlannedCall {
        at: Duration::ZERO,
        to: "batches",
        body,
        key: String::new(),
        twice: Repetition::Never,
        due_in: None,
        cancel,
        expect,
    }
}

/// A job of a random sort, and its expected end. `n` keeps two jobs from having the same result by
/// chance.
fn job(rng: &mut SmallRng, n: usize) -> (Value, Expect) {
    let echo = |input: Value| json!({"kind": "echo", "input": input});
    let value = Expect::Result(json!(n));
    let nap = rng.random_range(0..40);
    match rng.random_range(0..1000) {
        0..600 => (echo(json!({"value": n, "sleepMs": nap})), value),
        600..640 => (echo(json!({"value": n, "sleepMs": rng.random_range(500..4_000)})), value),
        640..680 => (echo(json!({"fail": "no luck", "sleepMs": nap})), Expect::Failure),
        680..720 => (echo(json!({"value": n, "failTimes": rng.random_range(1..3)})), value),
        720..740 => (
            json!({"kind": "echo", "input": {"value": n, "failTimes": 9}, "maxAttempts": 2}),
            Expect::Failure,
        ),
        740..755 => {
            (json!({"kind": "echo", "input": {"panic": true}, "maxAttempts": 2}), Expect::Failure)
        }
        755..762 => (echo(json!({"value": n, "spinMs": rng.random_range(50..400)})), value),
        762..765 => {
            (json!({"kind": "echo", "input": {"exit": true}, "maxAttempts": 1}), Expect::Failure)
        }
        765..820 => {
            let needs: Vec<Value> =
                (0..rng.random_range(1..5)).map(|_| json!({"sleepMs": nap})).collect();
            (echo(json!({"value": n, "needs": needs})), value)
        }
        820..835 => {
            let needs = json!([{"sleepMs": nap}, {"fail": "no luck"}, {"sleepMs": 500}]);
            (echo(json!({"value": n, "needs": needs})), Expect::Failure)
        }
        835..890 => {
            let grows: Vec<Value> = (0..rng.random_range(1..5))
                .map(|_| json!({"sleepMs": nap, "failTimes": 1}))
                .collect();
            (echo(json!({"value": n, "needs": [{}], "grows": grows})), value)
        }
        890..900 => {
            (echo(json!({"value": n, "grows": [{}, {"fail": "no luck"}]})), Expect::Failure)
        }
        900..998 => {
            let topic = format!("the {}th thing", n / 40);
            (
                json!({"kind": "script", "input": {"topic": topic, "duration": 10}}),
                Expect::Alike(topic),
            )
        }
        _ => (json!({"kind": "render", "input": composition(n)}), Expect::Success),
    }
}

fn composition(n: usize) -> Value {
    let color = format!("#{:06x}", n % 0xff_ffff);
    json!({
        "timeline": {"tracks": [
            {"clips": [{"asset": {"type": "color", "color": color}, "start": 0, "length": 1}]},
        ]},
        "output": {"format": "mp4", "size": {"width": 64, "height": 64}, "fps": 12},
    })
}

/// A call that was answered with 202.
#[derive(Debug, Clone)]
pub struct AcceptedCall {
    pub order: PlannedCall,
    pub id: String,
}

/// Counts of the clients.
#[derive(Debug, Default)]
pub struct CallCounts {
    /// Calls that were repeated because their answer was unclear.
    pub repeated: AtomicU64,
    /// Answers that were those of an earlier call.
    pub replayed: AtomicU64,
}

/// The clients of a fleet.
#[derive(Clone)]
pub struct Clients {
    http: reqwest::Client,
    addresses: Arc<Vec<String>>,
    pub counts: Arc<CallCounts>,
    /// Final statuses that a client was given, which must never change.
    final_statuses: Arc<Mutex<BTreeMap<String, String>>>,
    accepted: Arc<Mutex<Vec<AcceptedCall>>>,
}

/// Longest time without a clear answer to a call; none will come after it.
const PATIENCE: Duration = Duration::from_secs(180);
/// Longest wait for one try of a call.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

impl Clients {
    pub fn of(addresses: &[String]) -> Self {
        let http = reqwest::Client::builder().no_proxy().timeout(ANSWER_WITHIN).build().unwrap();
        Self {
            http,
            addresses: Arc::new(addresses.to_vec()),
            counts: Arc::default(),
            final_statuses: Arc::default(),
            accepted: Arc::default(),
        }
    }

    /// Posts all orders, each at its time, and reads a job now and then. Returns when all were
    /// accepted.
    pub async fn post_all(&self, orders: Vec<PlannedCall>) -> Vec<AcceptedCall> {
        let began = Instant::now();
        let mut under_way = JoinSet::new();
        for order in orders {
            sleep_until(began + order.at).await;
            let clients = self.clone();
            under_way.spawn(async move { clients.one(order).await });
            if under_way.len() % 8 == 0 {
                let clients = self.clone();
                under_way.spawn(async move { clients.read_random_job().await });
            }
        }
        while let Some(ended) = under_way.join_next().await {
            ended.expect("no client fails");
        }
        self.accepted.lock().clone()
    }

    async fn one(&self, mut order: PlannedCall) {
        if let Some(seconds) = order.due_in {
            let due = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds);
            order.body["runAt"] = json!(due.to_string());
        }
        let id = match order.twice {
            Repetition::Never => self.post(&order).await,
            Repetition::Afterwards => {
                let first = self.post(&order).await;
                assert_eq!(self.post(&order).await, first, "a key names one job: {}", order.key);
                first
            }
            Repetition::AtOnce => {
                let (first, second) = tokio::join!(self.post(&order), self.post(&order));
                assert_eq!(first, second, "a key names one job: {}", order.key);
                first
            }
        };
        if order.cancel {
            self.call_until_clear(Method::POST, &format!("/v1/{}/{id}/cancel", order.to), None)
                .await;
        }
        self.accepted.lock().push(AcceptedCall { order, id });
    }

    /// Posts until the call is accepted, and returns the id.
    async fn post(&self, order: &PlannedCall) -> String {
        let answer = self
            .call_until_clear(
                Method::POST,
                &format!("/v1/{}", order.to),
                Some((&order.body, &order.key)),
            )
            .await;
        answer["id"].as_str().expect("an id").to_owned()
    }

    /// Posts a job under a new key, and returns its id.
    pub async fn submit(&self, body: &Value) -> String {
        self.submit_to("/v1/jobs", body).await
    }

    /// Posts to a path under a new key, and returns the id.
    pub async fn submit_to(&self, path: &str, body: &Value) -> String {
        let key = uuid::Uuid::now_v7().to_string();
        let answer = self.call_until_clear(Method::POST, path, Some((body, &key))).await;
        answer["id"].as_str().expect("an id").to_owned()
    }

    pub async fn get(&self, path: &str) -> Value {
        self.call_until_clear(Method::GET, path, None).await
    }

    /// Calls one producer or another until the answer is clear.
    async fn call_until_clear(
        &self,
        method: Method,
        path: &str,
        body: Option<(&Value, &str)>,
    ) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let unclear = match self.once(method.clone(), path, body).await {
                Ok((status, answer)) if status.is_success() => return answer,
                Ok((status, answer)) if status.is_server_error() => format!("{status}: {answer}"),
                Ok((status, answer)) => panic!("{method} {path}: {status}: {answer}"),
                Err(error) => error.to_string(),
            };
            assert!(Instant::now() < deadline, "{method} {path} has no clear answer: {unclear}");
            self.counts.repeated.fetch_add(1, Relaxed);
            sleep(Duration::from_millis(rand::random_range(50..400))).await;
        }
    }

    async fn once(
        &self,
        method: Method,
        path: &str,
        body: Option<(&Value, &str)>,
    ) -> reqwest::Result<(StatusCode, Value)> {
        let producer = &self.addresses[rand::random_range(0..self.addresses.len())];
        let mut request = self.http.request(method, format!("{producer}{path}"));
        if let Some((body, key)) = body {
            request = request.json(body).header("idempotency-key", key);
        }
        let response = request.send().await?;
        if response.headers().contains_key("idempotency-replayed") {
            self.counts.replayed.fetch_add(1, Relaxed);
        }
        let status = response.status();
        // An answer that breaks off is unclear too.
        let text = response.text().await?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::Null)))
    }

    /// Reads an accepted job at most once: it must exist, and a final status must not change.
    async fn read_random_job(&self) {
        let id = {
            let accepted = self.accepted.lock();
            let jobs: Vec<&AcceptedCall> =
                accepted.iter().rev().take(200).filter(|one| one.order.to == "jobs").collect();
            if jobs.is_empty() {
                return;
            }
            jobs[rand::random_range(0..jobs.len())].id.clone()
        };
        let answer = self.once(Method::GET, &format!("/v1/jobs/{id}"), None).await;
        let Ok((StatusCode::OK, job)) = answer else {
            assert!(
                !matches!(answer, Ok((StatusCode::NOT_FOUND, _))),
                "job {id} was accepted and is not there"
            );
            return;
        };
        self.record_status(&id, job["status"].as_str().unwrap_or_default());
    }

    /// Records a final status, which must equal an earlier one.
    pub fn record_status(&self, id: &str, status: &str) {
        let mut statuses = self.final_statuses.lock();
        if let Some(before) = statuses.get(id) {
            assert_eq!(before, status, "job {id} was reported as {before}, and then as {status}");
        } else if matches!(status, "succeeded" | "failed" | "cancelled") {
            statuses.insert(id.to_owned(), status.to_owned());
        }
    }
}
