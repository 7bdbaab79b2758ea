//! Sources that cost more to read than to send. Their cost is that of the whole job, whose media
//! process is a child.

use std::{fs, path::Path, time::Duration};

use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

use crate::{
    cost::{self, ByteCost},
    dev_process::Dev,
};

/// A file is read twice: for its facts, and for the plan.
const BYTE: ByteCost = ByteCost { cpu: Duration::from_micros(30), memory: 200 };

/// Makes a file of about this length.
type MakeFile = fn(usize) -> String;

const SRT: &str = "1\n00:00:00,000 --> 00:00:01,000\n";

const FILES: &[(&str, MakeFile)] = &[
    ("tags.srt", |bytes| format!("{SRT}{}", "<".repeat(bytes))),
    ("ends.srt", |bytes| format!("{SRT}{}", "<b></".repeat(bytes / 5))),
    ("braces.srt", |bytes| format!("{SRT}{}", "{".repeat(bytes))),
    ("references.srt", |bytes| format!("{SRT}{}", "&amp".repeat(bytes / 4))),
    ("cues.srt", |bytes| format!("{SRT}x\n\n").repeat(bytes / 34)),
    ("lines.srt", |bytes| "\n".repeat(bytes)),
    ("times.vtt", |bytes| {
        format!("WEBVTT\n\n00:00.000 --> 00:02.000\n{}", "a <00:01> ".repeat(bytes / 10))
    }),
    ("tags.vtt", |bytes| format!("WEBVTT\n\n00:00.000 --> 00:02.000\n{}", "<c.".repeat(bytes / 3))),
    ("karaoke.ass", |bytes| {
        let head = "[Script Info]\n\n[Events]\nFormat: Start, End, Text\nDialogue: ";
        format!("{head}0:00:00.00,0:00:02.00,{}", "{\\k0}a ".repeat(bytes / 7))
    }),
];

/// A composition of a second with this file as its captions.
fn captioned(file: &str) -> Value {
    let clip = |asset: Value| json!({"asset": asset, "start": 0, "length": 1});
    let tracks = json!([
        {"clips": [clip(json!({"type": "caption", "src": file}))]},
        {"clips": [clip(json!({"type": "color", "color": "#333333"}))]},
    ]);
    let output = json!({"format": "mp4", "size": {"width": 96, "height": 64}, "fps": 12});
    json!({"timeline": {"tracks": tracks}, "output": output})
}

fn write(folder: &Path, name: &str, text: &str) -> usize {
    fs::write(folder.join(name), text).unwrap();
    text.len()
}

/// A server that may read the files of a folder.
fn dev_with_files() -> (Dev, TempDir) {
    let folder = tempdir().unwrap();
    let data = folder.path().join("data");
    let dev = Dev::start_with(&data, &["--allow", folder.path().to_str().unwrap()]);
    (dev, folder)
}

#[test]
fn captions_cost_by_their_length() {
    let (dev, folder) = dev_with_files();
    for (name, make) in FILES {
        let [once, twice] = [150_000, 300_000].map(|bytes| {
            let file = format!("{bytes}-{name}");
            let length = write(folder.path(), &file, &make(bytes));
            cost::of(&dev.process, length, || {
                let job = json!({
                    "kind": "check", "input": captioned(&file), "maxAttempts": 1
                });
                let posted = dev.api.post("/v1/jobs", &job);
                assert_eq!(posted.status, 202, "{name}: {}", posted.body);
                let settled = dev.api.settled(posted.body["id"].as_str().unwrap());
                let class = &settled["error"]["class"];
                let is_expected = settled["status"] == "succeeded" || class == "caller";
                assert!(is_expected, "{name}: {settled}");
            })
        });
        cost::assert_linear(name, once, twice, BYTE);
    }
}

#[test]
fn jobs_with_costly_captions_do_not_keep_others_waiting() {
    let (dev, folder) = dev_with_files();
    let jobs: Vec<String> = (0..3)
        .map(|index| {
            let name = format!("{index}.srt");
            write(folder.path(), &name, &format!("{SRT}{}\n{index}", "<".repeat(3_000_000)));
            dev.api.submit("render", captioned(&name))
        })
        .collect();
    // Each of these is answered while the files are read.
    for value in 0..20 {
        assert_eq!(dev.api.get("/health/live").status, 200);
        assert_eq!(dev.api.run("echo", json!({"value": value}))["status"], "succeeded");
    }
    for id in jobs {
        let settled = dev.api.settled(&id);
        assert!(settled["error"]["class"] != "bug", "{settled}");
    }
}
