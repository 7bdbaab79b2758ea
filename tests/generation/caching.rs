//! Caches for what a memo can't save: a reply that was paid for, and a source whose server says how
//! long it may be reused.

use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use serde_json::{Value, json};
use sqlx::{Connection, SqliteConnection};
use tempfile::tempdir;

use crate::{
    dev_server::{DevServer, guarded, provided},
    server::{ProviderServer, wav},
};

/// Deletes all memos, as their age would.
fn forget_memos(data: &std::path::Path) {
    let url = format!("sqlite://{}", data.join("data/spool.db").display());
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let mut sql = SqliteConnection::connect(&url).await.unwrap();
        let gone = sqlx::query("DELETE FROM memos").execute(&mut sql).await.unwrap();
        assert!(gone.rows_affected() > 0);
    });
}

#[test]
fn an_answer_without_its_memo_is_not_paid_for_again_until_it_is_cleared() {
    let (data, server) = (tempdir().unwrap(), ProviderServer::start());
    let dev = DevServer::start(data.path(), &provided(&server), &[]);
    let ask = || dev.once("hook", json!({"topic": "zebras"}));
    let first = ask();
    assert_eq!((&first["status"], server.count("chat")), (&json!("succeeded"), 1), "{first}");
    forget_memos(data.path());
    let again = ask();
    assert_eq!(
        (&again["result"], server.count("chat")),
        (&first["result"], 1),
        "what was made says the same"
    );
    assert!(dev.metric("spool_cache_hits_total{level=\"l1\",namespace=\"text\"}") >= Some(1.0));
    let report = dev.api.get("/v1/admin/cache").body;
    assert_eq!(report["namespaces"][0]["computed"], json!(1), "{report}");

    let http = reqwest::blocking::Client::builder().no_proxy().build().unwrap();
    let cleared = http
        .delete(format!("{}/v1/admin/cache?tag=provider:openai", dev.api.base()))
        .send()
        .unwrap();
    assert_eq!(cleared.status(), 200);
    forget_memos(data.path());
    ask();
    assert_eq!(server.count("chat"), 2, "what was cleared is asked for again");
}

#[test]
fn memo_hits_are_counted_by_kind() {
    let (data, server) = (tempdir().unwrap(), ProviderServer::start());
    let dev = DevServer::start(data.path(), &provided(&server), &[]);
    for _ in 0..3 {
        assert_eq!(dev.once("hook", json!({"topic": "zebras"}))["status"], "succeeded");
    }
    assert_eq!(
        dev.once("hook", json!({"topic": "fault:key"}))["status"],
        "failed",
        "neither found nor made"
    );
    let scene = |text: &str| json!({"text": text, "picture": "a sea"});
    for last in ["Three.", "Four."] {
        let script = json!({"scenes": [scene("One."), scene("Two."), scene(last)]});
        let job = dev.once("video", json!({"script": script, "resolution": "preview"}));
        assert_eq!(job["status"], "succeeded", "{job}");
    }
    let report = dev.api.get("/v1/admin/cache").body;
    let memo = |kind: &str| {
        report["memos"].as_array().unwrap().iter().find(|memo| memo["kind"] == kind).cloned()
    };
    let counted = |kind: &str| {
        memo(kind).map(|memo| (memo["l3"]["hits"].clone(), memo["l3"]["misses"].clone()))
    };
    assert_eq!(counted("hook"), Some((json!(2), json!(1))), "{report}");
    assert_eq!(counted("speech"), Some((json!(2), json!(4))), "{report}");
    // Three scenes of one picture: one is painted for all.
    assert_eq!(counted("image"), Some((json!(5), json!(1))), "{report}");
    assert_eq!(
        (memo("video"), memo("source")),
        (None, None),
        "what is never remembered is not counted"
    );
    assert_eq!(dev.metric("spool_cache_hits_total{level=\"l3\",namespace=\"hook\"}"), Some(2.0));
    assert_eq!(dev.metric("spool_cache_misses_total{level=\"l3\",namespace=\"hook\"}"), Some(1.0));
}

