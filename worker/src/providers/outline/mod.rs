//! Text without a model: outlines from templates. Each result says that it is an outline, a place
//! to begin.

mod phrases;

use async_trait::async_trait;
use common::{
    kinds::{
        hook, ideas, score,
        script::{self, MAX_PICTURE, MAX_SCENE_TEXT, MAX_TITLE, ScriptScene},
    },
    language,
    provenance::Provenance,
};

use super::port::{OFFLINE, Question, TextReply, Writer};
use crate::context::{Context, HandlerError};

/// The notice in every result.
const NOTICE: &str = "No model was asked: this is an outline made from the input and templates.";

/// The offline writer. It replies with the outline in the question.
pub(super) struct Outline;

#[async_trait]
impl Writer for Outline {
    fn name(&self) -> &str {
        OFFLINE
    }

    async fn write(
        &self,
        _: &Context,
        question: &Question,
        _: &str,
    ) -> Result<TextReply, HandlerError> {
        let provenance = Provenance {
            provider: OFFLINE.to_owned(),
            notice: Some(NOTICE.to_owned()),
            ..Provenance::default()
        };
        Ok(TextReply { text: question.outline.to_string(), provenance })
    }
}

/// Characters that end a sentence.
const ENDS: [char; 9] = ['.', '!', '?', '\n', '。', '！', '？', '؟', '।'];

/// Seconds of silence that a video leaves after each scene.
const PAUSE: f64 = 0.3;

/// Writes the outline of a script: the topic's own sentences, then as many templates as fill the
/// time.
pub(crate) fn script(input: &script::ScriptInput) -> script::ScriptReply {
    let title = shortened(&input.topic, 120);
    let phrases = phrases::of(&language::language_of(&input.language, &input.topic));
    let filled = |phrase: &str| phrase.replace("{topic}", &title);
    let count = input.scene_count();
    let mut budget = WordBudget {
        per_scene: (f64::from(input.duration) / f64::from(count) - PAUSE) * phrases.pace,
        left: 0.0,
    };
    let own = sentences(&input.topic);
    let mut body =
        own.into_iter().skip(1).chain(phrases.body.iter().cycle().map(|phrase| filled(phrase)));
    let edge = |phrases: &[&str]| phrases.iter().map(|phrase| filled(phrase)).collect::<Vec<_>>();
    let mut text = |index: u32| match index {
        0 => budget.fill(edge(&phrases.open), &mut body, Vec::new()),
        last if last + 1 == count => budget.fill(Vec::new(), &mut body, edge(&phrases.close)),
        _ => budget.fill(Vec::new(), &mut body, Vec::new()),
    };
    let scenes = (0..count).map(|index| ScriptScene {
        text: text(index),
        picture: cut(
            format!("{title}, view {} of {count}. {}", index + 1, input.style).trim(),
            MAX_PICTURE,
        ),
    });
    script::ScriptReply { scenes: scenes.collect(), title: cut(&title, MAX_TITLE) }
}

/// The words that fit into the scenes. A scene's surplus or excess is carried to the next one.
struct WordBudget {
    per_scene: f64,
    /// Words that still fit into the scenes so far.
    left: f64,
}

impl WordBudget {
    /// Returns the text of the next scene: its first sentences, common ones while they bring it
    /// nearer to the planned length, and its last. It has at least one sentence. First and last
    /// sentences that exceed the length are left out.
    fn fill(
        &mut self,
        first: Vec<String>,
        common: &mut dyn Iterator<Item = String>,
        last: Vec<String>,
    ) -> String {
        self.left += self.per_scene;
        let mut spoken: Vec<String> = Vec::new();
        let kept_back = last.first().map_or(0.0, |sentence| words_of(sentence));
        self.left -= kept_back;
        let mut own = first.into_iter();
        while (spoken.is_empty() && last.is_empty()) || self.left > 0.0 {
            let Some(sentence) = own.next().or_else(|| common.next()) else { break };
            let words = words_of(&sentence);
            let length = spoken
                .iter()
                .chain(&last)
                .map(|sentence| sentence.chars().count() + 1)
                .sum::<usize>();
            let fits =
                words < self.left * 2.0 && length + sentence.chars().count() < MAX_SCENE_TEXT;
            if !(fits || spoken.is_empty() && last.is_empty()) {
                break;
            }
            self.left -= words;
            spoken.push(sentence);
        }
        self.left += kept_back;
        for (index, sentence) in last.into_iter().enumerate() {
            let words = words_of(&sentence);
            if index == 0 || words < self.left * 2.0 {
                self.left -= words;
                spoken.push(sentence);
            }
        }
        cut(&spoken.join(" "), MAX_SCENE_TEXT)
    }
}

/// Counts the spoken words of a text.
fn words_of(text: &str) -> f64 {
    let characters = text.chars().filter(|letter| is_wide(*letter));
    let spaced = text
        .split_whitespace()
        .filter(|word| word.chars().any(|c| c.is_alphanumeric() && !language::is_han(c)));
    (characters.count() + spaced.count()) as f64
}

