//! Input of a `video` job.

use std::collections::BTreeSet;

use common::{
    bounds::{LANGUAGE, RATE, STYLE, VOICE},
    defaults,
    document::{self, Bounded, DocumentReader, Form, TextBounds, choice, has_member, object},
    fault::Fault,
    kinds::{
        script::{
            DURATION, MAX_PICTURE, PICTURE, SCENE_COUNT, SPOKEN_TEXT, ScriptInput, TITLE, TOPIC,
        },
        source::SRC,
        speech::SpeechInput,
    },
    language,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

const SCENE_PICTURE: TextBounds = PICTURE.or_empty();
const VIDEO_TITLE: TextBounds = TITLE.or_empty();

object! {
    /// Input of a `video` job. It has exactly one of `topic` and `script`.
    #[derive(Eq, Serialize, Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub struct VideoInput {
        /// Subject of the video, on which the kind `script` writes.
        #[serde(skip_serializing_if = "Option::is_none")]
        topic: Option<String> = "topic" within TOPIC,
        /// The caller's own scenes.
        #[serde(skip_serializing_if = "Option::is_none")]
        script: Option<VideoScript> = "script",
        /// A voice of the provider; by default one of the language, or of that in which a scene is
        /// written.
        #[serde(skip_serializing_if = "Option::is_none")]
        voice: Option<String> = "voice" within VOICE,
        /// Words per minute.
        rate: u32 = "rate" within RATE default defaults::rate(),
        /// How the video sounds and looks, in words.
        style: String = "style" within STYLE default String::new(),
        /// Language of the script that is written and of the voice, as a BCP 47 tag.
        language: String = "language" within LANGUAGE default defaults::language(),
        /// Shape of the frame.
        aspect_ratio: FrameShape = "aspectRatio" default FrameShape::Tall,
        /// Size of the frame.
        resolution: FrameSize = "resolution" default FrameSize::Hd,
        /// Length of a video on a topic, in seconds. A given script lasts as long as its words, so
        /// its duration is not looked at.
        duration: u32 = "duration" default defaults::duration(),
        /// Set if the pictures move: the member `motion` of the kind `image`.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        motion: bool = "motion" default false,
        /// Address of music for the whole video. It is lowered under the voice.
        #[serde(skip_serializing_if = "Option::is_none")]
        music: Option<String> = "music" within SRC,
        /// Set if the words show as they are spoken.
        captions: bool = "captions" default true,
        /// Consequence of a scene whose speech or picture fails.
        on_scene_error: OnSceneError = "onSceneError" default OnSceneError::Fail,
    }
}

object! {
    /// A script of the caller's.
    #[derive(Eq, Serialize, Deserialize)]
    pub struct VideoScript {
        /// Title, written into the file.
        title: String = "title" within VIDEO_TITLE default String::new(),
        /// Scenes, in order.
        scenes: Vec<VideoScene> = "scenes" within SCENE_COUNT,
        /// Writer of the script, as a result shows it, so that the script of a result can be edited
        /// and posted again. It is accepted and not read.
        #[serde(skip_serializing)]
        provenance: Option<Value> = "provenance",
    }
}

object! {
    /// Scene of a video.
    #[derive(Eq, Serialize, Deserialize)]
    pub struct VideoScene {
        /// Words to speak.
        text: String = "text" within SPOKEN_TEXT,
        /// Description of the picture. By default the words, or the scene's place in the story if
        /// pictures are only patterns.
        picture: String = "picture" within SCENE_PICTURE default String::new(),
        /// Address of a picture or a video of the caller's, in place of a generated one.
        #[serde(skip_serializing_if = "Option::is_none")]
        clip: Option<String> = "clip" within SRC,
    }
}

/// Description of a picture for a scene that has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DefaultPicture {
    /// The scene's words: a model reads them, and other words give another picture.
    Words,
    /// The scene's place: a pattern does not depend on words, so other words keep it.
    Position,
}

impl DefaultPicture {
    /// The scenes with every description filled in. A scene keeps the name of its view as long as
    /// the script has it, also behind a new scene: no two scenes get one view.
    pub fn describe(self, title: &str, scenes: Vec<VideoScene>) -> Vec<VideoScene> {
        if self == Self::Words {
            return scenes.into_iter().map(VideoScene::seen).collect();
        }
        let title =
            if title.trim().is_empty() { String::new() } else { format!("{}, ", title.trim()) };
        let taken: BTreeSet<String> = scenes.iter().map(|scene| scene.picture.clone()).collect();
        let views = (1..)
            .map(|number| format!("{title}view {number}"))
            .filter(|view| !taken.contains(view));
        let described = scenes.into_iter().zip(views).map(|(scene, view)| match scene.is_seen() {
            true => scene,
            false => VideoScene { picture: view, ..scene },
        });
        described.collect()
    }
}

impl VideoScene {
    /// Returns whether it has a picture or a description of one.
    fn is_seen(&self) -> bool {
        self.clip.is_some() || !self.picture.trim().is_empty()
    }

    /// The scene with its words as the description, if it has none. A result shows it so: a caller
    /// who changes the words there and posts the script keeps the picture.
    pub fn seen(self) -> Self {
        match self.is_seen() {
            true => self,
            false => Self { picture: self.text.chars().take(MAX_PICTURE).collect(), ..self },
        }
    }
}

