//! What a `video` is asked for, and all that may be wrong with it.

use std::collections::BTreeSet;

use common::{
    defaults,
    fault::Fault,
    kinds::{
        Checks, read,
        script::{self, MAX_PICTURE, MAX_SCENE_TEXT, MAX_SCENES, MAX_TITLE},
        source,
        speech::{self, SpeechInput},
    },
    language,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What is asked for: either `topic` or `script`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VideoInput {
    /// What it is about; the kind `script` writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// The scenes, written by the caller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<VideoScript>,
    /// Who speaks, as the provider names voices; a voice of the language, or of what a scene is written in, unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voice: Option<String>,
    /// Words per minute, 80 to 450.
    #[serde(default = "defaults::rate")]
    pub rate: u32,
    /// How it is to sound and look, in words.
    #[serde(default)]
    pub style: String,
    /// The language, as a BCP 47 tag: of the script that is written, and of the voice.
    #[serde(default = "defaults::language")]
    pub language: String,
    /// The shape of the frame.
    #[serde(default)]
    pub aspect_ratio: FrameShape,
    /// The size of the frame.
    #[serde(default)]
    pub resolution: FrameSize,
    /// How long a video on a topic is to be, in seconds: 5 to 600. A given script lasts as long as its words.
    #[serde(default = "defaults::duration")]
    pub duration: u32,
    /// Set if the pictures move: the input `motion` of the kind `image`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub motion: bool,
    /// Music under all of it, which gives way to the voice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub music: Option<String>,
    /// Set if the words are shown as they are spoken.
    #[serde(default = "default_captions")]
    pub captions: bool,
    /// What becomes of a scene that could not be spoken or seen.
    #[serde(default)]
    pub on_scene_error: OnSceneError,
}

/// A script of the caller's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VideoScript {
    /// The title, written into the file.
    #[serde(default)]
    pub title: String,
    /// The scenes, in order.
    pub scenes: Vec<VideoScene>,
    /// Who wrote it, as a result shows it, so that a result's script can be edited and given back. Not looked at: it was told and paid there.
    #[serde(default, skip_serializing)]
    pub provenance: Option<Value>,
}

/// A scene: what is said, and what is seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VideoScene {
    /// The words to speak.
    pub text: String,
    /// What the picture shows; unless said the words, or the place in the story where pictures are only patterns.
    #[serde(default)]
    pub picture: String,
    /// A picture or a video of the caller's, instead of one that is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<String>,
}

/// What a picture is made of where a scene does not say what it shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DefaultPicture {
    /// Its words: whoever paints reads them, and a picture of other words would be another.
    Words,
    /// Its place: nobody reads anything, so that other words need no other pattern.
    Position,
}

impl DefaultPicture {
    /// The scenes with what is seen in each written out. A place keeps the name of its view for as long as a script keeps it, whatever comes
    /// before it: no two scenes are given one view.
    pub fn told(self, title: &str, scenes: Vec<VideoScene>) -> Vec<VideoScene> {
        if self == Self::Words {
            return scenes.into_iter().map(VideoScene::seen).collect();
        }
        let title =
            if title.trim().is_empty() { String::new() } else { format!("{}, ", title.trim()) };
        let taken: BTreeSet<String> = scenes.iter().map(|scene| scene.picture.clone()).collect();
        let views = (1..)
            .map(|number| format!("{title}view {number}"))
            .filter(|view| !taken.contains(view));
        let told = scenes.into_iter().zip(views).map(|(scene, view)| match scene.is_seen() {
            true => scene,
            false => VideoScene { picture: view, ..scene },
        });
        told.collect()
    }
}

impl VideoScene {
    /// Returns whether it says what is seen.
    fn is_seen(&self) -> bool {
        self.clip.is_some() || !self.picture.trim().is_empty()
    }

    /// With what is seen written out where it was left out: its words. A result shows it so, and whoever changes the words there and
    /// gives the script back keeps the picture.
    pub fn seen(self) -> Self {
        match self.is_seen() {
            true => self,
            false => Self { picture: self.text.chars().take(MAX_PICTURE).collect(), ..self },
        }
    }
}

/// What becomes of a scene that could not be spoken or seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OnSceneError {
    /// The video fails.
    #[default]
    Fail,
    /// It is left out.
    Skip,
    /// It is shown with a plain ground, or without its voice.
    Placeholder,
}

/// The shape of the frame.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum FrameShape {
    /// Upright, as phones are held.
    #[default]
    #[serde(rename = "9:16")]
    Tall,
    /// Wide.
    #[serde(rename = "16:9")]
    Wide,
    /// Square.
    #[serde(rename = "1:1")]
    Square,
    /// A little taller than wide.
    #[serde(rename = "4:5")]
    FourFive,
    /// The shape of old television.
    #[serde(rename = "4:3")]
    FourThree,
}

impl FrameShape {
    /// The pixels of a picture of this shape. The same for every resolution, so that they share their pictures.
    pub fn picture(self) -> (u32, u32) {
        match self {
            Self::Tall => (720, 1280),
            Self::Wide => (1280, 720),
            Self::Square => (1024, 1024),
            Self::FourFive => (864, 1080),
            Self::FourThree => (1024, 768),
        }
    }
}

