//! Fleets of separate processes on production adapters: `serve` and any number of `work`.

mod database_outage;
mod task_messages;

use std::{path::Path, process::Command};

use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use tempfile::{TempDir, tempdir};

use crate::{
    client::ApiClient,
    process::{Process, run, service, spool, wait_for},
};

/// A fleet on the shared services, with a database, names and artifacts of its own, and a Redis of
/// its own, which a test may stop.
struct Fleet {
    database: String,
    amqp: String,
    redis: Process,
    redis_port: u16,
    namespace: String,
    folder: TempDir,
}

/// A free port below the range from which the system assigns ports, so that no other connection
/// takes it while the server is down.
fn free_port() -> u16 {
    let free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok();
    (0..1000).map(|_| rand::random_range(10_000..14_000)).find(free).expect("a free port")
}

impl Fleet {
    fn start() -> Self {
        let namespace = format!("e2e{}", uuid::Uuid::now_v7().simple());
        let folder = tempdir().unwrap();
        let redis_port = free_port();
        let fleet = Self {
            database: create_database(&service("SPOOL_DATABASE_URL"), &namespace),
            amqp: service("SPOOL_AMQP_URL"),
            redis: start_redis(redis_port, folder.path()),
            redis_port,
            namespace,
            folder,
        };
        let migrated = run(fleet.spool(&["migrate"]));
        assert!(migrated.status.success(), "{}", String::from_utf8_lossy(&migrated.stderr));
        fleet
    }

    fn spool(&self, arguments: &[&str]) -> Command {
        let mut command = spool();
        command
            .args(arguments)
            .env("SPOOL_DATABASE_URL", &self.database)
            .env("SPOOL_AMQP_URL", &self.amqp)
            .env("SPOOL_REDIS_URL", format!("redis://127.0.0.1:{}", self.redis_port))
            .env(
                "SPOOL_ARTIFACTS_URL",
                format!("file://{}", self.folder.path().join("artifacts").display()),
            )
            .env("SPOOL_NAMESPACE", &self.namespace)
            .env("SPOOL_ALLOW", self.folder.path())
            .env("SPOOL_SCRATCH", self.folder.path().join("scratch"))
            .env("SPOOL_GRACE_SECONDS", "2")
            .env("SPOOL_CLASSIC_QUEUES", "true")
            .env("SPOOL_ECHO", "true");
        command
    }

    fn serve(&self) -> (Process, ApiClient) {
        let (process, address) =
            Process::serving(self.spool(&["serve", "--listen", "127.0.0.1:0"]));
        (process, ApiClient::at(&address))
    }

    fn work(&self) -> Process {
        Process::working(self.spool(&["work", "--slots", "4"]))
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        let _ = drop_database(&service("SPOOL_DATABASE_URL"), &self.namespace);
    }
}

fn start_redis(port: u16, folder: &Path) -> Process {
    let mut command = Command::new("redis-server");
    command
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"])
        .arg(folder);
    let redis = Process::start(command);
    assert!(
        wait_for(|| std::net::TcpStream::connect(("127.0.0.1", port)).ok()).is_some(),
        "Redis did not start"
    );
    redis
}

fn on_server(url: &str, statement: String) -> Result<(), sqlx::Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut connection = PgConnection::connect(url).await?;
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut connection).await?;
        connection.close().await
    })
}

fn create_database(server: &str, name: &str) -> String {
    on_server(server, format!("CREATE DATABASE {name}")).expect("a database of its own");
    let (start, query) = server
        .split_once('?')
        .map_or((server, String::new()), |(start, query)| (start, format!("?{query}")));
    let base = start.rsplit_once('/').expect("a database URL").0;
    format!("{base}/{name}{query}")
}

