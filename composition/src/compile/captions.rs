//! The cues of a caption clip, on the clip's own clock.

use super::context::CompileContext;
use super::look::Extent;
use super::times::{self, Placed};
use super::writing::{self, TextForms};
use crate::composition::Clip;
use crate::plan::{
    CaptionWord, Captions, Cue as PlanCue, Fitting, Micro, Rate, Ratio, Rgba, SpokenWord, Text,
    VerticalAlign, WordStyle, words_of,
};
use crate::subtitles::{self, Cue, Grouping, Word};
use crate::syntax::{ActiveForm, Asset, CaptionAsset, CueForm, WordForm, WordStyleName};

/// The default colour of the spoken word.
const GOLD: Rgba = Rgba([255, 215, 0, 255]);

/// The end of the last cue, in seconds after the clip's start; zero without cues. Returns none
/// after a fault.
pub(super) fn end_of(
    context: &mut CompileContext,
    clip: &Clip,
    asset: &CaptionAsset,
    start: Ratio,
) -> Option<Ratio> {
    let cues = cues_of(context, clip, asset, start)?;
    Some(cues.iter().map(|cue| cue.end).max().unwrap_or(Ratio::ZERO))
}

/// The captions of a clip over its whole length, and their box.
pub(super) fn captions(
    context: &mut CompileContext,
    placed: &Placed,
    asset: &CaptionAsset,
) -> Option<(Captions, Extent)> {
    let clip = placed.clip;
    let start = times::begins(context, clip)?;
    let cues = cues_of(context, clip, asset, start)?;
    let canvas = context.composition.canvas;
    let rate = canvas.rate;
    let active = active(clip, asset, rate);
    let forms = TextForms {
        font: asset.font.as_ref(),
        style: asset.style.as_ref(),
        stroke: asset.stroke.as_ref(),
        shadow: asset.shadow.as_ref(),
        background: asset.background.as_ref(),
        default_size: writing::default_size(&canvas),
    };
    let clip_start = placed.span.from as i64;
    let cue_clock = CueClock { rate, start, clip_start };
    let cues: Vec<PlanCue> = cues
        .iter()
        .map(|cue| cue_clock.cue(cue, &forms, active.is_some()))
        .filter(|cue| cue.from < cue.to)
        .collect();
    if cues.iter().all(|cue| cue.to <= 0 || placed.span.len() as i64 <= cue.from) {
        context.warn(&clip.pointer, "shows no caption: none falls into its time");
    }
    let capitals = forms.capitals();
    Some((Captions { cues, look: look(asset, &forms), active, capitals }, extent_of(context, clip)))
}

/// The box that captions are written in: the clip's own, or the title-safe part of the frame.
fn extent_of(context: &CompileContext, clip: &Clip) -> Extent {
    let canvas = &context.composition.canvas;
    let boxed = clip.written.width.is_some() || clip.written.height.is_some();
    if boxed { Extent::of_clip(&clip.written, canvas) } else { title_safe(canvas) }
}

/// Groups words into cues. A cue is one line, which the engine breaks, because it knows how wide
/// the letters are. Lines are decided here if the caller bounds their characters, or if letters are
/// all equally wide: the engine would break Chinese and Japanese within a word.
fn grouped(
    context: &CompileContext,
    clip: &Clip,
    asset: &CaptionAsset,
    words: &[Word],
) -> Vec<Cue> {
    let wide = words.iter().flat_map(|word| word.text.chars()).any(subtitles::is_wide);
    let room = room(context, clip, asset, wide);
    let most = asset.max_characters.map(|count| count.0 as usize);
    let characters = most.map_or(room, |most| most.min(room));
    let cues = subtitles::cues_from_words(words, Grouping { characters, lines: most_lines(asset) });
    if wide || most.is_some_and(|most| most <= room) {
        return cues;
    }
    cues.into_iter().map(|cue| Cue { text: subtitles::joined(&cue.words), ..cue }).collect()
}