/// The size of the frame, by its shorter side.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FrameSize {
    /// 288 pixels.
    Preview,
    /// 360 pixels.
    Mobile,
    /// 576 pixels.
    Sd,
    /// 720 pixels.
    #[default]
    Hd,
    /// 1080 pixels.
    #[serde(rename = "1080")]
    FullHd,
}

impl FrameSize {
    /// Pixels of the shorter side.
    pub fn pixels(self) -> u32 {
        match self {
            Self::Preview => 288,
            Self::Mobile => 360,
            Self::Sd => 576,
            Self::Hd => 720,
            Self::FullHd => 1080,
        }
    }
}

fn default_captions() -> bool {
    true
}

impl VideoInput {
    /// A text in this video's voice: what both the speech's task and the composition request for, so that they share it.
    pub fn speech(&self, text: &str) -> SpeechInput {
        let voice = self.voice.clone().unwrap_or_else(|| language::voice_for(&self.language, text));
        SpeechInput { text: text.to_owned(), voice, rate: self.rate, pitch: 50 }
    }
}

/// Reads an input, with all its faults.
///
/// # Errors
/// Every fault, with the JSON Pointer to its place.
pub fn parse(input: &Value) -> Result<VideoInput, Vec<Fault>> {
    let request: VideoInput = read(input)?;
    let mut checks = Checks::default();
    match (&request.topic, &request.script) {
        (None, None) => checks
            .fault("", "says neither what it is about nor what is said: give `topic` or `script`"),
        (Some(_), Some(_)) => {
            checks.fault("/topic", "stands beside `script`: give only one of them")
        }
        (Some(topic), None) => {
            let asked = json!({"topic": topic, "duration": request.duration, "style": request.style, "language": request.language});
            keep(&mut checks, script::parse(&asked).err());
        }
        (None, Some(script)) => check_script(&mut checks, script),
    }
    let voice = request.speech("x").voice;
    keep(
        &mut checks,
        speech::parse(&json!({"text": "x", "voice": voice, "rate": request.rate})).err(),
    );
    if request.script.is_some() {
        checks.style(&request.style);
        checks.language(&request.language);
    }
    if let Some(Err(detail)) = request.music.as_deref().map(source::check_src) {
        checks.fault("/music", detail);
    }
    checks.of(request)
}

fn keep(checks: &mut Checks, faults: Option<Vec<Fault>>) {
    for fault in faults.into_iter().flatten() {
        checks.fault(fault.pointer, fault.detail);
    }
}

fn check_script(checks: &mut Checks, script: &VideoScript) {
    checks.short("/script/title", &script.title, MAX_TITLE);
    if script.scenes.is_empty() || script.scenes.len() > MAX_SCENES {
        checks.fault(
            "/script/scenes",
            format!("has {} scenes: give 1 to {MAX_SCENES}", script.scenes.len()),
        );
    }
    for (index, scene) in script.scenes.iter().enumerate() {
        let at = |field: &str| format!("/script/scenes/{index}/{field}");
        checks.spoken(at("text"), &scene.text, MAX_SCENE_TEXT);
        checks.short(at("picture"), &scene.picture, MAX_PICTURE);
        if let Some(Err(detail)) = scene.clip.as_deref().map(source::check_src) {
            checks.fault(at("clip"), detail);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_of_a_result_can_be_given_back() {
        let script = json!({"title": "T", "scenes": [{"text": "a", "picture": "b"}], "provenance": {"provider": "openai"}});
        let request = parse(&json!({ "script": script })).expect("an input");
        let written = serde_json::to_value(&request).expect("JSON");
        assert_eq!(
            written["script"],
            json!({"title": "T", "scenes": [{"text": "a", "picture": "b"}]})
        );
    }

    #[test]
    fn all_faults_are_said_at_once() {
        let cases = [
            (json!({}), vec![""]),
            (json!({"topic": "a", "script": {"scenes": [{"text": "b"}]}}), vec!["/topic"]),
            (
                json!({"topic": " ", "duration": 1, "voice": "../x", "rate": 3, "music": "ftp://a"}),
                vec!["/topic", "/duration", "/rate", "/voice", "/music"],
            ),
            (
                json!({"script": {"scenes": [{"text": "", "clip": ""}, {"text": "b"}]}}),
                vec!["/script/scenes/0/text", "/script/scenes/0/clip"],
            ),
            (
                json!({"script": {"scenes": [{"text": "🚀 …"}, {"text": "a\u{0}"}, {"text": "潮 🚀"}]}}),
                vec!["/script/scenes/0/text", "/script/scenes/1/text"],
            ),
            (json!({"topic": "a", "aspectRatio": "2:1"}), vec!["/aspectRatio"]),
        ];
        for (input, pointers) in cases {
            let faults = parse(&input).expect_err("faults");
            assert_eq!(
                faults.iter().map(|fault| fault.pointer.as_str()).collect::<Vec<_>>(),
                pointers,
                "{input}"
            );
        }
    }
}
