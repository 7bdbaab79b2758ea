//! From a job to the part of the engine that does it.

use super::{ChildJob, Output, Progress, echo};
use crate::assemble::Parts;
use crate::text::FontFolders;
use crate::{Result, picture};

/// Does the job in this process. Reports go to `report`; `done` only grows.
pub(super) fn run(job: &ChildJob, report: &mut dyn FnMut(Progress)) -> Result<Output> {
    ffmpeg_next::util::log::set_level(ffmpeg_next::util::log::Level::Warning);
    match job {
        ChildJob::Probe { source, hash } => crate::probe::probe_telling(source, hash, report)
            .map(|facts| Output::Probe(Box::new(facts))),
        ChildJob::Segment { segment, files, out } => {
            picture::render_segment(segment, files, &FontFolders::default(), out, report)
                .map(Output::Picture)
        }
        ChildJob::Still { segment, files, frame, out } => {
            picture::render_still(segment, *frame, files, &FontFolders::default(), out)
                .map(Output::Picture)
        }
        ChildJob::Sound { sound, files, out } => {
            crate::sound::render(sound, files, out, report).map(Output::Sound)
        }
        ChildJob::Speech { speech, out } => crate::speech::speak(speech, out).map(Output::Speech),
        ChildJob::Echo(echo) => echo::run(echo, report).map(|()| Output::Echo),
        ChildJob::Assemble { assemble, segments, sound, out, poster, thumbnail } => {
            let parts = Parts {
                segments,
                sound: sound.as_deref(),
                out,
                poster: poster.as_deref(),
                thumbnail: thumbnail.as_deref(),
            };
            crate::assemble::assemble(assemble, &parts, report).map(Output::Assemble)
        }
    }
}
