//! The cost of an edit: only the tasks that must run again do, as counted in the plans.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use serde_json::{Value, json};
use tempfile::tempdir;

use crate::{
    client::ApiClient,
    dev_process::Dev,
    process::{run, spool},
};

/// Twelve seconds: three pictures of four seconds, the second in motion so that no two segments are
/// equal, with two captions and music.
fn story(media: &Path) -> Value {
    for (name, colour) in
        [("a", "#803020"), ("b", "#208030"), ("c", "#203080"), ("front", "#555555")]
    {
        let svg = format!(
            "<svg xmlns='http://www.w3.org/2000/svg' width='96' height='54'>\
             <rect width='96' height='54' fill='{colour}'/>\
             <circle cx='48' cy='27' r='20' fill='#dddddd'/></svg>"
        );
        std::fs::write(media.join(format!("{name}.svg")), svg).unwrap();
    }
    std::fs::write(media.join("music.wav"), tone(440.0)).unwrap();
    std::fs::write(media.join("other.wav"), tone(330.0)).unwrap();
    let at = |name: &str| media.join(name).to_str().unwrap().to_owned();
    let text = |text: &str, start: f64| {
        let asset = json!({"type": "text", "text": text, "font": {"size": 20}});
        json!({"asset": asset, "start": start, "length": 2})
    };
    let picture = |name: &str, start: u32| {
        let asset = json!({"type": "image", "src": at(name)});
        json!({"asset": asset, "start": start, "length": 4})
    };
    let music = json!({"type": "audio", "src": at("music.wav")});
    let mut moving = picture("b.svg", 4);
    moving["effect"] = json!("zoomIn");
    json!({
        "timeline": {"tracks": [
            {"clips": [text("one", 0.5), text("two", 8.5)]},
            {"clips": [picture("a.svg", 0), moving, picture("c.svg", 8)]},
            {"clips": [{"asset": music, "start": 0, "length": 12}]},
        ]},
        "output": {"format": "mp4", "size": {"width": 192, "height": 108}, "fps": 25},
    })
}

/// Thirteen seconds of a sine as 16-bit mono WAV.
fn tone(hertz: f64) -> Vec<u8> {
    let samples = (0..13 * 8000)
        .map(|n| (8000.0 * (f64::from(n) / 8000.0 * hertz * std::f64::consts::TAU).sin()) as i16);
    let data: Vec<u8> = samples.flat_map(i16::to_le_bytes).collect();
    let length = u32::try_from(data.len()).unwrap();
    let mut wav = b"RIFF".to_vec();
    wav.extend((36 + length).to_le_bytes());
    wav.extend(b"WAVEfmt ");
    wav.extend(16u32.to_le_bytes());
    for (value, bytes) in [(1, 2), (1, 2), (8000, 4), (16000, 4), (2, 2), (16, 2)] {
        wav.extend(&u32::to_le_bytes(value)[..bytes]);
    }
    wav.extend(b"data");
    wav.extend(length.to_le_bytes());
    wav.extend(data);
    wav
}

fn clips(story: &mut Value, track: usize) -> &mut Vec<Value> {
    story["timeline"]["tracks"][track]["clips"].as_array_mut().unwrap()
}

/// The story two seconds later, after another picture.
fn later(mut story: Value, media: &Path) -> Value {
    for track in 0..3 {
        for clip in clips(&mut story, track) {
            clip["start"] = json!(clip["start"].as_f64().unwrap() + 2.0);
        }
    }
    let front = json!({"type": "image", "src": media.join("front.svg").to_str().unwrap()});
    clips(&mut story, 1).insert(0, json!({"asset": front, "start": 0, "length": 2}));
    story
}

