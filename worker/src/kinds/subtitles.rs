//! `subtitles`: writes a subtitle file from words and their times.

use common::{
    error::{JobError, code},
    kinds::{
        source::SourceOutput,
        speech::{SpeechOutput, Word},
        subtitles::{self, FileFormat, Subtitles, SubtitlesInput},
    },
    provenance::Provenance,
};
use composition::{
    plan::Ratio,
    subtitles::{Format, Grouping, Word as TimedWord, cues_from_words, phrases, write},
};

use crate::{
    context::{Context, HandlerError, HandlerOutput, clean, json},
    providers::Providers,
};

pub(super) async fn run(
    context: &Context,
    providers: &Providers,
) -> Result<HandlerOutput, HandlerError> {
    let input = subtitles::parse(&context.claimed.input).map_err(JobError::refused)?;
    let (words, provenance) = words(context, providers, &input).await?;
    let format = match input.format {
        FileFormat::Srt => Format::Srt,
        FileFormat::Vtt => Format::Vtt,
        FileFormat::Ass => Format::Ass,
    };
    let grouping =
        Grouping { characters: input.max_characters as usize, lines: input.max_lines as usize };
    let text = write(&cues_from_words(&phrases(&timed(&words)?), grouping), format);
    let output = Subtitles { text, format: input.format, words, provenance };
    Ok(HandlerOutput { output: json(&output)?, artifacts: Vec::new() })
}

async fn words(
    context: &Context,
    providers: &Providers,
    input: &SubtitlesInput,
) -> Result<(Vec<Word>, Provenance), HandlerError> {
    if let Some(words) = &input.words {
        let cleaned = words.iter().map(|word| Word { word: clean(&word.word), ..word.clone() });
        return Ok((cleaned.collect(), Provenance::default()));
    }
    if input.speech.is_some() {
        let spoken: SpeechOutput = context.need(0)?;
        let provenance = spoken
            .provenance
            .unwrap_or_else(|| Provenance { provider: spoken.provider, ..Provenance::default() });
        return Ok((spoken.words, provenance));
    }
    let sourced: SourceOutput = context.need(0)?;
    let scratch = context.scratch()?;
    let sound = scratch.inputs().join("recording");
    context.fetch_artifact(&sourced.artifact, &sound).await?;
    context.reporter.report(0.1, "listening");
    let language = input.language.as_deref();
    let transcript = providers.listen(context, input.provider.as_deref(), &sound, language).await?;
    Ok((transcript.words, transcript.provenance))
}

/// Converts words to the type that the writer of subtitles takes.
pub(super) fn timed(words: &[Word]) -> Result<Vec<TimedWord>, JobError> {
    let seconds = |ms: u64| {
        Ratio::new(i64::try_from(ms).unwrap_or(i64::MAX), 1000)
            .map_err(|error| JobError::bug(code::INTERNAL, format!("a word's time: {error}")))
    };
    let word = |word: &Word| {
        Ok(TimedWord {
            text: word.word.clone(),
            start: seconds(word.start_ms)?,
            end: seconds(word.end_ms)?,
        })
    };
    words.iter().map(word).collect()
}
