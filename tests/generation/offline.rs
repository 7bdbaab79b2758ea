//! Without any provider: from a script or a topic to a finished video, and the cost of an edit.

use serde_json::{Value, json};
use tempfile::tempdir;

use crate::{dev_server::DevServer, server::wav};

fn scene(text: &str, picture: &str) -> Value {
    json!({"text": text, "picture": picture})
}

/// Three scenes; the second says `middle`.
fn video(middle: &str) -> Value {
    let scenes = [
        scene("The sea rises.", "a sea"),
        scene(middle, "a moon"),
        scene("That is all.", "a shore"),
    ];
    json!({"script": {"title": "Tides", "scenes": scenes}, "resolution": "preview"})
}

#[test]
fn a_topic_becomes_a_video_that_is_cached_as_a_whole() {
    let data = tempdir().unwrap();
    let dev = DevServer::start(data.path(), "", &[]);
    let input =
        json!({"topic": "Tides", "duration": 12, "resolution": "preview", "aspectRatio": "1:1"});
    let first = dev.api.run("video", input.clone());
    assert_eq!(first["status"], "succeeded", "{first}");
    let result = &first["result"];
    for member in [
        "script",
        "scenes",
        "audio",
        "words",
        "srt",
        "composition",
        "url",
        "thumbnail",
        "usage",
        "warnings",
    ] {
        assert!(result.get(member).is_some_and(|value| !value.is_null()), "{member}: {result}");
    }
    assert!(
        result["script"]["provenance"]["notice"].as_str().unwrap().contains("No model was asked"),
        "{result}"
    );
    assert_eq!((&result["width"], &result["height"]), (&json!(288), &json!(288)));
    let file = std::fs::read(result["path"].as_str().unwrap()).unwrap();
    assert_eq!(&file[4..8], b"ftyp");
    assert!(std::fs::metadata(result["thumbnail"]["path"].as_str().unwrap()).unwrap().len() > 500);

    let id = dev.api.submit("video", input);
    let again = dev.api.settled(&id);
    assert_eq!(dev.ran(&id), Vec::<String>::new(), "all is found");
    assert_eq!(again["result"]["artifact"], result["artifact"]);
    // The result's own script gives the same video. With one sentence changed, that scene is made
    // again.
    let given = |script: &Value| {
        let id = dev.api.submit(
            "video",
            json!({"script": script, "resolution": "preview", "aspectRatio": "1:1"}),
        );
        let job = dev.api.settled(&id);
        assert_eq!(job["status"], "succeeded", "{job}");
        (job["result"]["artifact"].clone(), dev.ran(&id))
    };
    let mut script = result["script"].clone();
    assert_eq!(given(&script), (result["artifact"].clone(), Vec::new()));
    script["scenes"][1]["text"] = json!("So much for that.");
    let ran: Vec<String> =
        given(&script).1.into_iter().filter(|name| !name.starts_with("segment-")).collect();
    assert_eq!(ran, ["assemble", "sound", "speech-2"]);
}

#[test]
fn a_changed_scene_runs_its_speech_its_segments_and_the_sound_again() {
    let data = tempdir().unwrap();
    let dev = DevServer::start(data.path(), "", &[]);
    let first = dev.api.run("video", video("The moon pulls it."));
    assert_eq!(first["status"], "succeeded", "{first}");
    let id =
        dev.api.submit("video", video("It is the moon, which pulls at all the water there is."));
    let edited = dev.api.settled(&id);
    assert_eq!(edited["status"], "succeeded", "{edited}");
    assert_ne!(edited["result"]["duration"], first["result"]["duration"]);
    let ran = dev.ran(&id);
    let segments: Vec<&String> = ran.iter().filter(|name| name.starts_with("segment-")).collect();
    let others: Vec<&String> = ran.iter().filter(|name| !name.starts_with("segment-")).collect();
    assert_eq!(others, ["assemble", "sound", "speech-2"], "{ran:?}");
    let all = dev.tasks(&id).iter().filter(|task| task["kind"] == "segment").count();
    assert!(!segments.is_empty() && segments.len() + 2 <= all, "{segments:?} of {all}");
    assert!(
        !segments.iter().any(|name| *name == "segment-1"),
        "the first scene is as it was: {segments:?}"
    );

    // The result's composition renders to the same file without rendering anything.
    let id = dev.api.submit("render", edited["result"]["composition"].clone());
    let rendered = dev.api.settled(&id);
    assert_eq!(rendered["result"]["artifact"], edited["result"]["artifact"], "{rendered}");
    assert_eq!(rendered["result"]["segments"]["rendered"], 0);
}

