//! What a child is asked to do, and what it answers: one JSON line each.
//!
//! Plain data on both sides, so that the parent holds no libav type, and a line in a log tells the whole request.

use crate::MediaError;
use crate::cage::{Bounds, Seal};
use crate::speech::SpokenText;
use composition::plan::{Assemble, Facts, Segment, Sound, SourceHash};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where the bytes of each source are. The child may read these files and no others.
pub type Files = BTreeMap<SourceHash, PathBuf>;

/// One task for one child. Every `out` stands inside the scratch folder that the parent gives to the run.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ChildJob {
    /// Say what a file is.
    Probe {
        /// The file.
        source: PathBuf,
        /// The hash of its bytes, as the parent knows it; copied into the facts.
        hash: SourceHash,
    },
    /// Render a run of frames.
    Segment {
        /// What is shown.
        segment: Box<Segment>,
        /// The segment's sources and fonts.
        files: Files,
        /// The file to write: pictures only, as the segment's recipe says.
        out: PathBuf,
    },
    /// Render one frame of a segment as a picture.
    Still {
        /// What is shown.
        segment: Box<Segment>,
        /// The segment's sources and fonts.
        files: Files,
        /// Which of its frames.
        frame: u64,
        /// The file to write; its extension (`png`, `jpg`, `webp`) says in which format.
        out: PathBuf,
    },
    /// Mix and encode the sound of a composition.
    Sound {
        /// What is heard.
        sound: Box<Sound>,
        /// The sound's sources.
        files: Files,
        /// The file to write.
        out: PathBuf,
    },
    /// Join segments and sound into one file, and take pictures from it.
    Assemble {
        /// How.
        assemble: Box<Assemble>,
        /// The segments' files, in order.
        segments: Vec<PathBuf>,
        /// The sound's file, where the plan has sound.
        sound: Option<PathBuf>,
        /// The file to write.
        out: PathBuf,
        /// Where the poster goes, if the plan asks for one.
        poster: Option<PathBuf>,
        /// Where the thumbnail goes, if the plan asks for one.
        thumbnail: Option<PathBuf>,
    },
    /// Speak a text.
    Speech {
        /// The text and the voice.
        speech: SpokenText,
        /// The WAV file to write.
        out: PathBuf,
    },
    /// Do what a test asks for.
    Echo(Echo),
}

/// The test job: spins, then allocates, then exits, as far as each is asked for.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Echo {
    /// Burn a core for so many milliseconds.
    pub spin_ms: u64,
    /// Report progress every 50 ms of spinning; without it the parent sees a stall.
    pub progress: bool,
    /// Allocate and touch so many MiB.
    pub allocate_mb: u64,
    /// End the process without an answer, as a crash would.
    pub exit: bool,
    /// Try these reaches beyond the cage, and fail with a sentence naming those that succeeded.
    pub escape: Option<Escape>,
}

/// Reaches that a cage must stop; the tests' way to see that it does.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Escape {
    /// A file to read that the job was not given.
    pub read: PathBuf,
    /// A file to write outside the scratch folder.
    pub write: PathBuf,
    /// An address to connect to.
    pub connect: std::net::SocketAddr,
    /// A program to run.
    pub execute: PathBuf,
}

impl ChildJob {
    /// The files it must be able to read.
    #[must_use]
    pub fn reads(&self) -> Vec<&Path> {
        match self {
            Self::Probe { source, .. } => vec![source],
            Self::Segment { files, .. } | Self::Still { files, .. } | Self::Sound { files, .. } => {
                files.values().map(PathBuf::as_path).collect()
            }
            Self::Assemble { segments, sound, .. } => {
                segments.iter().chain(sound).map(PathBuf::as_path).collect()
            }
            Self::Speech { .. } | Self::Echo(_) => Vec::new(),
        }
    }

    /// The files it makes.
    #[must_use]
    pub fn writes(&self) -> Vec<&Path> {
        match self {
            Self::Probe { .. } | Self::Echo(_) => Vec::new(),
            Self::Segment { out, .. }
            | Self::Still { out, .. }
            | Self::Sound { out, .. }
            | Self::Speech { out, .. } => vec![out],
            Self::Assemble { out, poster, thumbnail, .. } => {
                std::iter::once(out).chain(poster).chain(thumbnail).map(PathBuf::as_path).collect()
            }
        }
    }

    /// The job's name in logs.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Probe { .. } => "probe",
            Self::Segment { .. } => "segment",
            Self::Still { .. } => "still",
            Self::Sound { .. } => "sound",
            Self::Assemble { .. } => "assemble",
            Self::Speech { .. } => "speech",
            Self::Echo(_) => "echo",
        }
    }
}

/// The one line that the child reads before it does anything.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Request {
    pub job: ChildJob,
    pub scratch: PathBuf,
    pub bounds: Bounds,
}

/// A line from the child.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Answer {
    /// First of all: what holds it, and what does not.
    Sealed(Seal),
    Progress(Progress),
    /// Last: how it ended.
    Done(Box<Output>),
    Failed(MediaError),
}

/// How far the work has come, in the work's own units (frames, samples, packets).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// What is done.
    pub done: u64,
    /// What there is to do; 0 where it is not known.
    pub total: u64,
}

/// What a job made, beside its files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Output {
    /// Of [`ChildJob::Probe`].
    Probe(Box<Facts>),
    /// Of [`ChildJob::Segment`] and [`ChildJob::Still`].
    Picture(PictureOutput),
    /// Of [`ChildJob::Sound`].
    Sound(crate::sound::SoundOutput),
    /// Of [`ChildJob::Assemble`].
    Assemble(crate::assemble::AssembleOutput),
    /// Of [`ChildJob::Speech`].
    Speech(crate::speech::SpeechOutput),
    /// Of [`ChildJob::Echo`].
    Echo,
}

/// What came of rendering.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PictureOutput {
    /// Frames in the file.
    pub frames: u64,
    /// The file's size in bytes.
    pub bytes: u64,
    /// What was drawn otherwise than asked, e.g. a glyph that no font has.
    pub warnings: Vec<String>,
}
