//! `sound`: mixes the whole sound of a composition, in a media process.

use composition::{kinds::sound::Mixed, plan::Sound};
use media::protocol::{MediaJob, Output};

use crate::{
    context::{Context, HandlerError, HandlerOutput, json},
    media_process::wrong_answer,
};

pub(super) async fn run(context: &Context) -> Result<HandlerOutput, HandlerError> {
    let sound: Sound = context.input()?;
    let scratch = context.scratch()?;
    let files = context.fetch_sources(&sound.sources(), &scratch).await?;
    let out = scratch.path().join("sound");
    let job = MediaJob::Sound { sound: Box::new(sound), files, out: out.clone() };
    let Output::Sound(made) = context.run_media(&job, &scratch, "mixing").await? else {
        return Err(wrong_answer("sound").into());
    };
    let artifact = context.store_file(&out, "audio/x-spool-sound").await?;
    let mixed = Mixed { artifact: artifact.hash, loudness: made.loudness };
    Ok(HandlerOutput { output: json(&mixed)?, artifacts: vec![artifact] })
}
