//! Replies of providers: shown as they come, counted, stored as plain text, and never with the key.

use std::path::Path;

use serde_json::{Value, json};
use tempfile::tempdir;

use crate::{
    dev_server::{DevServer, guarded, provided},
    process::wait_for,
    server::{KEY, ProviderServer},
};

#[test]
fn usage_and_cost_are_in_the_result_and_words_come_from_the_recording() {
    let (data, server) = (tempdir().unwrap(), ProviderServer::start());
    let dev = DevServer::start(data.path(), &guarded(&server, ""), &[]);
    let made = dev.once("hook", json!({"topic": "Tides"}))["result"]["provenance"].clone();
    assert_eq!(
        (&made["provider"], &made["model"], &made["prompt"]),
        (&json!("openai"), &json!("gpt-4o-mini"), &json!("hook@1"))
    );
    assert_eq!(made["usage"]["outputTokens"], 20);
    assert!((made["usage"]["cost"].as_f64().unwrap() - 0.03).abs() < 1e-9, "{made}");
    let spoken = dev.once("speech", json!({"text": "Hello there."}))["result"].clone();
    assert_eq!(
        (&spoken["provider"], &spoken["timing"], &spoken["durationMs"]),
        (&json!("openai"), &json!("heard"), &json!(1500))
    );
    let last = json!({"word": "there.", "startMs": 700, "endMs": 1500});
    assert_eq!(spoken["words"][1], last, "no word outlasts the sound");
    dev.once("hook", json!({"topic": "Tides"}));
    assert_eq!(server.calls("Tides").len(), 1, "the second is found");
}

#[test]
fn a_text_shows_its_progress_while_it_is_written() {
    let (data, server) = (tempdir().unwrap(), ProviderServer::start());
    let dev = DevServer::start(data.path(), &guarded(&server, "timeout_seconds = 60"), &[]);
    let id = dev.submit_once("hook", json!({"topic": "fault:gated"}));
    let written = wait_for(|| {
        let progress = dev.api.get(&format!("/v1/jobs/{id}")).body["progress"].clone();
        (progress["stage"] == "writing" && progress["value"].as_f64() > Some(0.0))
            .then_some(progress)
    });
    assert!(written.is_some(), "no progress was shown");
    server.open_gate();
    let job = dev.api.settled(&id);
    assert_eq!(job["result"]["hooks"], json!(["One", "Two"]), "{job}");
}

#[test]
fn connections_are_kept_and_used_again() {
    let (data, server) = (tempdir().unwrap(), ProviderServer::start());
    let dev = DevServer::start(data.path(), &guarded(&server, ""), &[]);
    for number in 0..8 {
        dev.once("hook", json!({"topic": format!("kept {number}")}));
        dev.once("image", json!({"prompt": format!("kept {number}")}));
    }
    let peers: std::collections::BTreeSet<_> =
        server.calls("kept").into_iter().map(|call| call.peer).collect();
    // Usually one connection; one more for each response whose end came late on a busy machine.
    assert!(server.calls("kept").len() == 16 && peers.len() <= 4, "{peers:?}");
}

#[test]
fn a_bad_answer_is_requested_again_with_its_fault_and_both_are_in_the_error() {
    let (data, server) = (tempdir().unwrap(), ProviderServer::start());
    let dev = DevServer::start(data.path(), &guarded(&server, ""), &[]);
    let job = dev.once("hook", json!({"topic": "fault:not-json"}));
    let detail = job["error"]["detail"].as_str().unwrap();
    assert!(detail.contains("`Sure! Take 1.`") && detail.contains("`Sure! Take 2.`"), "{detail}");
    let calls = server.calls("fault:not-json");
    assert!(!calls[0].body.contains("can't be used"), "{}", calls[0].body);
    assert!(
        calls[1].body.contains("Sure! Take 1.") && calls[1].body.contains("not JSON"),
        "{}",
        calls[1].body
    );
    assert_ne!(calls[0].idempotency, calls[1].idempotency, "another question has another key");
}

