//! Text without a model: outlines from templates. Each says so in its result, because an outline is a place to begin and no more.

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

use super::port::{OFFLINE, Question, Writer, Written};
use crate::context::{Context, HandlerError};

/// What every result of it says.
const NOTICE: &str = "No model was asked: this is an outline made from the input and templates.";

/// Answers with the outline that came with the question.
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
    ) -> Result<Written, HandlerError> {
        let made = Provenance {
            provider: OFFLINE.to_owned(),
            notice: Some(NOTICE.to_owned()),
            ..Provenance::default()
        };
        Ok(Written { text: question.outline.to_string(), made })
    }
}

/// What ends a sentence.
const ENDS: [char; 9] = ['.', '!', '?', '\n', '。', '！', '？', '؟', '।'];

/// The silence that a video leaves after each scene, and that words need not fill, in seconds.
const PAUSE: f64 = 0.3;

/// The outline of a script: the topic's own sentences, and then templates, as many as fill the time.
pub(crate) fn script(ask: &script::ScriptInput) -> script::ScriptReply {
    let title = shortened(&ask.topic, 120);
    let phrases = phrases::of(&language::language_of(&ask.language, &ask.topic));
    let filled = |phrase: &str| phrase.replace("{topic}", &title);
    let count = ask.scene_count();
    let mut room = Room {
        each: (f64::from(ask.duration) / f64::from(count) - PAUSE) * phrases.pace,
        left: 0.0,
    };
    let own = sentences(&ask.topic);
    let mut body =
        own.into_iter().skip(1).chain(phrases.body.iter().cycle().map(|phrase| filled(phrase)));
    let edge = |phrases: &[&str]| phrases.iter().map(|phrase| filled(phrase)).collect::<Vec<_>>();
    let mut text = |index: u32| match index {
        0 => room.fill(edge(&phrases.open), &mut body, Vec::new()),
        last if last + 1 == count => room.fill(Vec::new(), &mut body, edge(&phrases.close)),
        _ => room.fill(Vec::new(), &mut body, Vec::new()),
    };
    let scenes = (0..count).map(|index| ScriptScene {
        text: text(index),
        picture: cut(
            format!("{title}, view {} of {count}. {}", index + 1, ask.style).trim(),
            MAX_PICTURE,
        ),
    });
    script::ScriptReply { scenes: scenes.collect(), title: cut(&title, MAX_TITLE) }
}

/// Room for words, scene after scene: what one leaves or takes too much is the next one's.
struct Room {
    /// Words of a scene.
    each: f64,
    /// What is left of the scenes so far.
    left: f64,
}

impl Room {
    /// What is said in the next scene: its first sentences and its last, one at least, and between them common ones as long as that comes nearer to
    /// the time. Of the first and the last, what has no room at all is left out.
    fn fill(
        &mut self,
        first: Vec<String>,
        common: &mut dyn Iterator<Item = String>,
        last: Vec<String>,
    ) -> String {
        self.left += self.each;
        let mut said: Vec<String> = Vec::new();
        let kept_back = last.first().map_or(0.0, |sentence| words_of(sentence));
        self.left -= kept_back;
        let mut own = first.into_iter();
        while (said.is_empty() && last.is_empty()) || self.left > 0.0 {
            let Some(sentence) = own.next().or_else(|| common.next()) else { break };
            let words = words_of(&sentence);
            let length = said
                .iter()
                .chain(&last)
                .map(|sentence| sentence.chars().count() + 1)
                .sum::<usize>();
            let fits =
                words < self.left * 2.0 && length + sentence.chars().count() < MAX_SCENE_TEXT;
            if !(fits || said.is_empty() && last.is_empty()) {
                break;
            }
            self.left -= words;
            said.push(sentence);
        }
        self.left += kept_back;
        for (index, sentence) in last.into_iter().enumerate() {
            let words = words_of(&sentence);
            if index == 0 || words < self.left * 2.0 {
                self.left -= words;
                said.push(sentence);
            }
        }
        cut(&said.join(" "), MAX_SCENE_TEXT)
    }
}

/// How many words are said.
fn words_of(text: &str) -> f64 {
    let characters = text.chars().filter(|letter| is_wide(*letter));
    let spaced = text
        .split_whitespace()
        .filter(|word| word.chars().any(|c| c.is_alphanumeric() && !language::is_han(c)));
    (characters.count() + spaced.count()) as f64
}

/// A Chinese or Japanese character: these are written without spaces.
fn is_wide(letter: char) -> bool {
    language::is_han(letter) || ('\u{3040}'..='\u{30ff}').contains(&letter)
}

/// The words of a text without what stands between and around them. (Not all that a word is written with is a letter: Hindi joins letters by
/// a sign.)
fn parts(text: &str) -> impl Iterator<Item = &str> {
    let between = |c: char| {
        c.is_whitespace()
            || c.is_ascii_punctuation()
            || "。、，！？：；「」『』（）؟،؛।…–—“”„«»¿¡".contains(c)
    };
    text.split(between).filter(|part| !part.is_empty())
}

/// The sentences of a topic, each with its end, where they say something.
fn sentences(topic: &str) -> Vec<String> {
    let ended = topic.split_inclusive(ENDS);
    let plain = ended.map(|sentence| sentence.split_whitespace().collect::<Vec<_>>().join(" "));
    plain.filter(|sentence| sentence.chars().filter(|c| c.is_alphanumeric()).count() > 2).collect()
}

