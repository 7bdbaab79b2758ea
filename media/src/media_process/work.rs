//! Calls the part of the engine that does a job.

#[cfg(feature = "test-doubles")]
use super::test_job;
use crate::assemble::AssembleFiles;
use crate::protocol::{MediaJob, Output, Progress};
use crate::text::FontFolders;
use crate::{Result, picture};

/// Does the job in this process. `report` receives progress whose `done` only grows.
pub(super) fn run(job: &MediaJob, report: &mut dyn FnMut(Progress)) -> Result<Output> {
    ffmpeg_next::util::log::set_level(ffmpeg_next::util::log::Level::Warning);
    match job {
        MediaJob::Probe { source, hash } => crate::probe::probe_with_progress(source, hash, report)
            .map(|facts| Output::Probe(Box::new(facts))),
        MediaJob::Segment { segment, files, out } => {
            picture::render_segment(segment, files, &FontFolders::default(), out, report)
                .map(Output::Picture)
        }
        MediaJob::Still { segment, files, frame, out } => {
            picture::render_still(segment, *frame, files, &FontFolders::default(), out)
                .map(Output::Picture)
        }
        MediaJob::Sound { sound, files, out } => {
            crate::sound::render(sound, files, out, report).map(Output::Sound)
        }
        MediaJob::Speech { speech, out } => crate::speech::speak(speech, out).map(Output::Speech),
        MediaJob::Confine => Ok(Output::Confine),
        #[cfg(feature = "test-doubles")]
        MediaJob::Test(job) => test_job::run(job, report).map(|()| Output::Test),
        MediaJob::Assemble { assemble, segments, sound, out, poster, thumbnail } => {
            let assemble_files = AssembleFiles {
                segments,
                sound: sound.as_deref(),
                out,
                poster: poster.as_deref(),
                thumbnail: thumbnail.as_deref(),
            };
            crate::assemble::assemble(assemble, &assemble_files, report).map(Output::Assemble)
        }
    }
}