#[test]
fn the_key_is_in_no_answer_no_log_and_no_stored_row() {
    let (data, server) = (tempdir().unwrap(), ProviderServer::start());
    let config = format!("{}\n[providers]\ntranscription = []\n", guarded(&server, "retries = 0"));
    let dev = DevServer::start(data.path(), &config, &[]);
    let inputs = [
        ("hook", json!({"topic": "fault:key"})),
        ("hook", json!({"topic": "fault:echo-key"})),
        ("hook", json!({"topic": "fault:error-in-stream"})),
        ("speech", json!({"text": "fault:key"})),
        ("image", json!({"prompt": "fault:key"})),
        ("video", json!({"topic": "fault:key"})),
    ];
    let mut shown = String::new();
    for (kind, input) in inputs {
        let id = dev.submit_once(kind, input);
        shown += &dev.api.settled(&id).to_string();
        shown += &dev.tasks(&id).iter().map(Value::to_string).collect::<String>();
    }
    assert!(
        shown.contains("Your key is [secret].") && shown.contains("overloaded, [secret]"),
        "{shown}"
    );
    shown += &dev.text("/metrics");
    let log = dev.process.log();
    assert!(!shown.contains(KEY) && !log.contains(KEY), "{shown}\n{log}");
    assert_eq!(holding(KEY.as_bytes(), data.path()), Vec::<String>::new());
    assert!(!holding(b"[secret]", data.path()).is_empty(), "what was stored was looked at");
}

#[test]
fn a_models_text_is_kept_as_it_was_written_even_where_it_holds_the_key() {
    let (data, server) = (tempdir().unwrap(), ProviderServer::start());
    let dev = DevServer::start(data.path(), &guarded(&server, "retries = 0"), &[]);
    let job = dev.once("hook", json!({"topic": "fault:key-as-text"}));
    assert_eq!(job["result"]["hooks"], json!([format!("Your key is {KEY}.")]), "{job}");
}

/// The files below a folder that contain these bytes.
fn holding(bytes: &[u8], folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            found.extend(holding(bytes, &path));
        } else if std::fs::read(&path)
            .is_ok_and(|file| file.windows(bytes.len()).any(|part| part == bytes))
        {
            found.push(path.display().to_string());
        }
    }
    found
}

#[test]
fn injected_instructions_in_model_output_are_only_text() {
    let (data, server) = (tempdir().unwrap(), ProviderServer::start());
    let dev = DevServer::start(data.path(), &provided(&server), &[]);
    let clean =
        |text: &str| !text.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}');
    let job = dev.once("hook", json!({"topic": "fault:hostile"}));
    let text = job["result"]["hooks"][0].as_str().unwrap_or_else(|| panic!("{job}"));
    assert!(clean(text) && text.contains("<script>") && text.contains("{{MEDIA}}"), "{text:?}");
    // The same text as the script of a video: it is spoken, painted and written, and nothing in it
    // is obeyed.
    let config = "[providers]\ntext = [\"openai\"]\nspeech = [\"offline\"]\nimage = [\"offline\"]\n\
                  transcription = []\n\n";
    let (spoken, second) = (tempdir().unwrap(), ProviderServer::start());
    let dev = DevServer::start(spoken.path(), &format!("{config}{}", guarded(&second, "")), &[]);
    let job =
        dev.once("video", json!({"topic": "fault:hostile", "resolution": "preview", "rate": 450}));
    assert_eq!(job["status"], "succeeded", "{job}");
    let result = &job["result"];
    let words: Vec<&str> =
        result["words"].as_array().unwrap().iter().map(|w| w["word"].as_str().unwrap()).collect();
    assert!(words.iter().all(|word| clean(word) && !word.contains('\n')), "{words:?}");
    assert!(clean(&result.to_string().replace("\\n", "")), "{result}");
    let srt = result["srt"].as_str().unwrap();
    let forged = srt.lines().any(|line| line.trim() == "99");
    assert!(!forged && !srt.contains("root:"), "{srt}");
    assert_eq!(
        dev.api.run("hook", json!({"topic": "after it"}))["status"],
        "succeeded",
        "the tables are there"
    );
}
