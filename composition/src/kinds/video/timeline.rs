//! Lays the scenes of a video on its timeline, one after the other on whole frames: picture, speech
//! and captions of each.

use std::collections::BTreeMap;

use common::{
    error::{ErrorClass, JobError, code},
    kinds::speech::{SpeechOutput, Word},
    provenance::Usage,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    OnSceneError, Story, VideoScene,
    compose::{
        ComposedVideo, SceneAudio, SceneImage, SceneInputs, ScenePicture, SceneResult, VideoDetails,
    },
};
use crate::{
    SourceKey,
    plan::{Facts, Ratio},
    subtitles::{Format, Grouping, Word as TimedWord, cues_from_words, phrases, write},
};

/// Frames per second of a video; scenes begin on them.
const FPS: u64 = 25;
/// Silence after the words of a scene.
const PAUSE_MS: u64 = 300;
/// Least length of a scene.
const SHORTEST_MS: u64 = 1_000;

/// The timeline so far.
pub(super) struct TimelineBuilder<'a> {
    story: &'a Story,
    frames: u64,
    captions: Vec<Value>,
    pictures: Vec<Value>,
    voices: Vec<Value>,
    facts: BTreeMap<SourceKey, Facts>,
    scenes: Vec<SceneResult>,
    audio: Vec<SceneAudio>,
    words: Vec<Word>,
    usage: Usage,
    warnings: Vec<String>,
}

impl<'a> TimelineBuilder<'a> {
    /// Begins an empty timeline.
    pub fn new(story: &'a Story) -> Self {
        Self {
            story,
            frames: 0,
            captions: Vec::new(),
            pictures: Vec::new(),
            voices: Vec::new(),
            facts: BTreeMap::new(),
            scenes: Vec::new(),
            audio: Vec::new(),
            words: Vec::new(),
            usage: story
                .provenance
                .as_ref()
                .map(|provenance| provenance.usage.clone())
                .unwrap_or_default(),
            warnings: Vec::new(),
        }
    }

    /// Lays one scene after those before it, or leaves it out.
    pub fn scene(
        &mut self,
        number: usize,
        scene: &VideoScene,
        inputs: SceneInputs,
    ) -> Result<(), JobError> {
        let error = inputs.spoken.as_ref().err().or(inputs.seen.as_ref().err()).cloned();
        if let Some(error) = &error {
            self.warnings.push(format!("scene {number}: {}", error.detail));
            match self.story.input.on_scene_error {
                OnSceneError::Fail => {
                    return Err(JobError {
                        detail: format!("scene {number}: {}", error.detail),
                        ..error.clone()
                    });
                }
                OnSceneError::Skip => {
                    self.scenes.push(SceneResult {
                        text: scene.text.clone(),
                        start_ms: None,
                        duration_ms: 0,
                        image: None,
                        error: Some(error.clone()),
                    });
                    return Ok(());
                }
                OnSceneError::Placeholder => {}
            }
        }
        let voice_ms = inputs
            .spoken
            .as_ref()
            .map_or_else(|_| silent_ms(&scene.text, self.story.input.rate), |s| s.0.duration_ms);
        let frames = ((voice_ms + PAUSE_MS).max(SHORTEST_MS) * FPS).div_ceil(1_000);
        let span = SceneSpan { number, start_frame: self.frames, frames };
        self.frames += frames;
        let image = self.see(&span, scene, inputs.seen);
        self.say(&span, scene, inputs.spoken, voice_ms)?;
        self.scenes.push(SceneResult {
            text: scene.text.clone(),
            start_ms: Some(span.start_ms()),
            duration_ms: frames * 1_000 / FPS,
            image,
            error,
        });
        Ok(())
    }

    fn see(
        &mut self,
        span: &SceneSpan,
        scene: &VideoScene,
        seen: Result<ScenePicture, JobError>,
    ) -> Option<SceneImage> {
        let mut image = None;
        let (asset, moves) = match seen {
            Ok(ScenePicture::Generated(picture)) => {
                let src = format!("artifact://{}", picture.artifact);
                let still = self.know(&src, &picture.facts);
                self.usage = self.usage.plus(&picture.provenance.usage);
                image =
                    Some(SceneImage { artifact: picture.artifact, provenance: picture.provenance });
                (shown(&src, still), still)
            }
            Ok(ScenePicture::Clip(sourced)) => {
                let src = scene.clip.clone().unwrap_or_default();
                let still = self.know(&src, &sourced.facts);
                (shown(&src, still), still)
            }
            Err(_) => (
                json!({
                    "type": "gradient", "angle": 150,
                    "stops": [{"color": "#1b2a4e"}, {"color": "#3a1c5c"}],
                }),
                false,
            ),
        };
        let mut clip = json!({"asset": asset, "start": span.start(), "length": span.length()});
        if moves {
            clip["effect"] = json!(if span.number % 2 == 1 { "zoomInSlow" } else { "zoomOutSlow" });
        }
        self.pictures.push(clip);
        image
    }