#[test]
fn the_output_of_a_fallback_is_not_memoised() {
    let (data, server) = (tempdir().unwrap(), ProviderServer::start());
    let chains = ["text", "speech", "image"]
        .map(|role| format!("{role} = [\"openai\", \"offline\"]\n"))
        .concat();
    let services = guarded(&server, "breaker_failures = 1000\nretries = 0");
    let dev = DevServer::start(data.path(), &format!("[providers]\n{chains}\n{services}"), &[]);
    let asks = [("hook", "topic"), ("script", "topic"), ("speech", "text"), ("image", "prompt")];
    // The server is away for the first call of each endpoint. Hooks and scripts use one endpoint.
    for (index, (kind, field)) in asks.into_iter().enumerate() {
        let fault = if kind == "script" { "once-429" } else { "once-500" };
        let input = json!({ field: format!("fault:{fault} zebras {index}") });
        let made = |job: &Value| (job["result"]["provenance"].clone(), job["attempts"].clone());
        let (stand_in, _) = made(&dev.once(kind, input.clone()));
        assert_eq!(stand_in["fallbackFor"], json!(["openai"]), "{kind}: {stand_in}");
        assert!(
            stand_in["provider"] != "openai" && stand_in["model"].is_null(),
            "{kind}: {stand_in}"
        );
        let (real, _) = made(&dev.once(kind, input.clone()));
        assert_eq!(
            (&real["provider"], &real["fallbackFor"]),
            (&json!("openai"), &Value::Null),
            "{kind}: {real}"
        );
        assert_eq!(made(&dev.once(kind, input)), (real, json!(0)), "{kind}: which is remembered");
    }
}

#[test]
fn an_unusable_answer_is_not_cached() {
    let (data, server) = (tempdir().unwrap(), ProviderServer::start());
    let dev = DevServer::start(data.path(), &provided(&server), &[]);
    for calls in [2, 4] {
        let failed = dev.once("hook", json!({"topic": "fault:schema"}));
        assert_eq!((&failed["error"]["code"], server.count("chat")), (&json!("bad_answer"), calls));
    }
}

/// A server of one sound that counts requests and says how long its response may be reused.
fn source(cache_control: &'static str) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/sound.wav", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, mut request, body) = (stream.unwrap(), [0; 4096], wav(300));
            let _ = stream.read(&mut request);
            count.fetch_add(1, SeqCst);
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\ncache-control: {cache_control}\r\n\
                 connection: close\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
        }
    });
    (url, asked)
}

#[test]
fn a_source_is_revalidated_only_when_it_is_no_longer_fresh() {
    let data = tempdir().unwrap();
    let dev = DevServer::start(data.path(), "private_sources = true\n", &[]);
    for (cache_control, asks) in [("max-age=60", 1), ("no-cache", 3), ("max-age=60, private", 3)] {
        let (url, asked) = source(cache_control);
        for _ in 0..3 {
            let probed = dev.once("probe", json!({"src": url}));
            assert_eq!(probed["status"], "succeeded", "{probed}");
        }
        assert_eq!(asked.load(SeqCst), asks, "{cache_control}");
    }
    // The content is the same each time, so it is probed once.
    let report = dev.api.get("/v1/admin/cache").body;
    let computed = |name: &str| {
        let all = report["namespaces"].as_array().unwrap();
        all.iter().find(|one| one["namespace"] == name).unwrap()["computed"].as_u64()
    };
    assert_eq!((computed("metadata"), computed("outside")), (Some(1), Some(7)));
}

#[test]
fn a_warmed_source_is_not_fetched_again_by_its_job() {
    let data = tempdir().unwrap();
    let dev = DevServer::start(data.path(), "private_sources = true\n", &[]);
    let (url, asked) = source("max-age=60");
    let warmed = dev.api.post("/v1/admin/cache/warm", &json!({"sources": [url]}));
    assert_eq!(warmed.status, 202, "{}", warmed.body);
    let counts = dev.api.batch_settled(warmed.body["id"].as_str().unwrap());
    assert_eq!(counts["fulfilled"], json!(1), "{counts}");
    assert_eq!(dev.once("probe", json!({"src": url}))["status"], "succeeded");
    assert_eq!(asked.load(SeqCst), 1);
}