#[test]
fn other_words_in_the_script_of_a_result_keep_every_picture() {
    let data = tempdir().unwrap();
    let dev = DevServer::start(data.path(), "", &[]);
    let scenes = ["The sea rises.", "The moon pulls it.", "That is all."];
    let scenes = json!(scenes.map(|text| json!({ "text": text })));
    let run = |script: Value| {
        let id = dev.api.submit("video", json!({"script": script, "resolution": "preview"}));
        let job = dev.api.settled(&id);
        assert_eq!(job["status"], "succeeded", "{job}");
        (job["result"]["script"].clone(), dev.ran(&id))
    };
    let own = json!({ "scenes": scenes });
    let (mut script, first) = run(own.clone());
    let painted = |ran: &[String]| ran.iter().filter(|name| name.starts_with("picture")).count();
    assert_eq!(painted(&first), 3, "{first:?}");
    let others = |script: &Value| {
        let (_, ran) = run(script.clone());
        ran.into_iter().filter(|name| !name.starts_with("segment-")).collect::<Vec<_>>()
    };
    script["scenes"][1]["text"] = json!("It is the moon that pulls.");
    assert_eq!(others(&script), ["assemble", "sound", "speech-2"]);
    // Nor do other words in the caller's own script, since no painter here reads them.
    let mut again = own;
    again["scenes"][2]["text"] = json!("And that is all.");
    assert_eq!(others(&again), ["assemble", "sound", "speech-3"]);
    // A scene added before the others is painted, and the others keep their pictures.
    let scenes = script["scenes"].as_array_mut().unwrap();
    scenes.insert(0, json!({"text": "Listen."}));
    assert_eq!(others(&script), ["assemble", "picture-1", "sound", "speech-1"]);
}

#[test]
fn an_edited_composition_renders_and_runs_only_the_edit() {
    let data = tempdir().unwrap();
    let dev = DevServer::start(data.path(), "", &[]);
    let made = dev.api.run("video", video("The moon pulls it."));
    let composition = made["result"]["composition"].clone();
    let render = |composition: &Value| {
        let id = dev.api.submit("render", composition.clone());
        let job = dev.api.settled(&id);
        assert_eq!(job["status"], "succeeded", "{job}");
        assert_ne!(job["result"]["artifact"], made["result"]["artifact"]);
        let segments = dev.tasks(&id).iter().filter(|task| task["kind"] == "segment").count();
        (dev.ran(&id), segments)
    };
    // The caption of the last scene in another colour.
    let mut edited = composition.clone();
    edited["timeline"]["tracks"][0]["clips"][2]["asset"]["active"]["color"] = json!("#00ff00");
    let (ran, all) = render(&edited);
    let segments = ran.iter().filter(|name| name.starts_with("segment-")).count();
    assert!(
        segments >= 1 && segments < all && !ran.contains(&"segment-1".to_owned()),
        "{ran:?} of {all}"
    );
    assert!(
        !ran.iter().any(|name| name.starts_with("speech") || name == "sound"),
        "nothing is spoken or mixed: {ran:?}"
    );
    // A word of its caption corrected: this changes what is shown, and nothing that is heard.
    let mut edited = composition.clone();
    edited["timeline"]["tracks"][0]["clips"][2]["asset"]["words"][0]["text"] = json!("And that");
    let (ran, _) = render(&edited);
    let made = |ran: &[String]| {
        ran.iter().filter(|name| !name.starts_with("source-")).cloned().collect::<Vec<_>>()
    };
    let segments = ran.iter().filter(|name| name.starts_with("segment-")).count();
    assert_eq!(
        (segments, made(&ran).len()),
        (1, 3),
        "one segment, `render` and `assemble`: {ran:?}"
    );
    // The last words spoken differently: no picture changes, for the captions stay the same.
    let mut edited = composition.clone();
    edited["timeline"]["tracks"][2]["clips"][2]["asset"]["text"] = json!("That was all.");
    let (ran, _) = render(&edited);
    // Sources are checked each time, and the tasks that depend on them are memo hits.
    let looked = |name: &&String| name.starts_with("segment-") || name.starts_with("source-");
    let others: Vec<&String> = ran.iter().filter(|name| !looked(name)).collect();
    assert_eq!(others, ["assemble", "render", "sound", "speech-6"], "{ran:?}");
    assert!(!ran.contains(&"segment-1".to_owned()), "{ran:?}");
}