/// The number of characters that fit on a line: a letter is about half as wide as its size,
/// capitals and bold letters a little more. Wide letters are as wide as they are high.
fn room(context: &CompileContext, clip: &Clip, asset: &CaptionAsset, wide: bool) -> usize {
    let size = asset
        .font
        .as_ref()
        .and_then(|font| font.size)
        .map_or_else(|| writing::default_size(&context.composition.canvas), |size| size.0);
    let letter = size.times(Ratio::new(if wide { 100 } else { 58 }, 100).unwrap_or(Ratio::ONE));
    let room = extent_of(context, clip).width.over(letter).map_or(0, Ratio::floor);
    usize::try_from(room.clamp(8, 42)).unwrap_or(8)
}

/// Returns whether cues are made from words, and not written or read from a file.
fn is_from_words(asset: &CaptionAsset) -> bool {
    let follows = asset.src.as_ref().is_some_and(|src| src.alias().is_some());
    asset.cues.is_none() && (asset.words.is_some() || follows)
}

/// The most lines of a cue that is made from words.
fn most_lines(asset: &CaptionAsset) -> usize {
    asset.max_lines.map_or(Grouping::default().lines, |count| count.0 as usize)
}

/// Nine tenths of the width and eight tenths of the height: neither a player's controls nor a
/// phone's rounded corners hide it.
fn title_safe(canvas: &crate::plan::Canvas) -> Extent {
    Extent::pixels(canvas.width * 9 / 10, canvas.height * 8 / 10)
}

fn look(asset: &CaptionAsset, forms: &TextForms) -> Text {
    Text {
        runs: vec![forms.run("")],
        align: writing::align(asset.align.as_ref()),
        vertical: writing::vertical(asset.align.as_ref(), VerticalAlign::Bottom),
        line_height: forms.line_height(),
        padding: writing::padding(asset.padding),
        background: asset.background.as_ref().and_then(|form| writing::background(form, false)),
        fitting: Fitting::Wrap,
        most_lines: is_from_words(asset).then(|| most_lines(asset) as u32),
        animation: None,
    }
}

/// The style of the spoken word. Rich captions highlight it by default, plain ones do not mark it.
fn active(clip: &Clip, asset: &CaptionAsset, rate: Rate) -> Option<WordStyle> {
    let rich = matches!(clip.written.asset, Asset::RichCaption(_)) || asset.active.is_some();
    let default = if rich { WordStyleName::Highlight } else { WordStyleName::None };
    let style = asset.word_animation.as_ref().map_or(default, |animation| animation.style);
    word_style(style, asset.active.as_ref(), rate)
}

fn word_style(style: WordStyleName, form: Option<&ActiveForm>, rate: Rate) -> Option<WordStyle> {
    let colour = form.and_then(|form| form.color).unwrap_or(GOLD);
    let frames = |hundredths: i64| {
        Ratio::new(hundredths, 100).map_or(1, |seconds| rate.frame_at(seconds).max(1))
    };
    Some(match style {
        WordStyleName::None => return None,
        WordStyleName::Highlight => WordStyle::Highlight {
            colour,
            patch: form.and_then(|form| form.background).unwrap_or(Rgba::CLEAR),
            stroke: form.and_then(|form| form.stroke.as_ref()).and_then(writing::stroke),
        },
        WordStyleName::Karaoke => WordStyle::Fill { colour },
        WordStyleName::Pop => {
            let scale =
                form.and_then(|form| form.scale).map_or(Micro(1_200_000), |scale| scale.micro());
            WordStyle::Pop { colour, scale, frames: frames(20) }
        }
        WordStyleName::Bounce => {
            WordStyle::Bounce { colour, height: Micro(250_000), frames: frames(30) }
        }
        WordStyleName::Slide => {
            WordStyle::Slide { colour, distance: Micro(400_000), frames: frames(20) }
        }
        WordStyleName::Typewriter => WordStyle::Typewriter { colour },
    })
}

/// Converts times of cues to frames of the clip.
struct CueClock {
    rate: Rate,
    /// The clip's exact start, in seconds.
    start: Ratio,
    /// The clip's first frame on the timeline.
    clip_start: i64,
}

