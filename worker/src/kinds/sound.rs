//! `sound`: the whole sound of a composition, mixed by a child.

use composition::{kinds::sound::Mixed, plan::Sound};
use media::child::{ChildJob, Output};

use super::{Context, Done, Ended, child::wrong_answer, json};

pub(super) async fn run(context: &Context) -> Result<Done, Ended> {
    let sound: Sound = context.input()?;
    let scratch = context.scratch()?;
    let files = context.bring(&sound.sources(), &scratch).await?;
    let out = scratch.path().join("sound");
    let job = ChildJob::Sound { sound: Box::new(sound), files, out: out.clone() };
    let Output::Sound(made) = context.child(&job, &scratch, "mixing").await? else {
        return Err(wrong_answer("sound").into());
    };
    let artifact = context.keep(&out, "audio/x-spool-sound").await?;
    let mixed = Mixed { artifact: artifact.hash, loudness: made.loudness };
    Ok(Done { output: json(&mixed)?, artifacts: vec![artifact] })
}
