//! Missing and damaged files of the cache, whose work is done again, and work that is no longer
//! needed, which is not done.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::tempdir;

use crate::dev_process::Dev;
use crate::process::{Process, children, run, scratch_folders, spool, wait_for};

fn composition(title: &str) -> Value {
    // In motion, so that no two segments are equal.
    let clip = |asset: Value| json!({"asset": asset, "start": 0, "length": 6, "effect": "zoomIn"});
    json!({
        "timeline": {"tracks": [
            {"clips": [clip(json!({"type": "text", "text": "Kept", "font": {"size": 24}}))]},
            {"clips": [clip(json!({"type": "color", "color": "#204060"}))]},
        ]},
        "output": {
            "format": "mp4", "size": {"width": 192, "height": 108}, "fps": 25, "title": title,
        },
    })
}

/// The files of all artifacts.
fn artifacts(data: &Path) -> Vec<PathBuf> {
    let folders = |of: &Path| {
        std::fs::read_dir(of).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>()
    };
    let hashed = folders(&data.join("artifacts"))
        .into_iter()
        .filter(|path| path.file_name().unwrap().len() == 2);
    hashed.flat_map(|first| folders(&first)).flat_map(|second| folders(&second)).collect()
}

#[test]
fn a_render_with_lost_or_damaged_files_fails_once_and_then_makes_them_again() {
    let data = tempdir().unwrap();
    let dev = Dev::start(data.path());
    let total = dev.api.run("render", composition("first"))["result"]["segments"]["total"].clone();
    let remove = |path: &PathBuf| std::fs::remove_file(path).unwrap();
    let damage = |path: &PathBuf| {
        let mut bytes = std::fs::read(path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::remove_file(path).unwrap();
        std::fs::write(path, bytes).unwrap();
    };
    for how in ["gone", "damaged"] {
        artifacts(data.path())
            .iter()
            .for_each(|file| if how == "gone" { remove(file) } else { damage(file) });
        let failed = dev.api.run("render", composition(how));
        assert_eq!(
            (&failed["status"], &failed["error"]["code"]),
            (&json!("failed"), &json!("artifact_lost")),
            "{failed}"
        );
        assert!(failed["error"]["detail"].as_str().unwrap().contains(how), "{failed}");
        let again = dev.api.run("render", composition(how));
        assert_eq!(again["result"]["segments"]["rendered"], total, "{again}");
    }
}

#[test]
fn a_render_without_a_server_makes_deleted_or_damaged_files_again() {
    let folder = tempdir().unwrap();
    let (cache, file) = (folder.path().join("cache"), folder.path().join("out.mp4"));
    let render = |title: &str| {
        let written = folder.path().join("composition.json");
        std::fs::write(&written, composition(title).to_string()).unwrap();
        let mut command = spool();
        command
            .args(["render", "--json"])
            .arg(written)
            .arg("-o")
            .arg(&file)
            .arg("--cache")
            .arg(&cache);
        let output = run(command);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{said}");
        let notes = said.lines().filter(|line| line.contains("made again")).count();
        assert!(!said.contains("\"level\""), "no log line is printed to the user: {said}");
        (serde_json::from_slice::<Value>(&output.stdout).unwrap(), notes)
    };
    let (first, notes) = render("a");
    assert_eq!(notes, 0);
    let bytes = std::fs::read(&file).unwrap();
    assert!(
        !std::fs::metadata(&file).unwrap().permissions().readonly(),
        "the file is the caller's own"
    );
    for path in artifacts(&cache) {
        std::fs::remove_file(path).unwrap();
    }
    let (second, notes) = render("a");
    assert_eq!(notes, 0, "what is gone is seen before anything is asked for");
    assert_eq!(second["segments"]["rendered"], first["segments"]["total"]);
    assert_eq!(std::fs::read(&file).unwrap(), bytes);
    for path in artifacts(&cache) {
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, b"cut short").unwrap();
    }
    let (third, notes) = render("b");
    assert_eq!(notes, 1, "a damaged part is noticed when it is joined, and reported");
    assert_eq!(third["segments"]["rendered"], first["segments"]["total"]);
}

#[test]
fn the_next_run_does_not_continue_an_interrupted_or_killed_one() {
    let folder = tempdir().unwrap();
    let cache = folder.path().join("cache");
    let render = |name: &str, seconds: u64| {
        let mut document = composition(name);
        for track in document["timeline"]["tracks"].as_array_mut().unwrap() {
            track["clips"][0]["length"] = json!(seconds);
        }
        let (written, file) = (folder.path().join(name), folder.path().join("out.mp4"));
        std::fs::write(&written, document.to_string()).unwrap();
        let mut command = spool();
        command.arg("render").arg(written).arg("-o").arg(file).arg("--cache").arg(&cache);
        command
    };
    for (name, signal) in [("interrupted", 2), ("killed", 9)] {
        let mut long = Process::start(render(name, 600));
        wait_for(|| children(long.id()).pop()).expect("a child");
        long.signal(signal);
        assert!(!long.ended().success());
    }
    let output = run(render("short", 2));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(scratch_folders(&cache.join("scratch")), Vec::<PathBuf>::new());

    let dev = Dev::start(&cache);
    let jobs = dev.api.get("/v1/jobs").body["jobs"].clone();
    let statuses = || {
        let jobs = dev.api.get("/v1/jobs").body["jobs"].clone();
        let statuses: Vec<String> = jobs
            .as_array()
            .unwrap()
            .iter()
            .map(|job| job["status"].as_str().unwrap().to_owned())
            .collect();
        (!statuses.contains(&"running".to_owned())).then_some(statuses)
    };
    // A task that ran when the process was killed is cancelled when its lease has expired.
    assert_eq!(
        wait_for(statuses).expect("all are final"),
        ["succeeded", "cancelled", "cancelled"],
        "{jobs}"
    );
}