impl CueClock {
    /// The frame of the clip's clock for a time after its start. Times snap to the timeline's frame
    /// grid, as clips do.
    fn frame(&self, time: Ratio) -> i64 {
        let seconds = self.start.plus(time);
        let frames = seconds
            .times(Ratio::whole(i64::from(self.rate.num)))
            .over(Ratio::whole(i64::from(self.rate.den.max(1))));
        frames.map_or(0, Ratio::round_half_up) - self.clip_start
    }

    fn cue(&self, cue: &Cue, forms: &TextForms, word_by_word: bool) -> PlanCue {
        let (from, to) = (self.frame(cue.start), self.frame(cue.end));
        let text = forms.cased_except_capitals(&cue.text);
        let words = if word_by_word { self.words(cue, forms) } else { Vec::new() };
        PlanCue { from, to, text, words }
    }

    /// The words of a cue. Without known times they are spread by their number of letters.
    fn words(&self, cue: &Cue, forms: &TextForms) -> Vec<CaptionWord> {
        let words = if cue.words.is_empty() { spread(cue) } else { cue.words.clone() };
        let timed = words.iter().map(|word| CaptionWord {
            text: forms.cased_except_capitals(&word.text),
            from: self.frame(word.start),
            to: self.frame(word.end),
        });
        timed.collect()
    }
}

/// Gives each word a share of the cue's time by its number of letters.
fn spread(cue: &Cue) -> Vec<Word> {
    let words: Vec<&str> = words_of(&cue.text).collect();
    let letters: i64 = words.iter().map(|word| word.chars().count() as i64).sum();
    let length = cue.end.minus(cue.start);
    let moment = |said: i64| {
        Ratio::new(said, letters.max(1))
            .map_or(cue.start, |share| cue.start.plus(length.times(share)))
    };
    let mut said = 0;
    let timed = words.iter().map(|word| {
        let start = moment(said);
        said += word.chars().count() as i64;
        Word { text: (*word).to_owned(), start, end: moment(said) }
    });
    timed.collect()
}

/// The cues of any source of captions, in seconds after the clip's start.
fn cues_of(
    context: &mut CompileContext,
    clip: &Clip,
    asset: &CaptionAsset,
    start: Ratio,
) -> Option<Vec<Cue>> {
    let cues = if let Some(cues) = &asset.cues {
        cues.iter().map(written_cue).collect()
    } else if let Some(words) = &asset.words {
        let words: Vec<Word> = words.iter().map(written_word).collect();
        grouped(context, clip, asset, &words)
    } else if let Some(target) = context.target(clip) {
        let facts = context.facts_of(target)?;
        let late = start.minus(times::begins(context, target)?);
        let words: Vec<Word> = facts.words.iter().map(|word| spoken_word(word, late)).collect();
        grouped(context, clip, asset, &words)
    } else {
        context.file_cues(clip)?.to_vec()
    };
    let trim = asset.trim.map_or(Ratio::ZERO, |trim| trim.0);
    Some(if trim == Ratio::ZERO {
        cues
    } else {
        cues.into_iter().map(|cue| earlier(cue, trim)).collect()
    })
}

fn written_cue(form: &CueForm) -> Cue {
    Cue { start: form.start.0, end: form.end.0, text: form.text.0.clone(), words: Vec::new() }
}

fn written_word(form: &WordForm) -> Word {
    Word { text: form.text.0.clone(), start: form.start.0, end: form.end.0 }
}

fn spoken_word(word: &SpokenWord, late: Ratio) -> Word {
    Word { text: word.text.clone(), start: word.start.minus(late), end: word.end.minus(late) }
}

fn earlier(cue: Cue, by: Ratio) -> Cue {
    let words = cue.words.into_iter().map(|word| Word {
        text: word.text,
        start: word.start.minus(by),
        end: word.end.minus(by),
    });
    Cue {
        start: cue.start.minus(by),
        end: cue.end.minus(by),
        text: cue.text,
        words: words.collect(),
    }
}
