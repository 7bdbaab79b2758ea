//! Checks, stills and thumbnails of a composition.

use serde_json::{Value, json};
use tempfile::tempdir;

use crate::dev_process::Dev;
use crate::process::{run, spool};

fn composition() -> Value {
    let text = |text: &str, start: u32| {
        let asset = json!({"type": "text", "text": text, "font": {"size": 24}});
        json!({"asset": asset, "start": start, "length": 2})
    };
    json!({
        "timeline": {"tracks": [
            {"clips": [text("one", 0), text("two", 4)]},
            {"clips": [{"asset": {"type": "color", "color": "#204060"}, "start": 0, "length": 6}]},
        ]},
        "output": {"format": "mp4", "size": {"width": 192, "height": 108}, "fps": 25},
    })
}

/// A PNG's width and height, from its header.
fn size_of_png(bytes: &[u8]) -> (u32, u32) {
    assert_eq!(&bytes[..8], b"\x89PNG\r\n\x1a\n");
    let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    (number(16), number(20))
}

#[test]
fn a_check_reports_all_faults_or_how_much_is_cached() {
    let data = tempdir().unwrap();
    let dev = Dev::start(data.path());
    let check = |composition: &Value| {
        let answer = dev.api.post("/v1/compositions/check", composition);
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body
    };
    let before = check(&composition());
    let total = before["segments"]["total"].as_u64().unwrap();
    assert_eq!(
        (
            &before["faults"],
            &before["duration"],
            &before["segments"]["cached"],
            &before["soundCached"]
        ),
        (&json!([]), &json!(6.0), &json!(0), &Value::Null)
    );
    assert!(total >= 2 && before["estimate"]["coreSeconds"].as_f64().unwrap() > 0.0, "{before}");
    dev.api.run("render", composition());
    let after = check(&composition());
    assert_eq!(
        (&after["segments"]["cached"], &after["estimate"]["coreSeconds"]),
        (&json!(total), &json!(0.0))
    );

    let mut bad = composition();
    bad["output"]["fps"] = json!(1000);
    bad["timeline"]["tracks"][0]["clips"][0]["lenght"] = json!(1);
    let faults = check(&bad);
    let pointers: Vec<&str> = faults["faults"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|fault| fault["pointer"].as_str())
        .collect();
    for wanted in ["/output/fps", "/timeline/tracks/0/clips/0/lenght"] {
        assert!(pointers.contains(&wanted), "{pointers:?}");
    }
    let mut missing = composition();
    missing["timeline"]["soundtrack"] = json!({"src": "https://127.0.0.1/nothing.mp3"});
    assert!(check(&missing)["faults"][0]["detail"].as_str().unwrap().contains("private, loopback"));
}

#[test]
fn a_check_of_what_providers_would_make_asks_none_of_them() {
    let data = tempdir().unwrap();
    let dev = Dev::start(data.path());
    let mut spoken = composition();
    let text = "Ten words are spoken here, and this is a test.";
    let speech = json!({"type": "speech", "text": text});
    spoken["timeline"]["tracks"][0]["clips"][0]["asset"] = speech;
    let topic = json!({"topic": "Tides", "duration": 20, "resolution": "preview"});
    for (checked, calls, seconds) in [
        (spoken, 1, 4.0..=9.0),
        (json!({"kind": "video", "input": topic}), 7, 8.0..=40.0),
        (json!({"kind": "script", "input": {"topic": "Tides", "duration": 20}}), 1, 20.0..=20.0),
    ] {
        let answer = dev.api.post("/v1/compositions/check", &checked);
        let estimate = &answer.body["estimate"];
        assert_eq!((answer.status, &answer.body["faults"]), (200, &json!([])), "{}", answer.body);
        assert_eq!((&estimate["calls"], &estimate["cost"]), (&json!(calls), &json!(0.0)));
        assert!(seconds.contains(&answer.body["duration"].as_f64().unwrap()), "{}", answer.body);
        assert_eq!(answer.body["estimated"], json!(true));
        assert!(estimate["seconds"].as_f64().unwrap() > 0.0, "{estimate}");
    }
    let jobs = dev.api.get("/v1/jobs?limit=100").body;
    let kinds = |job: &Value| -> Vec<String> {
        let tasks = dev.api.get(&format!("/v1/jobs/{}/tasks", job["id"].as_str().unwrap())).body;
        let tasks = tasks["tasks"].as_array().unwrap();
        tasks.iter().map(|task| task["kind"].as_str().unwrap().to_owned()).collect()
    };
    assert!(jobs["jobs"].as_array().unwrap().iter().all(|job| kinds(job) == ["check"]), "{jobs}");
    let bad = json!({"kind": "video", "input": {"topic": "Tides", "duration": 3}});
    let faults = dev.api.post("/v1/compositions/check", &bad).body;
    assert_eq!(faults["faults"][0]["pointer"], json!("/input/duration"));
}

