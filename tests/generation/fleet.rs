//! Generation on production adapters: one server, two workers, PostgreSQL, RabbitMQ and Redis, and
//! settings from variables alone.

use std::{collections::BTreeSet, process::Command};

use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use tempfile::{TempDir, tempdir};

use crate::{
    client::ApiClient,
    process::{Process, run, service, spool},
    server::{KEY, ProviderServer, wav},
};

/// A fleet on the shared services, with a database, names and artifacts of its own.
struct GenerationFleet {
    name: String,
    folder: TempDir,
    provider: ProviderServer,
}

impl GenerationFleet {
    fn start() -> Self {
        let name = format!("gen{}", uuid::Uuid::now_v7().simple());
        on_server(format!("CREATE DATABASE {name}"));
        let fleet = Self { name, folder: tempdir().unwrap(), provider: ProviderServer::start() };
        let migrated = run(fleet.spool(&["migrate"]));
        assert!(migrated.status.success(), "{}", String::from_utf8_lossy(&migrated.stderr));
        fleet
    }

    fn spool(&self, arguments: &[&str]) -> Command {
        let server = service("SPOOL_DATABASE_URL");
        let (base, _) = server.rsplit_once('/').expect("a database URL");
        let mut command = spool();
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env("NO_PROXY", "127.0.0.1")
            .env("SPOOL_DATABASE_URL", format!("{base}/{}", self.name))
            .env("SPOOL_AMQP_URL", service("SPOOL_AMQP_URL"))
            .env("SPOOL_REDIS_URL", service("SPOOL_REDIS_URL"))
            .env(
                "SPOOL_ARTIFACTS_URL",
                format!("file://{}", self.folder.path().join("artifacts").display()),
            )
            .env("SPOOL_NAMESPACE", &self.name)
            .env("SPOOL_ALLOW", self.folder.path())
            .env("SPOOL_SCRATCH", self.folder.path().join("scratch"))
            .env("SPOOL_GRACE_SECONDS", "2")
            .env("SPOOL_CLASSIC_QUEUES", "true")
            .env("SPOOL_OPENAI_API_KEY", KEY)
            .env("SPOOL_OPENAI_BASE_URL", self.provider.base())
            .env("SPOOL_PROVIDERS_TEXT", "openai,offline")
            .env("SPOOL_PROVIDERS_SPEECH", "offline")
            .env("SPOOL_PROVIDERS_IMAGE", "offline");
        command
    }

    fn serve(&self) -> (Process, ApiClient) {
        let (process, address) =
            Process::serving(self.spool(&["serve", "--listen", "127.0.0.1:0"]));
        (process, ApiClient::at(&address))
    }

    fn work(&self) -> Process {
        Process::working(self.spool(&["work", "--slots", "2"]))
    }
}

impl Drop for GenerationFleet {
    fn drop(&mut self) {
        on_server(format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
    }
}

fn on_server(statement: String) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let done = runtime.block_on(async {
        let mut connection = PgConnection::connect(&service("SPOOL_DATABASE_URL")).await?;
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut connection).await?;
        connection.close().await
    });
    done.expect("a database of its own");
}

/// The tasks of a job.
fn tasks(api: &ApiClient, id: &str) -> Vec<Value> {
    api.get(&format!("/v1/jobs/{id}/tasks")).body["tasks"].as_array().unwrap().clone()
}

/// The names of the tasks that ran and were no memo hits, without those that grow, which run each
/// time.
fn ran(api: &ApiClient, id: &str) -> Vec<String> {
    let ran = |task: &&Value| {
        task["cached"] == false && !task["kind"].as_str().unwrap().starts_with("video")
    };
    let mut names: Vec<String> = tasks(api, id)
        .iter()
        .filter(ran)
        .map(|task| task["name"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn every_kind_of_generation_works_on_a_fleet_and_a_video_is_cached() {
    let fleet = GenerationFleet::start();
    std::fs::write(fleet.folder.path().join("recording.wav"), wav(1_500)).unwrap();
    let (_serve, api) = fleet.serve();
    let (first, second) = (fleet.work(), fleet.work());
    let mut seen = Vec::new();
    let mut run = |kind: &str, input: Value| {
        let id = api.submit(kind, input);
        let job = api.settled(&id);
        assert_eq!(job["status"], "succeeded", "{job}");
        seen.push(id.clone());
        (job["result"].clone(), id)
    };
    let (script, _) = run("script", json!({"topic": "Tides"}));
    assert_eq!(
        (&script["provenance"]["provider"], &script["scenes"][0]["text"]),
        (&json!("openai"), &json!("Of Tides."))
    );
    let (speech, _) = run("speech", json!({"text": "Hello from a fleet."}));
    assert_eq!(
        (&speech["timing"], speech["words"].as_array().map(Vec::len)),
        (&json!("exact"), Some(4)),
        "{speech}"
    );
    let (image, _) = run("image", json!({"prompt": "a sea", "width": 320, "height": 180}));
    assert_eq!((&image["mediaType"], &image["width"]), (&json!("image/png"), &json!(320)));
    let (subtitles, _) = run("subtitles", json!({"src": "recording.wav", "format": "vtt"}));
    assert!(subtitles["text"].as_str().unwrap().contains("Hello there."), "{subtitles}");
    for (kind, input) in [
        ("ideas", json!({"scenes": ["The sea rises."]})),
        ("hook", json!({"topic": "Tides"})),
        ("score", json!({"script": "The sea rises."})),
    ] {
        run(kind, input);
    }
    let video = |last: &str| {
        let scenes =
            json!([{"text": "The sea rises."}, {"text": "The moon pulls it."}, {"text": last}]);
        json!({"script": {"title": "Tides", "scenes": scenes}, "resolution": "preview"})
    };
    let (made, _) = run("video", video("That is all."));
    for member in
        ["script", "scenes", "audio", "words", "srt", "composition", "url", "thumbnail", "usage"]
    {
        assert!(!made[member].is_null(), "{member}: {made}");
    }
    let (again, id) = run("video", video("That is all."));
    assert_eq!((&again["artifact"], ran(&api, &id)), (&made["artifact"], Vec::new()));
    let (_, id) = run("video", video("That was all there is."));
    let changed: Vec<String> =
        ran(&api, &id).into_iter().filter(|name| !name.starts_with("segment-")).collect();
    assert_eq!(
        changed,
        ["assemble", "sound", "speech-3"],
        "a painter that reads nothing paints its place"
    );
    let (topic, _) = run("video", json!({"topic": "Tides", "resolution": "preview"}));
    assert_eq!(topic["scenes"][0]["text"], "Of Tides.");
    let workers: BTreeSet<String> =
        seen.iter().flat_map(|id| tasks(&api, id)).map(|task| task["worker"].to_string()).collect();
    assert!(
        workers.iter().filter(|worker| *worker != "null").count() == 2,
        "both ran some: {workers:?}"
    );
    assert_eq!((first.terminate().code(), second.terminate().code()), (Some(0), Some(0)));
}