/// Counts the tasks of each kind that ran, without those that fetch and compile, which always run.
fn ran(api: &ApiClient, story: &Value) -> BTreeMap<String, usize> {
    let id = api.submit("render", story.clone());
    let job = api.settled(&id);
    assert_eq!(job["status"], "succeeded", "{job}");
    let tasks = api.get(&format!("/v1/jobs/{id}/tasks")).body;
    let mut counts = BTreeMap::new();
    for task in tasks["tasks"].as_array().unwrap().iter().filter(|task| task["cached"] == false) {
        *counts.entry(task["kind"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    counts.retain(|kind, _| !matches!(kind.as_str(), "source" | "render"));
    counts
}

/// Counts the segments that show any of these seconds of a story, by the cuts that a check reports.
fn showing(api: &ApiClient, story: &Value, from: f64, to: f64) -> usize {
    let checked = api.post("/v1/compositions/check", story);
    assert_eq!((checked.status, &checked.body["faults"]), (200, &json!([])), "{}", checked.body);
    let parts = checked.body["segments"]["parts"].as_array().unwrap();
    let shows = |part: &&Value| {
        let (start, frames) = (part["start"].as_f64().unwrap(), part["frames"].as_f64().unwrap());
        start < to * 25.0 && start + frames > from * 25.0
    };
    parts.iter().filter(shows).count()
}

fn counts(segments: usize, sound: usize) -> BTreeMap<String, usize> {
    let all = [("segment", segments), ("sound", sound), ("assemble", 1)];
    all.into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(kind, count)| (kind.to_owned(), count))
        .collect()
}

#[test]
fn an_edit_runs_exactly_the_tasks_that_it_touches() {
    let (data, media) = (tempdir().unwrap(), tempdir().unwrap());
    let dev = Dev::start_with(data.path(), &["--allow", media.path().to_str().unwrap()]);
    let api = &dev.api;
    let whole = story(media.path());
    let total = showing(api, &whole, 0.0, 12.0);
    assert!(total >= 3, "{total} segments");
    assert_eq!(ran(api, &whole), counts(total, 1));
    assert_eq!(ran(api, &whole), BTreeMap::new());

    let mut caption = whole.clone();
    clips(&mut caption, 0)[1]["asset"]["text"] = json!("three");
    let touched = showing(api, &caption, 8.5, 10.5);
    assert!(touched < total);
    assert_eq!(ran(api, &caption), counts(touched, 0));

    let mut filter = whole.clone();
    clips(&mut filter, 1)[1]["filter"] = json!("greyscale");
    let touched = showing(api, &filter, 4.0, 8.0);
    assert!(touched < total);
    assert_eq!(ran(api, &filter), counts(touched, 0));

    let mut music = whole.clone();
    clips(&mut music, 2)[0]["asset"]["src"] =
        json!(media.path().join("other.wav").to_str().unwrap());
    assert_eq!(ran(api, &music), counts(0, 1));

    let inserted = later(whole.clone(), media.path());
    assert_eq!(ran(api, &inserted), counts(showing(api, &inserted, 0.0, 2.0), 1));

    let mut size = whole.clone();
    size["output"]["size"] = json!({"width": 256, "height": 144});
    assert_eq!(ran(api, &size), counts(total, 0));
}

/// The artifacts of a render in a process and a cache of its own.
fn made(story: &Value, media: &Path) -> BTreeSet<String> {
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("story.json"), story.to_string()).unwrap();
    let mut command = spool();
    command
        .arg("render")
        .arg(at("story.json"))
        .arg("-o")
        .arg(at("out.mp4"))
        .arg("--cache")
        .arg(at("cache"));
    command.arg("--allow").arg(media);
    let output = run(command);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    files(&at("cache").join("artifacts"))
}

fn files(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries
        .flat_map(|entry| match entry.path().is_dir() {
            true => files(&entry.path()),
            false => BTreeSet::from([entry.file_name().to_str().unwrap().to_owned()]),
        })
        .collect()
}

#[test]
fn a_segment_has_the_same_bytes_in_another_process_and_at_another_place_in_time() {
    let media = tempdir().unwrap();
    let whole = story(media.path());
    let first = made(&whole, media.path());
    assert_eq!(made(&whole, media.path()), first);
    // Two seconds later, everything that the first render made is reused, except the sound and the
    // finished file.
    let shifted = made(&later(whole, media.path()), media.path());
    let other: Vec<&String> = first.difference(&shifted).collect();
    assert_eq!(other.len(), 2, "{other:?}");
}