#[test]
fn a_picture_may_move_without_a_seam_and_the_prompt_decides_it() {
    let data = tempdir().unwrap();
    let dev = DevServer::start(data.path(), "", &[]);
    let ask = |seed: Value| {
        let mut input = json!({"prompt": "a sea", "motion": true, "width": 96, "height": 64});
        input["seed"] = seed;
        let job = dev.api.run("image", input);
        assert_eq!(job["status"], "succeeded", "{job}");
        job["result"].clone()
    };
    let (one, same, other) = (ask(Value::Null), ask(json!(0)), ask(json!(1)));
    assert_eq!(
        (&one["mediaType"], &one["durationMs"]),
        (&json!("video/mp4"), &json!(3_000)),
        "{one}"
    );
    assert_eq!((&one["width"], &one["height"]), (&json!(96), &json!(64)));
    assert_eq!(one["artifact"], same["artifact"], "drawn twice, and the same bytes");
    assert_ne!(one["artifact"], other["artifact"]);
}

#[test]
fn the_pictures_of_a_video_may_move() {
    let data = tempdir().unwrap();
    let dev = DevServer::start(data.path(), "", &[]);
    let script = json!({"scenes": [scene("The sea rises.", "a sea")]});
    let job =
        dev.api.run("video", json!({"script": script, "motion": true, "resolution": "preview"}));
    assert_eq!(job["status"], "succeeded", "{job}");
    let pictures =
        job["result"]["composition"]["timeline"]["tracks"][1]["clips"].as_array().unwrap();
    assert!(
        pictures
            .iter()
            .all(|clip| clip["asset"]["type"] == "video" && clip["asset"]["repeat"] == true)
    );
}

#[test]
fn the_clips_and_music_of_the_caller_are_shown_and_heard() {
    let data = tempdir().unwrap();
    std::fs::write(data.path().join("music.wav"), wav(2_000)).unwrap();
    std::fs::write(data.path().join("other.wav"), wav(1_900)).unwrap();
    let dev = DevServer::start(data.path(), "", &[]);
    let clip = dev
        .api
        .run("image", json!({"prompt": "waves", "motion": true, "width": 96, "height": 160}));
    std::fs::copy(clip["result"]["path"].as_str().unwrap(), data.path().join("clip.mp4")).unwrap();
    let ask = |music: &str| {
        let mut input = video("The moon pulls it.");
        input["script"]["scenes"][0]["clip"] = json!("clip.mp4");
        input["script"]["scenes"][2]["clip"] =
            json!(format!("artifact://{}", clip["result"]["artifact"].as_str().unwrap()));
        input["music"] = json!(music);
        let id = dev.api.submit("video", input);
        let job = dev.api.settled(&id);
        assert_eq!(job["status"], "succeeded", "{job}");
        (job["result"].clone(), dev.ran(&id))
    };
    let (first, _) = ask("music.wav");
    let timeline = &first["composition"]["timeline"];
    assert_eq!(timeline["soundtrack"]["src"], "music.wav");
    let assets: Vec<&Value> = timeline["tracks"][1]["clips"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| &c["asset"]["type"])
        .collect();
    assert_eq!(assets, ["video", "image", "video"]);
    // Outside sources are checked each time, and the tasks that depend on them are memo hits. Other
    // music is mixed again, and nothing else.
    let (again, ran) = ask("music.wav");
    assert_eq!(
        (&again["artifact"], ran),
        (&first["artifact"], ["music", "picture-1", "picture-3"].map(String::from).to_vec())
    );
    let (other, ran) = ask("other.wav");
    assert_ne!(other["artifact"], first["artifact"]);
    assert_eq!(ran, ["assemble", "music", "picture-1", "picture-3", "sound"]);
    // A topic takes music as well.
    let job = dev.api.run(
        "video",
        json!({"topic": "Tides", "duration": 12, "resolution": "preview", "music": "music.wav"}),
    );
    assert_eq!(job["result"]["composition"]["timeline"]["soundtrack"]["src"], "music.wav", "{job}");
}

