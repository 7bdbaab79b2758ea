//! The jobs that a media process can do.

use super::output::SpokenText;
#[cfg(feature = "test-doubles")]
use super::test_job::TestJob;
use composition::plan::{Assemble, Segment, Sound, SourceHash};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The path of each source. The media process may read these files and no others.
pub type Files = BTreeMap<SourceHash, PathBuf>;

/// One job for one media process. Every `out` lies in the scratch folder of the run.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MediaJob {
    /// Find out what a file contains.
    Probe {
        source: PathBuf,
        /// The hash of the file's bytes. The parent knows it; it is copied into the facts.
        hash: SourceHash,
    },
    /// Render a run of frames.
    Segment {
        segment: Box<Segment>,
        /// The segment's sources and fonts.
        files: Files,
        /// The file to write. It has pictures only, encoded by the segment's recipe.
        out: PathBuf,
    },
    /// Render one frame of a segment as a picture.
    Still {
        segment: Box<Segment>,
        /// The segment's sources and fonts.
        files: Files,
        /// The number of the frame in the segment, from 0.
        frame: u64,
        /// The file to write. Its extension (`png`, `jpg`, `webp`) gives the format.
        out: PathBuf,
    },
    /// Mix and encode the sound of a composition.
    Sound {
        sound: Box<Sound>,
        /// The sound's sources.
        files: Files,
        out: PathBuf,
    },
    /// Join segments and sound into one file, and take pictures from it.
    Assemble {
        assemble: Box<Assemble>,
        /// The segments' files, in order.
        segments: Vec<PathBuf>,
        /// The sound's file, if the plan has sound.
        sound: Option<PathBuf>,
        out: PathBuf,
        /// The poster's file, if the plan asks for one.
        poster: Option<PathBuf>,
        /// The thumbnail's file, if the plan asks for one.
        thumbnail: Option<PathBuf>,
    },
    /// Speak a text.
    Speech {
        speech: SpokenText,
        /// The WAV file to write.
        out: PathBuf,
    },
    /// Confine the process and do nothing else, to show which layers of the sandbox hold.
    Confine,
    /// Misbehave as a test asks.
    #[cfg(feature = "test-doubles")]
    Test(TestJob),
}

impl MediaJob {
    /// The files that the job must be able to read.
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
            Self::Speech { .. } | Self::Confine => Vec::new(),
            #[cfg(feature = "test-doubles")]
            Self::Test(_) => Vec::new(),
        }
    }

    /// The files that the job makes.
    #[must_use]
    pub fn writes(&self) -> Vec<&Path> {
        match self {
            Self::Probe { .. } | Self::Confine => Vec::new(),
            Self::Segment { out, .. }
            | Self::Still { out, .. }
            | Self::Sound { out, .. }
            | Self::Speech { out, .. } => vec![out],
            Self::Assemble { out, poster, thumbnail, .. } => {
                std::iter::once(out).chain(poster).chain(thumbnail).map(PathBuf::as_path).collect()
            }
            #[cfg(feature = "test-doubles")]
            Self::Test(_) => Vec::new(),
        }
    }

    /// The job's name in logs and in process lists.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Probe { .. } => "probe",
            Self::Segment { .. } => "segment",
            Self::Still { .. } => "still",
            Self::Sound { .. } => "sound",
            Self::Assemble { .. } => "assemble",
            Self::Speech { .. } => "speech",
            Self::Confine => "confine",
            #[cfg(feature = "test-doubles")]
            Self::Test(_) => "echo",
        }
    }
}
