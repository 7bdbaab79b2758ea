//! What each fault of a provider ends in.

use serde_json::{Value, json};
use tempfile::tempdir;
use worker::providers::{Config, Metrics, Providers, Secret, ServiceConfig};

use crate::{
    server::{KEY, Server},
    stand::Stand,
};

fn config(server: &Server, more: &str) -> String {
    format!(
        "[providers.services.openai]\nbase_url = \"{}\"\ntimeout_seconds = 3\nretries = 2\n{more}\n\
         [providers.services.openai.prices]\ninput_tokens = 1000.0\noutput_tokens = 1000.0\n",
        server.base()
    )
}

fn stand(data: &std::path::Path, server: &Server, more: &str) -> Stand {
    Stand::start(data, &config(server, more), &[("SPOOL_OPENAI_API_KEY", KEY)])
}

/// Runs one attempt of a job to its end.
fn once(stand: &Stand, kind: &str, input: Value) -> Value {
    let answer = stand.api.post("/v1/jobs", &json!({"kind": kind, "input": input, "maxAttempts": 1}));
    assert_eq!(answer.status, 202, "{}", answer.body);
    stand.api.settled(answer.body["id"].as_str().unwrap())
}

/// Kind, what asks for the fault, the code it ends in (none: it succeeds), the class, words of the sentence, requests made.
type Case = (&'static str, &'static str, Option<(&'static str, &'static str)>, &'static str, usize);

const CASES: &[Case] = &[
    ("hook", "fault:none", None, "", 1),
    ("hook", "fault:plain", None, "", 1),
    ("hook", "fault:once-429", None, "", 2),
    ("hook", "fault:once-500", None, "", 2),
    ("hook", "fault:cut-stream", None, "", 2),
    ("hook", "fault:once-schema", None, "", 2),
    ("hook", "fault:long-429", Some(("unavailable", "transient")), "429", 1),
    ("hook", "fault:always-500", Some(("unavailable", "transient")), "500", 3),
    ("hook", "fault:slow", Some(("timeout", "transient")), "no answer within 3s", 1),
    ("hook", "fault:cut", Some(("unavailable", "transient")), "can't be used", 3),
    ("hook", "fault:bad-request", Some(("provider_refused", "permanent")), "no such  model", 1),
    ("hook", "fault:key", Some(("provider_refused", "permanent")), "check the API key", 1),
    ("hook", "fault:html", Some(("bad_answer", "permanent")), "is not JSON", 1),
    ("hook", "fault:not-json", Some(("bad_answer", "permanent")), "`Sure! Here are your hooks.`", 2),
    ("hook", "fault:schema", Some(("bad_answer", "permanent")), "/hooks", 2),
    ("hook", "fault:huge", Some(("bad_answer", "permanent")), "is larger than", 1),
    ("speech", "fault:none", None, "", 1),
    ("speech", "fault:html", Some(("bad_answer", "permanent")), "`text/html` where a sound", 1),
    ("speech", "fault:noise", Some(("bad_answer", "permanent")), "can't be used", 1),
    ("speech", "fault:empty", Some(("bad_answer", "permanent")), "empty sound", 1),
    ("image", "fault:none", None, "", 1),
    ("image", "fault:noise", Some(("bad_answer", "permanent")), "can't be used", 1),
    ("image", "fault:not-base64", Some(("bad_answer", "permanent")), "not base64", 1),
];

#[test]
fn every_fault_of_a_provider_has_its_end_and_no_error_shows_the_key() {
    let (data, server) = (tempdir().unwrap(), Server::start());
    let stand = stand(data.path(), &server, "breaker_failures = 1000");
    for (kind, text, end, sentence, requests) in CASES {
        let (field, path) = match *kind {
            "speech" => ("text", "speech"),
            "image" => ("prompt", "image"),
            _ => ("topic", "chat"),
        };
        let marked = format!("{text} {kind}");
        let job = once(&stand, kind, json!({field: marked}));
        match end {
            None => assert_eq!(job["status"], "succeeded", "{marked}: {job}"),
            Some((code, class)) => {
                assert_eq!(
                    (&job["error"]["code"], &job["error"]["class"]),
                    (&json!(code), &json!(class)),
                    "{marked}: {job}"
                );
                let detail = job["error"]["detail"].as_str().unwrap();
                assert!(detail.contains(sentence), "{marked}: {detail}");
            }
        }
        assert!(!job.to_string().contains(KEY), "{marked}: {job}");
        let calls: Vec<_> = server.calls(&marked).into_iter().filter(|call| call.path == path).collect();
        assert_eq!(calls.len(), *requests, "{marked}");
        assert!(calls.iter().all(|call| call.idempotency.starts_with("spool-")), "{calls:?}");
    }
    let repeated: Vec<String> =
        server.calls("fault:always-500 hook").into_iter().map(|call| call.idempotency).collect();
    assert!(repeated.windows(2).all(|pair| pair[0] == pair[1]), "one key for all tries: {repeated:?}");
    assert!(!stand.process.log().contains(KEY), "the log shows the key");
    assert!(stand.metric("spool_provider_calls_total{outcome=\"ok\",provider=\"openai\"}").unwrap() >= 8.0);
    assert_eq!(stand.metric("spool_provider_connections{provider=\"openai\"}"), Some(0.0));
}

#[test]
fn usage_and_cost_are_in_the_result_and_words_are_those_that_were_heard() {
    let (data, server) = (tempdir().unwrap(), Server::start());
    let stand = stand(data.path(), &server, "");
    let made = once(&stand, "hook", json!({"topic": "Tides"}))["result"]["made"].clone();
    assert_eq!(
        (&made["provider"], &made["model"], &made["prompt"]),
        (&json!("openai"), &json!("gpt-4o-mini"), &json!("hook@1"))
    );
    assert_eq!(made["usage"]["outputTokens"], 20);
    assert!((made["usage"]["cost"].as_f64().unwrap() - 0.03).abs() < 1e-9, "{made}");
    let spoken = once(&stand, "speech", json!({"text": "Hello there."}))["result"].clone();
    assert_eq!(
        (&spoken["provider"], &spoken["timing"], &spoken["durationMs"]),
        (&json!("openai"), &json!("heard"), &json!(1500))
    );
    let last = json!({"word": "there.", "startMs": 700, "endMs": 1500});
    assert_eq!(spoken["words"][1], last, "no word outlasts the sound");
    once(&stand, "hook", json!({"topic": "Tides"}));
    assert_eq!(server.calls("Tides").len(), 1, "the second is found");
}

#[test]
fn what_a_model_was_talked_into_is_text_and_nothing_else() {
    let (data, server) = (tempdir().unwrap(), Server::start());
    let stand = stand(data.path(), &server, "");
    let job = once(&stand, "hook", json!({"topic": "fault:hostile"}));
    let text = job["result"]["hooks"][0].as_str().unwrap_or_else(|| panic!("{job}"));
    assert!(!text.chars().any(|c| c.is_control() || c == '\u{202e}'), "{text:?}");
    assert!(text.contains("<script>") && text.contains("{{MEDIA}}"), "{text:?}");
    // The same said and shown in a video: it is spoken and written, and nothing in it is obeyed.
    let scenes = json!([{"text": text, "picture": text}]);
    let input =
        json!({"script": {"title": text, "scenes": scenes}, "resolution": "preview", "onSceneError": "placeholder"});
    let job = once(&stand, "video", input);
    assert_eq!(job["status"], "succeeded", "{job}");
}

#[test]
fn a_provider_that_keeps_failing_is_left_alone_and_the_next_of_the_chain_is_asked() {
    let (data, server) = (tempdir().unwrap(), Server::start());
    let services = config(&server, "breaker_failures = 3\nbreaker_seconds = 60");
    let config = format!("[providers]\ntext = [\"openai\", \"offline\"]\n\n{services}");
    let stand = Stand::start(data.path(), &config, &[("SPOOL_OPENAI_API_KEY", KEY)]);
    let first = once(&stand, "hook", json!({"topic": "fault:always-500 first"}));
    assert_eq!(first["result"]["made"]["provider"], "offline", "{first}");
    assert_eq!(stand.metric("spool_provider_breaker{provider=\"openai\"}"), Some(2.0));
    let second = once(&stand, "hook", json!({"topic": "zebras"}));
    assert_eq!(second["result"]["made"]["provider"], "offline", "{second}");
    assert_eq!(server.calls("zebras").len(), 0, "an open breaker lets nothing through");
}

#[test]
fn fifty_videos_with_thirty_topics_and_five_bad_ones_make_thirty_calls() {
    let (data, server) = (tempdir().unwrap(), Server::start());
    let chains =
        "[providers]\ntext = [\"openai\"]\nspeech = [\"offline\"]\nimage = [\"offline\"]\ntranscription = []\n\n";
    let config = format!("{chains}{}", config(&server, ""));
    let stand = Stand::start(data.path(), &config, &[("SPOOL_OPENAI_API_KEY", KEY)]);
    let good = |index: usize| json!({"kind": "video", "input": {"topic": format!("topic {:02}", index % 30), "resolution": "preview"}});
    let mut jobs: Vec<Value> = (0..45).map(good).collect();
    jobs.extend((0..5).map(|_| json!({"kind": "video", "input": {"topic": "", "duration": 1}})));
    let batch = stand.api.post("/v1/batches", &json!({"jobs": jobs}));
    assert_eq!(batch.status, 202, "{}", batch.body);
    let counts = stand.api.batch_settled(batch.body["id"].as_str().unwrap());
    assert_eq!((&counts["fulfilled"], &counts["rejected"]), (&json!(45), &json!(5)), "{counts}");
    assert_eq!(server.calls("topic ").len(), 30, "a call for each topic, and none for those that are equal");
}

#[test]
fn a_check_tries_each_service_and_shows_no_key() {
    let server = Server::start();
    let service = |key: &str| ServiceConfig {
        base_url: server.base(),
        api_key: Some(Secret::new(key)),
        retries: 0,
        ..ServiceConfig::default()
    };
    let nobody = ServiceConfig { base_url: "http://127.0.0.1:9/v1".into(), retries: 0, ..ServiceConfig::default() };
    let services = [("a-right", service(KEY)), ("b-wrong", service("sk-wrong")), ("c-nobody", nobody)];
    let services = services.into_iter().map(|(name, service)| (name.to_owned(), service)).collect();
    let metrics = Metrics::new(&prometheus::Registry::new()).unwrap();
    let providers = Providers::new(&Config { services, ..Config::default() }, &metrics).unwrap();
    let answers = tokio::runtime::Runtime::new().unwrap().block_on(providers.check());
    let said: Vec<String> = answers.iter().map(|(name, answer)| format!("{name} {answer:?}")).collect();
    assert!(said[0].contains("a-right Ok"), "{said:?}");
    assert!(said[1].contains("check the API key") && !said[1].contains("sk-wrong"), "{said:?}");
    assert!(said[2].contains("can't be used"), "{said:?}");
}