    /// Keeps the facts of a file. Returns whether it is a still picture.
    fn know(&mut self, src: &str, facts: &Value) -> bool {
        match Facts::deserialize(facts) {
            Ok(facts) => {
                let still = facts.image;
                self.facts.insert(SourceKey::of_src(src), facts);
                still
            }
            // Without its facts the compile refuses the source by name.
            Err(_) => false,
        }
    }

    fn say(
        &mut self,
        span: &SceneSpan,
        scene: &VideoScene,
        spoken: Result<(SpeechOutput, Facts), JobError>,
        voice_ms: u64,
    ) -> Result<(), JobError> {
        let start_ms = span.start_ms();
        let words = match spoken {
            Ok((spoken, facts)) => {
                let speech = self.story.input.speech(&scene.text);
                self.facts.insert(SourceKey::of_speech(&speech), facts);
                self.voices.push(json!({
                    "asset": {
                        "type": "speech", "text": speech.text, "voice": speech.voice,
                        "rate": speech.rate,
                    },
                    "start": span.start(), "length": "auto",
                    "alias": format!("scene-{}", span.number),
                }));
                self.usage = spoken.provenance.as_ref().map_or_else(
                    || self.usage.clone(),
                    |provenance| self.usage.plus(&provenance.usage),
                );
                self.audio.push(SceneAudio {
                    artifact: spoken.artifact,
                    scene: span.number,
                    start_ms,
                    duration_ms: spoken.duration_ms,
                    provider: spoken.provider,
                });
                spoken.words
            }
            Err(_) => shared_out(&scene.text, voice_ms),
        };
        let mut shown = timed(&words)?;
        shown.retain(|word| !word.text.trim().is_empty());
        if self.story.input.captions && !shown.is_empty() {
            self.captions.push(self.caption(span, &phrases(&shown)));
        }
        let later = |word: Word| Word {
            start_ms: word.start_ms + start_ms,
            end_ms: word.end_ms + start_ms,
            ..word
        };
        self.words.extend(words.into_iter().map(later));
        Ok(())
    }

    /// A caption with the words themselves and not a reference to the speech: a caller who edits it
    /// finds the text here, and the speech stays as it is.
    fn caption(&self, span: &SceneSpan, words: &[TimedWord]) -> Value {
        let word = |word: &TimedWord| {
            let text: String = word
                .text
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
                .chars()
                .take(200)
                .collect();
            json!({"text": text, "start": word.start.to_f64(), "end": word.end.to_f64()})
        };
        let words: Vec<Value> = words.iter().map(word).collect();
        let short = self.story.input.resolution.pixels();
        let asset = json!({
            "type": "rich-caption",
            "words": words,
            "font": {
                "family": "Open Sans", "size": (short * 7 / 100).max(12), "weight": 700,
                "color": "#ffffff",
            },
            "stroke": {"color": "#000000", "width": (short / 120).max(2)},
            "active": {"color": "#ffd400"},
        });
        json!({"asset": asset, "start": span.start(), "length": span.length()})
    }

    /// Adds the facts of the music.
    pub fn music(&mut self, src: &str, facts: Facts) {
        self.facts.insert(SourceKey::of_src(src), facts);
    }

    /// Compiles the composition and collects the rest of the result.
    pub fn finish(mut self) -> Result<ComposedVideo, JobError> {
        if self.frames == 0 {
            // The class of the first error: if that scene may succeed later, so may the video.
            let first = self.scenes.iter().find_map(|scene| scene.error.clone());
            let (class, detail) =
                first.map_or((ErrorClass::Permanent, String::new()), |it| (it.class, it.detail));
            return Err(JobError::new(
                "no_scene",
                class,
                format!("every scene failed; the first: {detail}"),
            ));
        }
        self.warnings.extend(self.other_length());
        let composition = self.composition();
        let parsed =
            crate::parse(&composition).map_err(|faults| broken(&JobError::refused(faults)))?;
        let plan = crate::compile(&parsed, &self.facts).map_err(JobError::refused)?;
        let srt = write(
            &cues_from_words(&phrases(&timed(&self.words)?), Grouping::default()),
            Format::Srt,
        );
        let Story { title, scenes, provenance, .. } = self.story;
        let details = VideoDetails {
            script: json!({"title": title, "scenes": scenes, "provenance": provenance}),
            scenes: self.scenes,
            audio: self.audio,
            words: self.words,
            srt,
            composition,
            usage: self.usage,
            warnings: self.warnings,
        };
        Ok(ComposedVideo { plan, details })
    }

