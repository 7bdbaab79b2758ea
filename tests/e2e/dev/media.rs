//! Speech, sources and renders, through the real engine.

use std::path::Path;

use serde_json::{Value, json};
use tempfile::tempdir;

use crate::dev_process::Dev;
use crate::process::{run, scratch_folders, spool};

/// Six seconds with two captions over a colour, and a voice: quick to render.
fn composition(first: &str, second: &str) -> Value {
    let text = |text: &str, start: f64| {
        let asset = json!({"type": "text", "text": text, "font": {"size": 24}});
        json!({"asset": asset, "start": start, "length": 2})
    };
    let speech = json!({"type": "speech", "text": "One, two, three."});
    json!({
        "timeline": {"tracks": [
            {"clips": [text(first, 0.5), text(second, 4.5)]},
            {"clips": [{"asset": {"type": "color", "color": "#204060"}, "start": 0, "length": 8}]},
            {"clips": [{"asset": speech, "start": 0, "length": "auto"}]},
        ]},
        "output": {"format": "mp4", "size": {"width": 192, "height": 108}, "fps": 25},
    })
}

#[test]
fn a_render_makes_a_video_and_a_second_one_renders_nothing() {
    let data = tempdir().unwrap();
    let dev = Dev::start(data.path());
    let first = dev.api.run("render", composition("one", "two"));
    assert_eq!(first["status"], "succeeded", "{first}");
    let result = &first["result"];
    assert_eq!(
        (&result["width"], &result["height"], &result["fps"], &result["duration"]),
        (&json!(192), &json!(108), &json!(25.0), &json!(8.0))
    );
    let total = result["segments"]["total"].as_u64().unwrap();
    assert_eq!(result["segments"], json!({"total": total, "rendered": total, "cached": 0}));
    assert!(total >= 2, "{result}");
    let file = std::fs::read(result["path"].as_str().unwrap()).unwrap();
    assert_eq!((&file[4..8], file.len() as u64), (&b"ftyp"[..], result["size"].as_u64().unwrap()));

    let again = dev.api.run("render", composition("one", "two"));
    assert_eq!(
        again["result"]["segments"],
        json!({"total": total, "rendered": 0, "cached": total})
    );
    assert_eq!(again["result"]["artifact"], result["artifact"]);

    let edited = dev.api.run("render", composition("one", "changed"));
    let rendered = edited["result"]["segments"]["rendered"].as_u64().unwrap();
    assert!(
        rendered >= 1 && rendered < total,
        "only what shows the caption: {}",
        edited["result"]["segments"]
    );
    assert_eq!(scratch_folders(&data.path().join("scratch")), Vec::<std::path::PathBuf>::new());
}

#[test]
fn the_finished_file_is_served_in_ranges() {
    let data = tempdir().unwrap();
    let dev = Dev::start(data.path());
    let spoken = dev.api.run("speech", json!({"text": "Range"}));
    let url = spoken["result"]["url"].as_str().unwrap();
    let path = url.trim_start_matches(dev.api.base());
    let part = dev.api.get_with(path, &[("range", "bytes=0-3")]);
    assert_eq!((part.status, part.header("content-length")), (206, "4"));
    assert!(part.header("content-range").starts_with("bytes 0-3/"));
}