#[test]
fn a_failed_scene_fails_the_video_is_left_out_or_gets_a_placeholder() {
    let data = tempdir().unwrap();
    let dev = DevServer::start(data.path(), "", &[]);
    let run = |on_error: &str| {
        let mut input = video("The moon pulls it.");
        input["script"]["scenes"][1]["clip"] = json!("missing.mp4");
        input["onSceneError"] = json!(on_error);
        dev.api.run("video", input)
    };
    let failed = run("fail");
    assert_eq!(failed["status"], "failed", "{failed}");
    let (skipped, placed) = (run("skip"), run("placeholder"));
    let scenes = |job: &Value| {
        let scenes = job["result"]["scenes"].as_array().unwrap_or_else(|| panic!("{job}")).clone();
        scenes
            .iter()
            .map(|scene| (!scene["startMs"].is_null(), scene.get("error").is_some()))
            .collect::<Vec<_>>()
    };
    assert_eq!(scenes(&skipped), [(true, false), (false, true), (true, false)]);
    assert_eq!(scenes(&placed), [(true, false), (true, true), (true, false)]);
    assert!(placed["result"]["duration"].as_f64() > skipped["result"]["duration"].as_f64());
    assert!(!skipped["result"]["warnings"].as_array().unwrap().is_empty());
    // A file without a picture is such a scene too. If no scene is left, the video fails as its
    // scenes did.
    std::fs::write(data.path().join("sound.wav"), wav(500)).unwrap();
    let mut input = video("The moon pulls it.");
    input["script"]["scenes"][1]["clip"] = json!("sound.wav");
    let unseen = dev.api.run("video", input.clone());
    let detail = unseen["error"]["detail"].as_str().unwrap_or_else(|| panic!("{unseen}"));
    assert!(detail.starts_with("scene 2: the clip has no picture"), "{unseen}");
    input["onSceneError"] = json!("skip");
    assert_eq!(scenes(&dev.api.run("video", input.clone())), scenes(&skipped));
    let only = input["script"]["scenes"][1].clone();
    input["script"]["scenes"] = json!([only]);
    let none = dev.api.run("video", input);
    assert_eq!(
        (&none["error"]["code"], &none["error"]["class"]),
        (&json!("no_scene"), &json!("caller")),
        "{none}"
    );
}

#[test]
fn a_voice_and_an_outline_follow_the_language_and_its_script() {
    let data = tempdir().unwrap();
    let dev = DevServer::start(data.path(), "", &[]);
    let voice = |input: Value| {
        let job = dev.api.run("video", input);
        assert_eq!(job["status"], "succeeded", "{job}");
        let speech = &job["result"]["composition"]["timeline"]["tracks"][2]["clips"][0]["asset"];
        (speech["voice"].as_str().unwrap().to_owned(), speech["text"].as_str().unwrap().to_owned())
    };
    let (german, said) = voice(
        json!({"topic": "Gezeiten", "language": "de", "duration": 5, "resolution": "preview"}),
    );
    assert_eq!(
        (german.as_str(), said.starts_with("Heute geht es um: Gezeiten.")),
        ("de", true),
        "{said}"
    );
    let scene = json!({"scenes": [{"text": "السماء زرقاء."}]});
    assert_eq!(voice(json!({"script": scene, "resolution": "preview"})).0, "ar");
    assert_eq!(voice(json!({"script": scene, "resolution": "preview", "voice": "fa"})).0, "fa");
}

#[test]
fn a_batch_settles_each_video_by_itself_and_runs_equal_tasks_once() {
    let data = tempdir().unwrap();
    let dev = DevServer::start(data.path(), "", &[]);
    let good = |index: usize| {
        let scenes = [scene(&format!("Number {}.", index % 3), "a sea")];
        json!({"kind": "video", "input": {"script": {"scenes": scenes}, "resolution": "preview"}})
    };
    let mut jobs: Vec<Value> = (0..6).map(good).collect();
    jobs.push(json!({"kind": "video", "input": {"script": {"scenes": []}}}));
    jobs.push(json!({"kind": "video", "input": {"topic": "a", "voice": "../x"}}));
    let batch = dev.api.post("/v1/batches", &json!({"jobs": jobs}));
    assert_eq!(batch.status, 202, "{}", batch.body);
    let id = batch.body["id"].as_str().unwrap();
    let counts = dev.api.batch_settled(id);
    assert_eq!((&counts["fulfilled"], &counts["rejected"]), (&json!(6), &json!(2)), "{counts}");
    let items = dev.api.batch_results(id);
    let pointers: Vec<&Value> =
        items[6..].iter().map(|item| &item["reason"]["errors"][0]["pointer"]).collect();
    assert_eq!(pointers, [&json!("/input/script/scenes"), &json!("/input/voice")], "{items:?}");
    let ran: usize = items[..6]
        .iter()
        .map(|item| dev.ran(item["jobId"].as_str().unwrap()))
        .map(|ran| ran.iter().filter(|name| name.starts_with("speech")).count())
        .sum();
    assert_eq!(ran, 3, "each text is spoken once");
}