/// Returns whether a letter is Chinese or Japanese. These are written without spaces.
fn is_wide(letter: char) -> bool {
    language::is_han(letter) || ('\u{3040}'..='\u{30ff}').contains(&letter)
}

/// Splits a text into words, without the punctuation between them. (Other characters that are
/// no letters do not split a word: Hindi joins letters by a sign.)
fn words_in(text: &str) -> impl Iterator<Item = &str> {
    let between = |c: char| {
        c.is_whitespace()
            || c.is_ascii_punctuation()
            || "。、，！？：；「」『』（）؟،؛।…–—“”„«»¿¡".contains(c)
    };
    text.split(between).filter(|part| !part.is_empty())
}

/// Returns the sentences of a topic, each with its end. Fragments without words are left out.
fn sentences(topic: &str) -> Vec<String> {
    let parts = topic.split_inclusive(ENDS);
    let plain = parts.map(|sentence| sentence.split_whitespace().collect::<Vec<_>>().join(" "));
    plain.filter(|sentence| sentence.chars().filter(|c| c.is_alphanumeric()).count() > 2).collect()
}

/// Writes the outline of ideas from the words of each scene.
pub(crate) fn ideas(input: &ideas::IdeasInput) -> ideas::IdeasReply {
    let idea = |text: &String| {
        let mut keywords: Vec<String> = words_in(text)
            .filter(|word| is_searchable(word))
            .map(|word| cut(&word.to_lowercase(), 40))
            .collect();
        keywords.dedup();
        keywords.truncate(5);
        ideas::Idea {
            picture: cut(format!("{text} {}", input.style).trim(), MAX_PICTURE),
            keywords,
        }
    };
    ideas::IdeasReply { ideas: input.scenes.iter().map(idea).collect() }
}

/// Returns whether a word is worth a search. Short words seldom are, except in scripts where each
/// letter is a word or a syllable.
fn is_searchable(word: &str) -> bool {
    let wide = word.chars().any(is_wide);
    word.chars().count() > if wide { 1 } else { 4 }
}

/// Writes the outline of hooks, in the language of the topic.
pub(crate) fn hooks(input: &hook::HookInput) -> hook::HookReply {
    let topic = shortened(&input.topic, 120);
    let templates = phrases::of(&language::language_of(&input.language, &input.topic)).hooks;
    let hook = |index: u32| {
        let (round, template) =
            (index as usize / templates.len(), templates[index as usize % templates.len()]);
        let text = template.replace("{topic}", &topic);
        if round == 0 { text } else { format!("{text} ({})", round + 1) }
    };
    hook::HookReply { hooks: (0..input.count).map(hook).collect() }
}

/// Scores a script by counting: short sentences, a question, an address to the viewer. It measures
/// form, not content. The language is not known, so an address in any of the languages counts.
pub(crate) fn score(input: &score::ScoreInput) -> score::ScoreReply {
    let lengths: Vec<f64> =
        input.script.split(ENDS).map(words_of).filter(|words| *words > 0.0).collect();
    let (first, words) =
        (lengths.first().copied().unwrap_or_default(), lengths.iter().sum::<f64>());
    let mean = words / lengths.len().max(1) as f64;
    let criterion = |name: &str, good: bool, reason: String| score::Criterion {
        name: name.to_owned(),
        score: if good { 80 } else { 40 },
        reason,
    };
    let criteria = vec![
        criterion(
            "hook",
            (1.0..=14.0).contains(&first),
            format!("the first sentence has {first} words"),
        ),
        criterion("pace", mean <= 14.0, format!("a sentence has {mean:.1} words on average")),
        criterion(
            "address",
            is_addressed(&input.script),
            "whether the viewer is spoken to".to_owned(),
        ),
        criterion(
            "question",
            input.script.contains(['?', '？', '؟']),
            "whether a question is asked".to_owned(),
        ),
    ];
    let total: u32 = criteria.iter().map(|criterion| criterion.score).sum();
    let advice = criteria
        .iter()
        .filter(|one| one.score < 50)
        .map(|one| format!("Look at the {}: {}.", one.name, one.reason));
    score::ScoreReply { score: total / 4, advice: advice.collect(), criteria: criteria.clone() }
}

/// Returns whether a text addresses its viewer.
fn is_addressed(text: &str) -> bool {
    let lower = text.to_lowercase();
    let says = |word: &str| match word.chars().any(is_wide) {
        true => lower.contains(word),
        false => words_in(&lower).any(|part| part == word),
    };
    phrases::ALL.iter().flat_map(|phrases| phrases.address).any(|word| says(word))
}

/// Returns the first line of a text, at most `most` characters long.
fn shortened(text: &str, most: usize) -> String {
    let line = text.trim().lines().next().unwrap_or_default().trim();
    // A line of several sentences is cut to its first one.
    let title = match sentences(line).as_slice() {
        [first, _, ..] => first.clone(),
        _ => line.to_owned(),
    };
    let bare = title.trim_end_matches(['.', '!', '?', '。', '！', '？', '؟', '।']);
    cut(if bare.is_empty() { &title } else { bare }, most)
}

fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::document::{self, Form};
    use serde_json::json;

    fn assert_reads<A: serde::Serialize + Form + PartialEq + std::fmt::Debug>(answer: A) {
        assert_eq!(document::read(&json!(answer)), Ok(answer));
    }

    #[test]
    fn outlines_keep_the_rules_that_answers_of_models_must_keep() {
        let long = "x".repeat(4_000);
        for topic in ["Tides", long.as_str(), "a\nb", "{topic}"] {
            for scenes in [1, 2, 60] {
                let input =
                    script::parse(&json!({"topic": topic, "scenes": scenes})).expect("an input");
                let answer = script(&input);
                assert_eq!(answer.scenes.len(), scenes as usize, "{topic}");
                assert_reads(answer);
            }
            let input = hook::parse(&json!({"topic": topic, "count": 20})).expect("an input");
            assert_reads(hooks(&input));
            let input = score::parse(&json!({"script": topic})).expect("an input");
            assert_reads(score(&input));
        }
        for topic in [
            "🚀",
            "…",
            "?",
            "لماذا السماء زرقاء؟",
            "为什么天空是蓝色的",
            "Ω",
            "One. Two three. Four!",
        ] {
            let input = script::parse(&json!({"topic": topic, "scenes": 3})).expect("an input");
            assert_reads(script(&input));
        }
        let input =
            ideas::parse(&json!({"scenes": ["The sea rises twice a day", "…"]})).expect("an input");
        let answer = ideas(&input);
        assert_eq!(ideas::check(&answer, 2), []);
        assert_reads(answer);
    }

    #[test]
    fn hooks_scores_and_keywords_are_in_the_language_they_are_asked_in() {
        let hook = |topic: &str, language: &str| {
            let input = hook::parse(&json!({"topic": topic, "language": language, "count": 1}))
                .expect("an input");
            hooks(&input).hooks.remove(0)
        };
        assert_eq!(hook("Tides", "en"), "Tides: what nobody tells you.");
        assert_eq!(hook("Gezeiten", "de"), "Gezeiten: was Ihnen niemand sagt.");
        assert_eq!(hook("潮汐", "en"), "潮汐：没有人告诉你的事。");
        for script in [
            "Why twice a day? You will see.",
            "Pourquoi deux fois par jour ? Vous allez voir.",
            "为什么一天两次？你会看到。",
            "لماذا مرتين في اليوم؟ إليك السبب.",
            "दिन में दो बार क्यों? आप देखेंगे।",
        ] {
            let score = score(&score::parse(&json!({ "script": script })).expect("an input"));
            assert_eq!((score.score, score.advice), (80, vec![]), "{script}: {:?}", score.criteria);
        }
        let long = "海".repeat(40);
        let scored =
            score(&score::parse(&json!({"script": format!("{long}。")})).expect("an input"));
        assert_eq!(scored.criteria[0].reason, "the first sentence has 40 words");
        let input = ideas::parse(
            &json!({"scenes": ["月亮，牵引大海。", "समुद्र की शक्ति", "The moon pulls"]}),
        );
        let keywords: Vec<_> =
            ideas(&input.expect("an input")).ideas.into_iter().map(|idea| idea.keywords).collect();
        assert_eq!(keywords, [vec!["月亮", "牵引大海"], vec!["समुद्र", "शक्ति"], vec!["pulls"]]);
    }

    #[test]
    fn an_outline_fills_the_time_in_the_language_of_its_topic_and_with_its_own_sentences() {
        for (topic, language) in
            [("Tides", "en"), ("Gezeiten", "de"), ("为什么天空是蓝色的", "en"), ("السماء", "ar")]
        {
            for duration in [10, 30, 60, 180, 600] {
                let input = script::parse(
                    &json!({"topic": topic, "duration": duration, "language": language}),
                );
                let answer = script(&input.expect("an input"));
                let words: f64 = answer.scenes.iter().map(|scene| words_of(&scene.text)).sum();
                let pace = phrases::of(&language::language_of(language, topic)).pace;
                let seconds = words / pace + PAUSE * answer.scenes.len() as f64;
                let share = seconds / f64::from(duration);
                assert!(
                    (0.8..1.25).contains(&share),
                    "{topic} {duration}: {seconds} s, {:?}",
                    answer.scenes
                );
            }
        }
        let input = script::parse(&json!({"topic": "Tides", "duration": 20, "scenes": 2}))
            .expect("an input");
        let end = &script(&input).scenes[1].text;
        assert!(
            end.contains("That was: Tides.") && !end.ends_with('?'),
            "nothing is said after the goodbye: {end}"
        );
        let input = script::parse(
            &json!({"topic": "The moon pulls. The sea follows it! Twice a day.", "duration": 30}),
        );
        let answer = script(&input.expect("an input"));
        assert_eq!(answer.title, "The moon pulls");
        assert!(answer.scenes[0].text.starts_with("Today: The moon pulls."), "{answer:?}");
        let spoken: String = answer.scenes.into_iter().map(|scene| scene.text).collect();
        assert!(
            spoken.contains("The sea follows it!") && spoken.contains("Twice a day."),
            "{spoken}"
        );
    }
}