#[test]
fn a_bad_source_fails_its_job_with_a_sentence_and_the_worker_continues() {
    let data = tempdir().unwrap();
    let media = tempdir().unwrap();
    let outside = tempdir().unwrap();
    let write = |folder: &Path, name: &str, bytes: &[u8]| {
        std::fs::write(folder.join(name), bytes).unwrap();
        folder.join(name).to_str().unwrap().to_owned()
    };
    let dev = Dev::start_with(data.path(), &["--allow", media.path().to_str().unwrap()]);
    let cases = [
        (media.path().join("missing.mp4").to_str().unwrap().to_owned(), "does not exist"),
        (write(media.path(), "empty.mp4", b""), "is empty"),
        (
            write(media.path(), "text.mp4", b"this is not a video at all, whatever its name says"),
            "",
        ),
        (write(media.path(), "list.mp4", b"ffconcat version 1.0\nfile '/etc/passwd'\n"), ""),
        (write(media.path(), "hls.mp4", b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n#EXT-X-ENDLIST\n"), ""),
        (write(outside.path(), "outside.mp4", b"x"), "is not below a folder"),
        ("http://127.0.0.1:9/a.mp4".to_owned(), "private, loopback"),
        ("http://169.254.169.254/latest".to_owned(), "private, loopback"),
    ];
    for (src, sentence) in cases {
        let job = dev.api.run("probe", json!({"src": src}));
        assert_eq!(job["status"], "failed", "{src}: {job}");
        assert_eq!(
            (&job["error"]["class"], &job["error"]["retryable"]),
            (&json!("caller"), &json!(false)),
            "{src}: {job}"
        );
        let detail = job["error"]["detail"].as_str().unwrap();
        assert!(detail.contains(sentence), "{src}: {detail}");
    }
    assert_eq!(dev.api.run("echo", json!({"value": 1}))["status"], "succeeded");
}

#[test]
fn a_bad_composition_is_refused_with_every_fault_and_its_pointer() {
    let data = tempdir().unwrap();
    let dev = Dev::start(data.path());
    let mut bad = composition("one", "two");
    bad["output"]["fps"] = json!(1000);
    bad["timeline"]["tracks"][0]["clips"][0]["lenght"] = json!(1);
    let refused = dev.api.post("/v1/jobs", &json!({"kind": "render", "input": bad}));
    assert_eq!(refused.status, 422);
    let pointers: Vec<&str> = refused.body["errors"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|fault| fault["pointer"].as_str())
        .collect();
    for wanted in ["/input/output/fps", "/input/timeline/tracks/0/clips/0/lenght"] {
        assert!(pointers.contains(&wanted), "{pointers:?}");
    }
}

#[test]
fn a_composition_is_rendered_without_a_server_and_then_cached() {
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("composition.json"), composition("one", "two").to_string()).unwrap();
    let render = |output: &str| {
        let mut command = spool();
        command
            .args(["render", "--json"])
            .arg(at("composition.json"))
            .arg("-o")
            .arg(at(output))
            .arg("--cache")
            .arg(at("cache"));
        let output = run(command);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let (first, second) = (render("first.mp4"), render("second.mp4"));
    assert_eq!(
        (&first["segments"]["cached"], &second["segments"]["rendered"]),
        (&json!(0), &json!(0))
    );
    assert_eq!(std::fs::read(at("first.mp4")).unwrap(), std::fs::read(at("second.mp4")).unwrap());
}

#[test]
fn broken_fonts_and_colour_tables_are_reported_with_their_pointers_before_drawing() {
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let font = include_bytes!("../../../media/fonts/OpenSans-Regular.ttf");
    std::fs::write(at("cut.ttf"), &font[..font.len() / 2]).unwrap();
    std::fs::write(at("warm.cube"), "LUT_3D_SIZE 2\n0 0 0\n1 0 none\n").unwrap();
    std::fs::write(at("none.srt"), "").unwrap();
    let mut broken = composition("one", "two");
    broken["timeline"]["fonts"] = json!([{"src": "cut.ttf"}]);
    broken["timeline"]["tracks"][0]["clips"][0]["filter"] =
        json!({"type": "lut", "src": "warm.cube"});
    let captions =
        json!({"asset": {"type": "caption", "src": "none.srt"}, "start": 0, "length": 1});
    broken["timeline"]["tracks"].as_array_mut().unwrap().push(json!({"clips": [captions]}));
    std::fs::write(at("composition.json"), broken.to_string()).unwrap();
    let mut command = spool();
    command
        .arg("render")
        .arg(at("composition.json"))
        .arg("-o")
        .arg(at("out.mp4"))
        .arg("--cache")
        .arg(at("cache"));
    let output = run(command);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{said}");
    for line in [
        "/timeline/fonts/0/src: `cut.ttf` can't be used as a font: the font `cut.ttf` is cut short",
        "/timeline/tracks/0/clips/0/filter/src: `warm.cube` can't be used as a colour table",
        "line 3",
        "/timeline/tracks/3/clips/0/asset/src: `none.srt` is empty",
    ] {
        assert!(said.contains(line), "{line} is missing of:\n{said}");
    }
}

#[test]
fn a_picture_is_probed_whatever_its_file_extension() {
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let stops = json!([{"color": "#e04020"}, {"color": "#2040e0"}, {"color": "#20e040"}]);
    let text = "A picture that has more bytes than a first look";
    let writing = json!({"type": "text", "text": text, "font": {"size": 30}});
    let picture = json!({
        "timeline": {"tracks": [
            {"clips": [{"asset": writing, "start": 0, "length": 1}]},
            {"clips": [{"asset": {"type": "gradient", "stops": stops}, "start": 0, "length": 1}]},
        ]},
        "output": {"size": {"width": 640, "height": 360}},
    });
    std::fs::write(at("composition.json"), picture.to_string()).unwrap();
    let mut still = spool();
    still
        .arg("still")
        .arg(at("composition.json"))
        .arg("-o")
        .arg(at("a.jpg"))
        .arg("--cache")
        .arg(at("cache"));
    assert!(run(still).status.success());
    std::fs::copy(at("a.jpg"), at("a.mp4")).unwrap();
    for name in ["a.jpg", "a.mp4"] {
        let mut probe = spool();
        probe.args(["probe", "--json"]).arg(at(name));
        let output = run(probe);
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        let facts: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(
            (&facts["image"], &facts["video"][0]["width"]),
            (&json!(true), &json!(640)),
            "{name}"
        );
    }
}
