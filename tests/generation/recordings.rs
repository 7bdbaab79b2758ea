//! Transcripts of recordings and voices: words with their times, as subtitle files, and the outcome
//! of scenes that fail.

use serde_json::{Value, json};
use tempfile::tempdir;

use crate::{
    dev_server::{DevServer, provided},
    server::{ProviderServer, wav},
};

#[test]
fn a_recording_becomes_words_with_times_and_a_file_of_each_kind() {
    let (data, server) = (tempdir().unwrap(), ProviderServer::start());
    std::fs::write(data.path().join("recording.wav"), wav(1_500)).unwrap();
    let dev = DevServer::start(data.path(), &provided(&server), &[]);
    let ask = |format: &str| {
        let job = dev
            .once("subtitles", json!({"src": "recording.wav", "format": format, "language": "en"}));
        assert_eq!(job["status"], "succeeded", "{job}");
        job["result"].clone()
    };
    let srt = ask("srt");
    assert_eq!(srt["text"], "1\n00:00:00,100 --> 00:00:09,000\nHello there.\n", "{srt}");
    assert_eq!(srt["words"][0], json!({"word": "Hello", "startMs": 100, "endMs": 600}));
    assert_eq!(
        (&srt["provenance"]["provider"], &srt["provenance"]["usage"]["soundMs"]),
        (&json!("openai"), &json!(1_500))
    );
    assert!(
        ask("vtt")["text"]
            .as_str()
            .unwrap()
            .starts_with("WEBVTT\n\n00:00:00.100 --> 00:00:09.000\nHello there.")
    );
    assert!(
        ask("ass")["text"]
            .as_str()
            .unwrap()
            .contains("Dialogue: 0,0:00:00.10,0:00:09.00,Default,,0,0,0,,Hello there.")
    );
    let heard = server.calls("filename=\"sound.wav\"");
    assert_eq!(heard.len(), 3, "a kind of file each");
    for field in ["timestamp_granularities[]", "verbose_json", "whisper-1", "\r\n\r\nen\r\n"] {
        assert!(heard[0].body.contains(field), "{field}");
    }
    // A provider that paints only still pictures is not asked for a moving one.
    let job = dev.once("image", json!({"prompt": "a sea", "motion": true}));
    let detail = job["error"]["detail"].as_str().unwrap();
    assert!(
        job["error"]["code"] == "invalid_input"
            && detail.contains("/motion")
            && detail.contains("offline"),
        "{job}"
    );
    assert_eq!(server.count("image"), 0);
    let again = dev
        .api
        .submit("subtitles", json!({"src": "recording.wav", "format": "srt", "language": "en"}));
    assert_eq!(dev.api.settled(&again)["result"], srt);
    assert_eq!(
        dev.ran(&again),
        ["source"],
        "what was heard is remembered by the recording's content"
    );
}

#[test]
fn a_film_is_transcribed_under_its_own_name_and_a_text_is_spoken_first() {
    let (data, server) = (tempdir().unwrap(), ProviderServer::start());
    let dev = DevServer::start(
        data.path(),
        &format!("[providers]\nimage = [\"offline\"]\n{}", provided(&server)),
        &[],
    );
    let film =
        dev.once("image", json!({"prompt": "a film", "motion": true, "width": 64, "height": 64}));
    let src = format!(
        "artifact://{}",
        film["result"]["artifact"].as_str().unwrap_or_else(|| panic!("{film}"))
    );
    let job = dev.once("subtitles", json!({"src": src}));
    assert_eq!(job["status"], "succeeded", "{job}");
    assert_eq!(server.calls("filename=\"sound.mp4\"").len(), 1);
    let job = dev.once("subtitles", json!({"speech": {"text": "Hello there."}}));
    assert_eq!(job["result"]["words"].as_array().map(Vec::len), Some(2), "{job}");
}

#[test]
fn a_scene_without_speech_fails_the_video_is_left_out_or_stays_silent() {
    let (data, server) = (tempdir().unwrap(), ProviderServer::start());
    let dev = DevServer::start(data.path(), &provided(&server), &[]);
    let run = |on_error: &str| {
        let scenes = ["One is said.", "Two fault:html", "Three is said."];
        let scenes = scenes.map(|text| json!({ "text": text }));
        let script = json!({ "scenes": scenes });
        let input = json!({"script": script, "resolution": "preview", "onSceneError": on_error});
        dev.once("video", input)
    };
    let failed = run("fail");
    assert_eq!(
        (&failed["status"], &failed["error"]["code"]),
        (&json!("failed"), &json!("bad_answer")),
        "{failed}"
    );
    let spoken = |job: &Value| {
        let result = &job["result"];
        let shown = result["scenes"].as_array().unwrap_or_else(|| panic!("{job}"));
        let shown = shown.iter().filter(|scene| !scene["startMs"].is_null()).count();
        assert!(result["warnings"].to_string().contains("where a sound was asked for"), "{result}");
        (
            shown,
            result["audio"].as_array().unwrap().len(),
            result["srt"].as_str().unwrap().contains("fault:html"),
        )
    };
    assert_eq!(spoken(&run("skip")), (2, 2, false));
    assert_eq!(spoken(&run("placeholder")), (3, 2, true), "shown and read, not heard");
}