fn drop_database(server: &str, name: &str) -> Result<(), sqlx::Error> {
    on_server(server, format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
}

#[test]
fn two_workers_share_a_batch_and_only_the_bad_items_are_rejected() {
    let fleet = Fleet::start();
    let (_serve, api) = fleet.serve();
    let (first, second) = (fleet.work(), fleet.work());
    std::fs::write(
        fleet.folder.path().join("corrupt.mp4"),
        b"\0\0\0\x20ftypisom and then nothing that is video",
    )
    .unwrap();
    let mut jobs: Vec<Value> =
        (0..200).map(|n| json!({"kind": "echo", "input": {"value": n, "sleepMs": 20}})).collect();
    jobs[10] = json!({"kind": "echo", "input": {"fail": "no luck"}});
    jobs[50] = json!({"kind": "echo", "input": {"panic": true}});
    jobs[90] = json!({"kind": "probe", "input": {"src": fleet.folder.path().join("corrupt.mp4")}});
    jobs[130] = json!({"kind": "no-such-kind", "input": {}});
    let posted = api.post("/v1/batches", &json!({"jobs": jobs})).body;
    let id = posted["id"].as_str().unwrap();
    assert_eq!(
        api.batch_settled(id),
        json!({"total": 200, "fulfilled": 196, "rejected": 4, "pending": 0})
    );
    let items = api.batch_results(id);
    assert_eq!(items.len(), 200);
    for (index, item) in items.iter().enumerate() {
        assert_eq!(item["index"], index);
        match index {
            10 | 50 | 90 | 130 => {
                assert_eq!(item["status"], "rejected", "{item}");
                assert!(
                    item["reason"]["detail"].as_str().is_some_and(|detail| !detail.is_empty()),
                    "{item}"
                );
            }
            _ => {
                assert_eq!((&item["status"], &item["value"]), (&json!("fulfilled"), &json!(index)))
            }
        }
    }
    let workers: std::collections::BTreeSet<String> = items
        .iter()
        .filter_map(|item| item["jobId"].as_str())
        .map(|job| api.get(&format!("/v1/jobs/{job}/tasks")).body["tasks"][0]["worker"].to_string())
        .collect();
    assert_eq!(workers.len(), 2, "both workers ran some: {workers:?}");
    assert_eq!((first.terminate().code(), second.terminate().code()), (Some(0), Some(0)));
}

#[test]
fn items_of_a_batch_start_in_the_order_given() {
    let fleet = Fleet::start();
    let (_serve, api) = fleet.serve();
    let _work = fleet.work();
    let jobs: Vec<Value> =
        (0..12).map(|n| json!({"kind": "echo", "input": {"value": n, "sleepMs": 5}})).collect();
    let posted = api.post("/v1/batches", &json!({"jobs": jobs, "maxConcurrent": 1})).body;
    let id = posted["id"].as_str().unwrap();
    assert_eq!(api.batch_settled(id)["fulfilled"], 12);
    let started = |item: &Value| {
        let job = api.get(&format!("/v1/jobs/{}", item["jobId"].as_str().unwrap())).body;
        job["startedAt"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap()
    };
    let starts: Vec<jiff::Timestamp> = api.batch_results(id).iter().map(started).collect();
    assert!(starts.is_sorted(), "{starts:?}");
}

#[test]
fn a_hundred_equal_jobs_posted_at_once_to_three_workers_are_one_run_and_a_hundred_results() {
    let fleet = Fleet::start();
    let (_serve, api) = fleet.serve();
    let _workers = [fleet.work(), fleet.work(), fleet.work()];
    let posting: Vec<_> = (0..100)
        .map(|_| {
            let api = api.clone();
            std::thread::spawn(move || {
                api.submit("speech", json!({"text": "Said once, heard a hundred times."}))
            })
        })
        .collect();
    let jobs: Vec<String> = posting.into_iter().map(|thread| thread.join().unwrap()).collect();
    let results: std::collections::BTreeSet<String> =
        jobs.iter().map(|job| api.settled(job)["result"]["artifact"].to_string()).collect();
    assert_eq!(results.len(), 1, "{results:?}");
    let tasks: Vec<Value> =
        jobs.iter().map(|job| api.get(&format!("/v1/jobs/{job}/tasks")).body).collect();
    let ran = |plan: &&Value| plan["tasks"][0]["attempts"] != 0;
    assert_eq!(tasks.iter().filter(ran).count(), 1, "one of them ran");
    assert_eq!(tasks.iter().filter(|plan| plan["tasks"][0]["cached"] == true).count(), 99);
}

#[test]
fn a_schedule_fires_once_for_each_due_time_with_two_servers_and_its_job_names_it() {
    let fleet = Fleet::start();
    let (_first, api) = fleet.serve();
    let (_second, _) = fleet.serve();
    let _work = fleet.work();
    let job = json!({"kind": "echo", "input": {"value": "again"}});
    let schedule = json!({"cron": "* * * * *", "timezone": "UTC", "job": job});
    let made = api.post("/v1/schedules", &schedule);
    assert_eq!(made.status, 201, "{}", made.body);
    let id = made.body["id"].as_str().unwrap().to_owned();
    // Moves the due time forward instead of waiting a minute: both servers find the schedule due at
    // once.
    let due =
        made.body["nextAt"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_millisecond()
            - 60_000;
    on_server(&fleet.database, format!("UPDATE spool.schedules SET next_at = {due}")).unwrap();
    let path = format!("/v1/schedules/{id}");
    let fired =
        wait_for(|| api.get(&path).body["lastJob"].as_str().map(str::to_owned)).expect("it fires");
    let job = api.settled(&fired);
    assert_eq!((&job["result"], &job["scheduleId"]), (&json!("again"), &json!(id)));
    api.post(&format!("{path}/pause"), &json!({}));
    let jobs =
        api.get(&format!("/v1/jobs?tag=schedule:{id}")).body["jobs"].as_array().unwrap().clone();
    let times: std::collections::BTreeSet<&str> =
        jobs.iter().map(|job| job["id"].as_str().unwrap()).collect();
    assert!(
        (1..=2).contains(&jobs.len()) && times.len() == jobs.len(),
        "one for each minute: {jobs:?}"
    );
}

#[test]
fn without_redis_postgres_gives_the_same_answers() {
    let mut fleet = Fleet::start();
    let (_serve, api) = fleet.serve();
    let _work = fleet.work();
    let id = api.submit("echo", json!({"value": {"deep": [1, 2.5, "x"]}}));
    let from_redis = api.settled(&id);
    let long = api.submit("echo", json!({"sleepMs": 6_000, "value": "long"}));
    api.becomes(&long, "running");
    fleet.redis.kill();
    assert_eq!(api.get(&format!("/v1/jobs/{id}")).body, from_redis);
    assert_eq!(api.run("echo", json!({"value": "after"}))["result"], "after");
    assert_eq!(api.settled(&long)["result"], "long");
    fleet.redis = start_redis(fleet.redis_port, fleet.folder.path());
    assert_eq!(api.run("echo", json!({"value": "back"}))["result"], "back");
}

#[test]
fn a_killed_workers_tasks_run_elsewhere() {
    let fleet = Fleet::start();
    let (_serve, api) = fleet.serve();
    let mut first = fleet.work();
    let id = api.submit("echo", json!({"sleepMs": 5_000, "value": "survived"}));
    api.becomes(&id, "running");
    // Killed at once: the time is needed for the other one to start.
    first.kill();
    let _second = fleet.work();
    let job = api.settled(&id);
    assert_eq!(job["result"], "survived", "{job}");
    let task = &api.get(&format!("/v1/jobs/{id}/tasks")).body["tasks"][0];
    assert_eq!(
        (&task["attempts"], &task["losses"]),
        (&json!(1), &json!(1)),
        "a loss burns no attempt: {task}"
    );
}

#[test]
fn a_composition_is_rendered_by_a_fleet() {
    let fleet = Fleet::start();
    let (_serve, api) = fleet.serve();
    let (_first, _second) = (fleet.work(), fleet.work());
    let composition = json!({
        "timeline": {"tracks": [
            {"clips": [{"asset": {"type": "text", "text": "fleet"}, "start": 1, "length": 6}]},
            {"clips": [{"asset": {"type": "color", "color": "#204060"}, "start": 0, "length": 12}]},
        ]},
        "output": {"format": "mp4", "size": {"width": 192, "height": 108}, "fps": 25},
    });
    let job = api.run("render", composition);
    assert_eq!(job["status"], "succeeded", "{job}");
    assert!(job["result"]["segments"]["total"].as_u64().unwrap() >= 3);
}

#[test]
fn check_reports_whether_each_dependency_is_reachable() {
    let fleet = Fleet::start();
    let check = || {
        serde_json::from_slice(&run(fleet.spool(&["check", "--json"])).stdout)
            .unwrap_or(Value::Null)
    };
    let offline = "ok: no network for text, speech, image";
    let all = json!({
        "store": "ok", "broker": "ok", "view_cache": "ok",
        "artifacts": "ok: the folder is made at the first start",
        "provider offline": offline,
    });
    // Redis has half a second to answer, which a busy machine may exceed.
    let found = wait_for(|| Some(check()).filter(|parts| *parts == all));
    assert!(found.is_some(), "{}", check());
    let mut wrong = fleet.spool(&["check"]);
    wrong.env("SPOOL_DATABASE_URL", "postgres://nobody@127.0.0.1:9/none");
    let output = run(wrong);
    let said = [output.stdout, output.stderr]
        .map(|said| String::from_utf8_lossy(&said).into_owned())
        .concat();
    let says = |what: &str| said.contains(what);
    assert_eq!(
        (output.status.code(), says("PostgreSQL"), says("panicked")),
        (Some(3), true, false),
        "{said}"
    );
    assert!(
        said.lines().any(|line| line.starts_with("store ") && line.contains("PostgreSQL")),
        "{said}"
    );
    let ok = |part: &str| said.lines().any(|line| line.starts_with(part) && line.contains(" ok"));
    assert!(
        ["broker ", "view_cache ", "artifacts "].into_iter().all(ok),
        "what is away hides nothing else: {said}"
    );
}

#[test]
fn a_worker_caches_files_of_another_disk_and_shows_its_caches_and_pools() {
    let fleet = Fleet::start();
    let (_serve, api) = fleet.serve();
    // On any Linux, another file system than that of the artifacts.
    let near = tempfile::tempdir_in("/dev/shm").unwrap();
    let port = free_port();
    let mut command =
        fleet.spool(&["work", "--slots", "4", "--listen", &format!("127.0.0.1:{port}")]);
    command.env("SPOOL_DISK_CACHE", near.path()).env("SPOOL_DISK_CACHE_BYTES", "10000000");
    let mut worker = Process::start(command);
    worker.logged("working");
    let spoken = api.run("speech", json!({"text": "Kept near."}));
    let hash =
        spoken["result"]["artifact"].as_str().unwrap_or_else(|| panic!("{spoken}")).to_owned();
    let src = format!("artifact://{hash}");
    for _ in 0..2 {
        assert_eq!(api.run("probe", json!({"src": src}))["status"], "succeeded");
    }
    let own = ApiClient::at(&format!("http://127.0.0.1:{port}"));
    // A report lacks the size of Redis if that did not answer in time.
    let report = wait_for(|| {
        Some(own.get("/v1/admin/cache").body).filter(|report| !report["shared"].is_null())
    });
    let report = report.expect("Redis answers");
    let disk = &report["disk"];
    assert!(
        disk["entries"].as_u64() >= Some(1) && disk["bytes"].as_u64() > Some(1_000),
        "{report}"
    );
    assert!(
        disk["reads"]["hits"].as_u64() >= Some(1),
        "what was made here was read from the disk: {report}"
    );
    assert_eq!(disk["limit"], json!(10_000_000));
    assert!(report["shared"]["bytes"].as_u64() > Some(0), "{report}");
    let http = reqwest::blocking::Client::builder().no_proxy().build().unwrap();
    let metrics =
        http.get(format!("http://127.0.0.1:{port}/metrics")).send().unwrap().text().unwrap();
    for series in [
        "spool_disk_cache_reads_total{outcome=\"hit\"}",
        "spool_cache_misses_total{level=\"l2\",namespace=\"metadata\"}",
        "spool_pool_limit{pool=\"postgresql\"} 8",
        "spool_pool_limit{pool=\"rabbitmq\"} 2",
        "spool_pool_connections{pool=\"redis\",state=\"in_use\"}",
        "spool_pool_waiting{pool=\"postgresql\"}",
    ] {
        assert!(metrics.contains(series), "{series} is not in\n{metrics}");
    }
}
