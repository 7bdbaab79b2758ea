//! `source` and `probe`: fetch a file and describe it.

use common::{
    error::{ErrorClass, JobError, code},
    kinds::source::{self, SourceOutput, TakenFor},
    outcome::ArtifactRef,
};
use composition::plan::{Facts, SourceHash};
use media::sandbox::Scratch;

use crate::{
    context::{Context, HandlerError, HandlerOutput, json},
    fetch::{Fetched, shown},
};

/// Two hours of dense subtitles are under a megabyte.
const MAX_SUBTITLE_BYTES: u64 = 4 << 20;

pub(super) async fn run(context: &Context) -> Result<HandlerOutput, HandlerError> {
    let source = source::parse(&context.claimed.input).map_err(JobError::refused)?;
    let scratch = context.scratch()?;
    context.reporter.report(0.0, "fetching");
    let fetched =
        match context.tools.fetcher.fetch(&source.src, scratch.inputs(), &context.lease.stop).await
        {
            Err(_) if context.lease.stop.reason().is_some() => return Err(HandlerError::Stopped),
            fetched => fetched?,
        };
    let src = shown(&source.src);
    let facts = match source.taken_for {
        TakenFor::Media => context
            .facts(&fetched.hash, &scratch)
            .await
            .map_err(|error| with_source_name(error, &src, &fetched))?,
        TakenFor::Font => facts_of(context, &src, &fetched, FONT, &scratch).await?,
        TakenFor::Lut => facts_of(context, &src, &fetched, LUT, &scratch).await?,
        TakenFor::Subtitles => subtitle_facts(context, &src, &fetched, &scratch).await?,
    };
    let artifact = ArtifactRef {
        hash: fetched.hash,
        bytes: fetched.bytes,
        media_type: "application/octet-stream".into(),
    };
    let sourced =
        SourceOutput { artifact: fetched.hash, bytes: fetched.bytes, facts: json(&facts)? };
    Ok(HandlerOutput { output: json(&sourced)?, artifacts: vec![artifact] })
}

/// Replaces the file's hash in an error by the source as the caller wrote it: the media process
/// knows the hash alone.
fn with_source_name(error: HandlerError, src: &str, fetched: &Fetched) -> HandlerError {
    match error {
        HandlerError::Failed(error) => {
            let detail = error.detail.replace(&fetched.hash.to_string(), &format!("`{src}`"));
            HandlerError::Failed(JobError { detail, ..error })
        }
        HandlerError::Stopped => HandlerError::Stopped,
    }
}

/// Returns the facts of a file that is used as one thing only, such as a font. Any other file, or a
/// broken one, is refused here, with its place in the composition, before a segment draws with it.
async fn facts_of(
    context: &Context,
    src: &str,
    fetched: &Fetched,
    (container, use_as, remedy): (&str, &str, &str),
    scratch: &Scratch,
) -> Result<Facts, HandlerError> {
    let refused = |why: &str| {
        let detail = format!("`{src}` can't be used as {use_as}: {why}; {remedy}");
        HandlerError::Failed(JobError::caller(code::BAD_SOURCE, detail))
    };
    match context
        .facts(&fetched.hash, scratch)
        .await
        .map_err(|error| with_source_name(error, src, fetched))
    {
        Ok(facts) if facts.container == container => Ok(facts),
        Ok(facts) => Err(refused(&format!("it is another kind of file ({})", facts.container))),
        Err(HandlerError::Failed(error)) if error.class == ErrorClass::Caller => {
            Err(refused(&error.detail))
        }
        Err(error) => Err(error),
    }
}

const FONT: (&str, &str, &str) = ("font", "a font", "use a whole TTF or OTF file");
const LUT: (&str, &str, &str) = ("lut", "a colour table", "use a .cube file of three dimensions");

/// Returns the facts of subtitles: their text. They do not pass through libav.
async fn subtitle_facts(
    context: &Context,
    src: &str,
    fetched: &Fetched,
    scratch: &Scratch,
) -> Result<Facts, HandlerError> {
    Ok(Facts {
        text: Some(read_text(context, src, fetched, scratch).await?),
        ..Facts::empty(SourceHash(fetched.hash.to_string()), "subtitles")
    })
}

async fn read_text(
    context: &Context,
    src: &str,
    fetched: &Fetched,
    scratch: &Scratch,
) -> Result<String, HandlerError> {
    let bad = |what: &str| {
        JobError::caller(code::BAD_SOURCE, format!("`{src}` can't be used as subtitles: {what}"))
    };
    if fetched.bytes > MAX_SUBTITLE_BYTES {
        return Err(bad("it is larger than 4 MiB").into());
    }
    let path = scratch.inputs().join("subtitles");
    context.fetch_artifact(&fetched.hash, &path).await?;
    let bytes = tokio::fs::read(&path).await.map_err(|error| {
        JobError::transient(code::UNAVAILABLE, format!("the scratch folder can't be read: {error}"))
    })?;
    let text =
        decoded(bytes).ok_or_else(|| bad("it is neither UTF-8 nor UTF-16: save it as UTF-8"))?;
    Ok(text.trim_start_matches('\u{feff}').to_owned())
}

/// Decodes UTF-8, or UTF-16 with a byte order mark.
fn decoded(bytes: Vec<u8>) -> Option<String> {
    let units = |unit: fn([u8; 2]) -> u16| {
        bytes.as_chunks().0.iter().copied().map(unit).collect::<Vec<u16>>()
    };
    match bytes.as_slice() {
        [0xff, 0xfe, ..] => String::from_utf16(&units(u16::from_le_bytes)).ok(),
        [0xfe, 0xff, ..] => String::from_utf16(&units(u16::from_be_bytes)).ok(),
        _ => String::from_utf8(bytes).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::decoded;

    #[test]
    fn utf_8_and_utf_16_with_a_byte_order_mark_are_read() {
        let text = "\u{feff}1\n00:00:01,000 --> 00:00:02,000\n\u{c4}rger \u{1f600}\n";
        let encoded = |unit: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(unit).collect();
        for bytes in
            [text.as_bytes().to_vec(), encoded(u16::to_le_bytes), encoded(u16::to_be_bytes)]
        {
            assert_eq!(decoded(bytes).as_deref(), Some(text));
        }
        assert_eq!(decoded(b"\xc4rger".to_vec()), None);
    }
}