#[test]
fn a_still_is_drawn_once_and_then_cached() {
    let data = tempdir().unwrap();
    let dev = Dev::start(data.path());
    let still =
        |query: &str| dev.api.post(&format!("/v1/compositions/still{query}"), &composition());
    let first = still("?t=0.5");
    assert_eq!((first.status, first.header("content-type")), (200, "image/png"), "{}", first.body);
    assert_eq!(still("?t=0.51").header("etag"), first.header("etag"), "the same frame");
    assert_ne!(still("?t=3").header("etag"), first.header("etag"));
    assert_eq!(still("?t=3&format=jpg").header("content-type"), "image/jpeg");
    assert_eq!((still("?t=soon").status, still("?format=bmp").status), (400, 400));
    let late = still("?t=60");
    assert_eq!(
        (late.status, &late.body["errors"][0]["pointer"]),
        (422, &json!("/t")),
        "{}",
        late.body
    );

    let again = dev.api.run("still", json!({"composition": composition(), "t": 0.5}));
    assert_eq!(again["result"]["segments"], json!({"total": 1, "rendered": 0, "cached": 1}));
    let png = std::fs::read(again["result"]["path"].as_str().unwrap()).unwrap();
    assert_eq!(size_of_png(&png), (192, 108));
}

#[test]
fn a_thumbnail_of_a_file_or_a_composition_has_the_requested_width() {
    let data = tempdir().unwrap();
    let dev = Dev::start(data.path());
    let rendered = dev.api.run("render", composition());
    let src = format!("artifact://{}", rendered["result"]["artifact"].as_str().unwrap());
    let size = |input: Value| {
        let made = dev.api.run("thumbnail", input);
        assert_eq!(made["status"], "succeeded", "{made}");
        let result = &made["result"];
        (
            result["width"].as_u64().unwrap(),
            result["height"].as_u64().unwrap(),
            result["mediaType"].as_str().unwrap().to_owned(),
        )
    };
    assert_eq!(
        size(json!({"src": src, "t": 99, "width": 64, "format": "webp"})),
        (64, 36, "image/webp".to_owned())
    );
    assert_eq!(
        size(json!({"composition": composition(), "t": 1, "width": 65})),
        (65, 37, "image/jpeg".to_owned())
    );
    // A picture is never enlarged.
    assert_eq!(size(json!({"src": src, "format": "png"})).0, 192);
    let refused = dev.api.post("/v1/jobs", &json!({"kind": "thumbnail", "input": {"width": 5}}));
    assert_eq!(refused.status, 422, "{}", refused.body);
}

#[test]
fn a_check_and_a_still_need_no_server() {
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("good.json"), composition().to_string()).unwrap();
    std::fs::write(at("bad.json"), composition().to_string().replace("\"start\":4", "\"strat\":4"))
        .unwrap();
    let command = |arguments: &[&str]| {
        let mut command = spool();
        command.current_dir(folder.path()).args(arguments).args(["--cache", "cache"]);
        let output = run(command);
        (
            output.status.code().unwrap(),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (code, out, said) = command(&["check", "good.json"]);
    assert_eq!((code, out.starts_with("no faults, 6.0 s")), (0, true), "{out}{said}");
    let (code, _, said) = command(&["check", "bad.json"]);
    assert_eq!((code, said.contains("/timeline/tracks/0/clips/1/strat")), (1, true), "{said}");
    let (code, out, said) = command(&["still", "good.json", "-t", "4.5", "-o", "frame.png"]);
    assert_eq!((code, out.as_str()), (0, "frame.png  192 × 108\n"), "{said}");
    assert_eq!(size_of_png(&std::fs::read(at("frame.png")).unwrap()), (192, 108));
    let (code, _, said) = command(&["render", "good.json", "-o", "out.mp4"]);
    assert!(code == 0 && said.contains("segment-1 rendered, "), "{said}");
    let (code, _, said) = command(&["render", "good.json", "-o", "out.mp4", "--json"]);
    let last: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    assert_eq!((code, &last["progress"]), (0, &json!(1.0)), "{said}");
}