choice! {
    /// Consequence of a scene whose speech or picture fails.
    #[derive(Default, Serialize, Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub enum OnSceneError {
        /// The video fails.
        #[default]
        Fail = "fail",
        /// The scene is left out.
        Skip = "skip",
        /// The scene has a plain ground for its picture, or no voice.
        Placeholder = "placeholder",
    }
}

choice! {
    /// Shape of the frame, width to height.
    #[derive(Default, Serialize, Deserialize)]
    pub enum FrameShape {
        /// Upright, as phones are held.
        #[default]
        #[serde(rename = "9:16")]
        Tall = "9:16",
        /// Wide.
        #[serde(rename = "16:9")]
        Wide = "16:9",
        /// Square.
        #[serde(rename = "1:1")]
        Square = "1:1",
        /// A little taller than wide.
        #[serde(rename = "4:5")]
        FourFive = "4:5",
        /// The shape of old television.
        #[serde(rename = "4:3")]
        FourThree = "4:3",
    }
}

impl FrameShape {
    /// Pixels of a picture of this shape. The same for every resolution, so that resolutions share
    /// their pictures.
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

choice! {
    /// Size of the frame, by its shorter side.
    #[derive(Default, Serialize, Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub enum FrameSize {
        /// 288 pixels.
        Preview = "preview",
        /// 360 pixels.
        Mobile = "mobile",
        /// 576 pixels.
        Sd = "sd",
        /// 720 pixels.
        #[default]
        Hd = "hd",
        /// 1080 pixels.
        #[serde(rename = "1080")]
        FullHd = "1080",
    }
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

impl VideoInput {
    /// Input for the script on this video's topic, if it has one.
    pub fn script_input(&self) -> Option<ScriptInput> {
        Some(ScriptInput {
            topic: self.topic.clone()?,
            duration: self.duration,
            scenes: None,
            style: self.style.clone(),
            language: self.language.clone(),
            provider: None,
            seed: None,
        })
    }

    /// Input for the speech of a text in this video's voice. The speech task and the composition
    /// both use it, so they share the sound.
    pub fn speech(&self, text: &str) -> SpeechInput {
        let voice = self.voice.clone().unwrap_or_else(|| language::voice_for(&self.language, text));
        SpeechInput { text: text.to_owned(), voice, rate: self.rate, pitch: 50 }
    }
}

/// Reads an input.
///
/// # Errors
/// Every fault, with the JSON Pointer to its place.
pub fn parse(input: &Value) -> Result<VideoInput, Vec<Fault>> {
    let mut reader = DocumentReader::default();
    reader.one_of(input, &["topic", "script"]);
    let read = VideoInput::read(input, &mut reader);
    if has_member(input, "topic")
        && let Some(duration) = document::member::<u32>(input, "duration")
    {
        reader.within("duration", |reader| duration.check(&DURATION, reader));
    }
    reader.finish(read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_script_of_a_result_can_be_posted_again() {
        let script = json!({
            "title": "T", "scenes": [{"text": "a", "picture": "b"}],
            "provenance": {"provider": "openai"},
        });
        let request = parse(&json!({ "script": script })).expect("an input");
        let written = serde_json::to_value(&request).expect("JSON");
        assert_eq!(
            written["script"],
            json!({"title": "T", "scenes": [{"text": "a", "picture": "b"}]})
        );
    }

    #[test]
    fn names_are_written_as_they_are_read() {
        let choices = [
            ("aspectRatio", &["9:16", "16:9", "1:1", "4:5", "4:3"][..]),
            ("resolution", &["preview", "mobile", "sd", "hd", "1080"]),
            ("onSceneError", &["fail", "skip", "placeholder"]),
        ];
        for (member, names) in choices {
            for name in names {
                let request = parse(&json!({"topic": "a", member: name})).expect("an input");
                assert_eq!(serde_json::to_value(&request).expect("JSON")[member], *name);
            }
        }
    }

    #[test]
    fn a_written_input_reads_as_the_same_input() {
        let inputs = [
            json!({"topic": "a", "voice": "en", "motion": true, "music": "a.mp3"}),
            json!({"script": {"scenes": [{"text": "a", "clip": "b.mp4"}]}, "duration": 1}),
        ];
        for input in inputs {
            let read = parse(&input).expect("an input");
            let written = serde_json::to_value(&read).expect("JSON");
            assert_eq!(parse(&written), Ok(read.clone()), "{written}");
            assert_eq!(serde_json::from_value::<VideoInput>(written).expect("reads"), read);
        }
    }

    #[test]
    fn all_faults_are_reported_at_once() {
        let cases = [
            (json!({}), vec![""]),
            (json!([]), vec![""]),
            (json!({"topic": "a", "script": {"scenes": [{"text": "b"}]}}), vec![""]),
            (
                json!({
                    "topic": " ", "duration": 1, "voice": "../x", "rate": 3, "music": "ftp://a",
                }),
                vec!["/topic", "/voice", "/rate", "/music", "/duration"],
            ),
            (
                json!({"topic": "", "duration": 3, "aspectRatio": "9x16"}),
                vec!["/topic", "/aspectRatio", "/duration"],
            ),
            (
                json!({"script": {"scenes": [{"text": "", "clip": ""}, {"text": "b"}]}}),
                vec!["/script/scenes/0/text", "/script/scenes/0/clip"],
            ),
            (
                json!({"script": {"scenes": [
                    {"text": "🚀 …"}, {"text": "a\u{0}"}, {"text": "潮 🚀"},
                ]}}),
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
