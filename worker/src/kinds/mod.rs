//! The handlers of all kinds, a file each.
//!
//! A new kind is a file here, its spec in `common::kinds` or `composition::kinds`, and a line in
//! [`run`]. A handler returns an output or an error; a panic in it is caught and fails its attempt.

mod assemble;
mod check;
mod echo;
mod hook;
mod ideas;
mod image;
mod render;
mod score;
mod script;
mod segment;
mod sound;
mod source;
mod speech;
mod still;
mod subtitles;
mod thumbnail;
mod video;

use common::{
    error::{JobError, code},
    kinds as specs,
};

use crate::{
    context::{Context, HandlerError, HandlerOutput},
    providers::Providers,
};

/// Runs the handler of the claimed task's kind.
pub(crate) async fn run(
    context: Context,
    providers: &Providers,
) -> Result<HandlerOutput, HandlerError> {
    match context.claimed.kind.as_str() {
        specs::echo::NAME => echo::run(&context).await,
        specs::probe::NAME | specs::source::NAME => source::run(&context).await,
        specs::speech::NAME => speech::run(&context, providers).await,
        specs::script::NAME => script::run(&context, providers).await,
        specs::ideas::NAME => ideas::run(&context, providers).await,
        specs::hook::NAME => hook::run(&context, providers).await,
        specs::score::NAME => score::run(&context, providers).await,
        specs::image::NAME => image::run(&context, providers).await,
        specs::subtitles::NAME => subtitles::run(&context, providers).await,
        composition::kinds::render::NAME => render::run(&context).await,
        composition::kinds::segment::NAME => segment::run(&context).await,
        composition::kinds::sound::NAME => sound::run(&context).await,
        composition::kinds::assemble::NAME => assemble::run(&context).await,
        composition::kinds::still::NAME => still::run(&context).await,
        composition::kinds::thumbnail::NAME => thumbnail::run(&context).await,
        composition::kinds::check::NAME => check::run(&context).await,
        composition::kinds::video::NAME => video::run(&context, providers).await,
        composition::kinds::video::compose::NAME => video::compose(&context).await,
        composition::kinds::video::result::NAME => video::finish(&context).await,
        unknown => {
            let detail = format!(
                "this worker does not know the kind `{unknown}`: it is older than the producer; \
                 update it"
            );
            Err(JobError::transient(code::UNKNOWN_KIND, detail).into())
        }
    }
}
