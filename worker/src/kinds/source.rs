//! `source` and `probe`: a file brought here, and what it is.

use backing::cache::{Item, Made, Namespace, Unmade};
use common::{
    error::{JobError, code},
    id::Digest,
    kinds::source::{self, Sourced, TakenFor},
    outcome::ArtifactRef,
};
use composition::plan::{ENGINE_VERSION, Facts, SourceHash};
use media::{
    cage::Scratch,
    child::{ChildJob, Output},
};

use super::{Context, Done, Ended, child::wrong_answer, json};
use crate::fetch::Fetched;

/// Two hours of dense subtitles are under a megabyte.
const MAX_SUBTITLE_BYTES: u64 = 4 << 20;

pub(super) async fn run(context: &Context) -> Result<Done, Ended> {
    let source = source::parse(&context.claimed.input).map_err(JobError::refused)?;
    let scratch = context.scratch()?;
    context.reporter.tell(0.0, "fetching");
    let fetched = match context.tools.fetcher.fetch(&source.src, scratch.path(), &context.lease.stop).await {
        Err(_) if context.lease.stop.reason().is_some() => return Err(Ended::Stopped),
        fetched => fetched?,
    };
    let facts = match source.taken_for {
        TakenFor::Media => context.facts(&fetched.hash, &scratch).await?,
        other => plain_facts(context, &source.src, &fetched, other, &scratch).await?,
    };
    let artifact =
        ArtifactRef { hash: fetched.hash, bytes: fetched.bytes, media_type: "application/octet-stream".into() };
    let sourced = Sourced { artifact: fetched.hash, bytes: fetched.bytes, facts: json(&facts)? };
    Ok(Done { output: json(&sourced)?, artifacts: vec![artifact] })
}

/// The facts of what libav has no business with: a font and a table are known by their hash, subtitles by their text.
async fn plain_facts(
    context: &Context,
    src: &str,
    fetched: &Fetched,
    taken_for: TakenFor,
    scratch: &Scratch,
) -> Result<Facts, Ended> {
    let text = match taken_for {
        TakenFor::Subtitles => Some(read_text(context, src, fetched, scratch).await?),
        _ => None,
    };
    let container = match taken_for {
        TakenFor::Subtitles => "subtitles",
        TakenFor::Font => "font",
        TakenFor::Lut | TakenFor::Media => "lut",
    };
    Ok(Facts {
        hash: SourceHash(fetched.hash.to_string()),
        container: container.to_owned(),
        duration: None,
        image: false,
        video: Vec::new(),
        audio: Vec::new(),
        words: Vec::new(),
        text,
        faces: Vec::new(),
        writes: false,
    })
}

async fn read_text(context: &Context, src: &str, fetched: &Fetched, scratch: &Scratch) -> Result<String, Ended> {
    let bad = |what: &str| JobError::caller(code::BAD_SOURCE, format!("`{src}` can't be used as subtitles: {what}"));
    if fetched.bytes > MAX_SUBTITLE_BYTES {
        return Err(bad("it is larger than 4 MiB").into());
    }
    let path = scratch.path().join("subtitles");
    context.bring_to(&fetched.hash, &path).await?;
    let bytes = tokio::fs::read(&path).await.map_err(|error| {
        JobError::transient(code::UNAVAILABLE, format!("the scratch folder can't be read: {error}"))
    })?;
    let text = String::from_utf8(bytes).map_err(|_| bad("it is not UTF-8: save it as UTF-8"))?;
    Ok(text.trim_start_matches('\u{feff}').to_owned())
}

impl Context {
    /// What the artifact is: as the cache has it, else as a child probes it, once for all who want it now.
    pub(crate) async fn facts(&self, hash: &Digest, scratch: &Scratch) -> Result<Facts, Ended> {
        let item = Item::new(Namespace::Metadata, [ENGINE_VERSION.to_string().as_bytes(), &hash.0]);
        let probing = async {
            let facts = self.probe(hash, scratch).await.map_err(Unmade::from)?;
            let json = serde_json::to_vec(&facts).map_err(|error| Unmade::Failed(unkept(&error)))?;
            Ok(Made::new(json))
        };
        let kept = self.cached(&item, probing).await?;
        match serde_json::from_slice(&kept) {
            Ok(facts) => Ok(facts),
            // Another version wrote it.
            Err(_) => self.probe(hash, scratch).await,
        }
    }

    async fn probe(&self, hash: &Digest, scratch: &Scratch) -> Result<Facts, Ended> {
        let path = scratch.path().join(hash.to_string());
        self.bring_to(hash, &path).await?;
        let job = ChildJob::Probe { source: path, hash: SourceHash(hash.to_string()) };
        match self.child(&job, scratch, "probing").await? {
            Output::Probe(facts) => Ok(*facts),
            _ => Err(wrong_answer("probe").into()),
        }
    }
}

fn unkept(error: &serde_json::Error) -> JobError {
    JobError::bug(code::INTERNAL, format!("the facts of a file can't be kept: {error}"))
}