/// The outline of ideas: the words of each scene themselves.
pub(crate) fn ideas(ask: &ideas::IdeasInput) -> ideas::IdeasReply {
    let idea = |text: &String| {
        let mut keywords: Vec<String> = parts(text)
            .filter(|word| says_something(word))
            .map(|word| cut(&word.to_lowercase(), 40))
            .collect();
        keywords.dedup();
        keywords.truncate(5);
        ideas::Idea { picture: cut(format!("{text} {}", ask.style).trim(), MAX_PICTURE), keywords }
    };
    ideas::IdeasReply { ideas: ask.scenes.iter().map(idea).collect() }
}

/// Returns whether a word is worth a search: those of a few letters seldom are, unless each is a
/// word or a syllable by itself.
fn says_something(word: &str) -> bool {
    let wide = word.chars().any(is_wide);
    word.chars().count() > if wide { 1 } else { 4 }
}

/// The outline of hooks, in the language of the topic.
pub(crate) fn hooks(ask: &hook::HookInput) -> hook::HookReply {
    let topic = shortened(&ask.topic, 120);
    let templates = phrases::of(&language::language_of(&ask.language, &ask.topic)).hooks;
    let hook = |index: u32| {
        let (round, template) =
            (index as usize / templates.len(), templates[index as usize % templates.len()]);
        let text = template.replace("{topic}", &topic);
        if round == 0 { text } else { format!("{text} ({})", round + 1) }
    };
    hook::HookReply { hooks: (0..ask.count).map(hook).collect() }
}

/// A score by counting: short sentences, a question, an address to the viewer. It measures form and knows nothing of content. What
/// a script is in only its writing tells: in Latin letters, the viewer may be spoken to in any language that is known.
pub(crate) fn score(ask: &score::ScoreInput) -> score::ScoreReply {
    let lengths: Vec<f64> =
        ask.script.split(ENDS).map(words_of).filter(|words| *words > 0.0).collect();
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
            is_addressed(&ask.script),
            "whether the viewer is spoken to".to_owned(),
        ),
        criterion(
            "question",
            ask.script.contains(['?', '？', '؟']),
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

/// Returns whether a text speaks to whoever hears it.
fn is_addressed(text: &str) -> bool {
    let lower = text.to_lowercase();
    let says = |word: &str| match word.chars().any(is_wide) {
        true => lower.contains(word),
        false => parts(&lower).any(|part| part == word),
    };
    phrases::ALL.iter().flat_map(|phrases| phrases.address).any(|word| says(word))
}

/// The first line of a text, at most so long.
fn shortened(text: &str, most: usize) -> String {
    let line = text.trim().lines().next().unwrap_or_default().trim();
    // A page of text has a title only in its first sentence.
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
    use serde_json::json;

    #[test]
    fn outlines_keep_the_rules_that_answers_of_models_must_keep() {
        let long = "x".repeat(4_000);
        for topic in ["Tides", long.as_str(), "a\nb", "{topic}"] {
            for scenes in [1, 2, 60] {
                let ask =
                    script::parse(&json!({"topic": topic, "scenes": scenes})).expect("an input");
                let answer = script(&ask);
                assert_eq!(
                    (script::check(&answer), answer.scenes.len()),
                    (vec![], scenes as usize),
                    "{topic}"
                );
            }
            let ask = hook::parse(&json!({"topic": topic, "count": 20})).expect("an input");
            assert_eq!(hook::check(&hooks(&ask)), []);
            let ask = score::parse(&json!({"script": topic})).expect("an input");
            assert_eq!(score::check(&score(&ask)), []);
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
            let ask = script::parse(&json!({"topic": topic, "scenes": 3})).expect("an input");
            assert_eq!(script::check(&script(&ask)), vec![], "{topic}");
        }
        let ask =
            ideas::parse(&json!({"scenes": ["The sea rises twice a day", "…"]})).expect("an input");
        assert_eq!(ideas::check(&ideas(&ask), 2), []);
    }

    #[test]
    fn hooks_scores_and_keywords_are_in_the_language_they_are_asked_in() {
        let hook = |topic: &str, language: &str| {
            let ask = hook::parse(&json!({"topic": topic, "language": language, "count": 1}))
                .expect("an input");
            hooks(&ask).hooks.remove(0)
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
        let ask = ideas::parse(
            &json!({"scenes": ["月亮，牵引大海。", "समुद्र की शक्ति", "The moon pulls"]}),
        );
        let keywords: Vec<_> =
            ideas(&ask.expect("an input")).ideas.into_iter().map(|idea| idea.keywords).collect();
        assert_eq!(keywords, [vec!["月亮", "牵引大海"], vec!["समुद्र", "शक्ति"], vec!["pulls"]]);
    }

    #[test]
    fn an_outline_fills_the_time_in_the_language_of_its_topic_and_with_its_own_sentences() {
        for (topic, language) in
            [("Tides", "en"), ("Gezeiten", "de"), ("为什么天空是蓝色的", "en"), ("السماء", "ar")]
        {
            for duration in [10, 30, 60, 180, 600] {
                let ask = script::parse(
                    &json!({"topic": topic, "duration": duration, "language": language}),
                );
                let answer = script(&ask.expect("an input"));
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
        let ask = script::parse(&json!({"topic": "Tides", "duration": 20, "scenes": 2}))
            .expect("an input");
        let end = &script(&ask).scenes[1].text;
        assert!(
            end.contains("That was: Tides.") && !end.ends_with('?'),
            "nothing is said after the goodbye: {end}"
        );
        let ask = script::parse(
            &json!({"topic": "The moon pulls. The sea follows it! Twice a day.", "duration": 30}),
        );
        let answer = script(&ask.expect("an input"));
        assert_eq!(answer.title, "The moon pulls");
        assert!(answer.scenes[0].text.starts_with("Today: The moon pulls."), "{answer:?}");
        let said: String = answer.scenes.into_iter().map(|scene| scene.text).collect();
        assert!(said.contains("The sea follows it!") && said.contains("Twice a day."), "{said}");
    }
}