    /// A warning if the length is far from the one asked for. A script lasts as long as its words,
    /// and a model counts them badly.
    fn other_length(&self) -> Option<String> {
        let request = &self.story.input;
        let (asked, frames) = (u64::from(request.duration) * FPS, self.frames);
        let far = request.topic.is_some() && frames.abs_diff(asked) * 4 > asked;
        far.then(|| {
            format!(
                "it lasts {:.1} s, where {} s were asked for",
                frames as f64 / FPS as f64,
                request.duration
            )
        })
    }

    fn composition(&self) -> Value {
        let tracks = [&self.captions, &self.pictures, &self.voices];
        let tracks: Vec<Value> = tracks
            .into_iter()
            .filter(|clips| !clips.is_empty())
            .map(|clips| json!({"clips": clips}))
            .collect();
        let request = &self.story.input;
        let mut composition = json!({
            "timeline": {"background": "#000000", "tracks": tracks},
            "output": {
                "format": "mp4", "resolution": request.resolution,
                "aspectRatio": request.aspect_ratio, "fps": FPS,
                "thumbnail": {
                    "capture": seconds((self.frames * 1_000 / FPS).min(1_000) / 2), "scale": 0.5,
                },
            },
        });
        let title: String = self.story.title.split_whitespace().collect::<Vec<_>>().join(" ");
        if !title.is_empty() {
            composition["output"]["title"] = json!(title);
        }
        if let Some(src) = &request.music {
            composition["timeline"]["soundtrack"] = json!({
                "src": src, "volume": 0.4, "effect": "fadeOut", "repeat": true, "role": "music",
            });
        }
        composition
    }
}

/// A still picture, or a film without its sound, repeated as long as the scene lasts.
fn shown(src: &str, still: bool) -> Value {
    match still {
        true => json!({"type": "image", "src": src}),
        false => json!({"type": "video", "src": src, "volume": 0, "repeat": true}),
    }
}

/// A composition made here that is refused is a bug, whatever the caller wrote.
fn broken(error: &JobError) -> JobError {
    let faults: Vec<String> = error
        .errors
        .iter()
        .take(3)
        .map(|fault| format!("{} {}", fault.pointer, fault.detail))
        .collect();
    JobError::bug(
        code::INTERNAL,
        format!("the composition made of the scenes is refused: {}", faults.join("; ")),
    )
}

/// A scene's part of the timeline.
struct SceneSpan {
    number: usize,
    start_frame: u64,
    frames: u64,
}

impl SceneSpan {
    fn start_ms(&self) -> u64 {
        self.start_frame * 1_000 / FPS
    }

    fn start(&self) -> Value {
        seconds(self.start_ms())
    }

    fn length(&self) -> Value {
        seconds(self.frames * 1_000 / FPS)
    }
}

/// Milliseconds as the seconds of a composition. A frame lasts 40 ms, so the number is exact.
fn seconds(ms: u64) -> Value {
    json!(ms as f64 / 1_000.0)
}

/// Time for which a text without speech is shown.
fn silent_ms(text: &str, rate: u32) -> u64 {
    text.split_whitespace().count() as u64 * 60_000 / u64::from(rate.max(1))
}

/// The words of a text without speech, which share its time equally.
fn shared_out(text: &str, total_ms: u64) -> Vec<Word> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let at = |index: usize| total_ms * index as u64 / words.len().max(1) as u64;
    let word = |(index, word): (usize, &&str)| Word {
        word: word.chars().take(200).collect(),
        start_ms: at(index),
        end_ms: at(index + 1),
    };
    words.iter().enumerate().map(word).collect()
}

fn timed(words: &[Word]) -> Result<Vec<TimedWord>, JobError> {
    let seconds = |ms: u64| {
        Ratio::new(i64::try_from(ms).unwrap_or(i64::MAX), 1000)
            .map_err(|error| JobError::bug(code::INTERNAL, format!("a word's time: {error}")))
    };
    let word = |word: &Word| {
        Ok(TimedWord {
            text: word.word.clone(),
            start: seconds(word.start_ms)?,
            end: seconds(word.end_ms)?,
        })
    };
    words.iter().map(word).collect()
}
