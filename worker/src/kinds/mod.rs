//! The handlers of all kinds, a file each.
//!
//! A new kind is a file here, its spec in `common::kinds` or `composition::kinds`, and a line in
//! [`ALL`]. A handler returns an output or an error; a panic in it is caught and fails its attempt.

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

use std::sync::Arc;

use common::{
    error::{JobError, code},
    kind::KindSpec,
    kinds as specs,
};
use composition::kinds as video_specs;
use futures::{FutureExt, future::BoxFuture};

use crate::{
    context::{Context, HandlerError, HandlerOutput},
    providers::Providers,
};

type Handler = for<'a> fn(
    &'a Arc<Context>,
    &'a Providers,
) -> BoxFuture<'a, Result<HandlerOutput, HandlerError>>;

/// The kinds that a worker runs, each with its handler.
const ALL: &[(KindSpec, Handler)] = &[
    (specs::echo::SPEC, |context, _| echo::run(context).boxed()),
    (specs::probe::SPEC, |context, _| source::run(context).boxed()),
    (specs::source::SPEC, |context, _| source::run(context).boxed()),
    (specs::speech::SPEC, |context, providers| speech::run(context, providers).boxed()),
    (specs::script::SPEC, |context, providers| script::run(context, providers).boxed()),
    (specs::ideas::SPEC, |context, providers| ideas::run(context, providers).boxed()),
    (specs::hook::SPEC, |context, providers| hook::run(context, providers).boxed()),
    (specs::score::SPEC, |context, providers| score::run(context, providers).boxed()),
    (specs::image::SPEC, |context, providers| image::run(context, providers).boxed()),
    (specs::subtitles::SPEC, |context, providers| subtitles::run(context, providers).boxed()),
    (video_specs::render::SPEC, |context, _| render::run(context).boxed()),
    (video_specs::segment::SPEC, |context, _| segment::run(context).boxed()),
    (video_specs::sound::SPEC, |context, _| sound::run(context).boxed()),
    (video_specs::assemble::SPEC, |context, _| assemble::run(context).boxed()),
    (video_specs::still::SPEC, |context, _| still::run(context).boxed()),
    (video_specs::thumbnail::SPEC, |context, _| thumbnail::run(context).boxed()),
    (video_specs::check::SPEC, |context, providers| check::run(context, providers).boxed()),
    (video_specs::video::SPEC, |context, providers| video::run(context, providers).boxed()),
    (video_specs::video::compose::SPEC, |context, _| video::compose(context).boxed()),
    (video_specs::video::result::SPEC, |context, _| video::finish(context).boxed()),
];

/// A version that is newer than any. Stores keep a version as a signed number of 32 bits.
const ANY_VERSION: u32 = i32::MAX as u32;

/// The names of the kinds that a worker runs, each with the newest version that it knows.
///
/// The version of a kind that asks providers is a hash of their settings (`providers::specs`).
/// Hashes have no order, so a worker runs such a kind in any version.
pub(crate) fn versions() -> Vec<(String, u32)> {
    let newest = |spec: &KindSpec| spec.provider.map_or(spec.version, |_| ANY_VERSION);
    ALL.iter().map(|(spec, _)| (spec.name.to_owned(), newest(spec))).collect()
}

/// Runs the handler of the claimed task's kind.
pub(crate) async fn run(
    context: Context,
    providers: &Providers,
) -> Result<HandlerOutput, HandlerError> {
    if let Some(unreadable) = &context.claimed.unreadable {
        return Err(unreadable.clone().into());
    }
    let context = Arc::new(context);
    let kind = context.claimed.kind.as_str();
    match ALL.iter().find(|(spec, _)| spec.name == kind) {
        Some((_, handler)) => handler(&context, providers).await,
        // The store gives a worker the kinds that it registers, and this one has said nothing yet.
        None => {
            let detail = format!(
                "this worker does not know the kind `{kind}`: it is older than the producer; \
                 update it"
            );
            Err(JobError::transient(code::UNKNOWN_KIND, detail).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::{self, Config, ServiceConfig};

    #[test]
    fn a_worker_runs_the_kinds_of_its_catalog_whatever_their_providers() {
        let service = ServiceConfig::default();
        let config = Config { services: [("any".to_owned(), service)].into(), ..Config::default() };
        let known = versions();
        for spec in providers::specs(&config).iter().chain(ALL.iter().map(|(spec, _)| spec)) {
            let newest =
                known.iter().find(|(name, _)| name == spec.name).map(|(_, newest)| *newest);
            assert!(newest.is_some_and(|newest| spec.version <= newest), "{}", spec.name);
        }
    }
}
