//! Text without a model: outlines from templates. Each says so in its result, because an outline is a place to begin and no more.

use async_trait::async_trait;
use common::kinds::{
    hook, ideas,
    made::Made,
    score,
    script::{self, MAX_PICTURE, MAX_SCENE_TEXT, MAX_TITLE, Scene},
};

use super::{OFFLINE, Question, Writer, Written};
use crate::kinds::{Context, Ended};

/// What every result of it says.
const NOTICE: &str = "No model was asked: this is an outline made from the input and templates.";

/// Answers with the outline that came with the question.
pub(super) struct Outline;

#[async_trait]
impl Writer for Outline {
    fn name(&self) -> &str {
        OFFLINE
    }

    async fn write(&self, _: &Context, question: &Question, _: &str) -> Result<Written, Ended> {
        let made = Made { provider: OFFLINE.to_owned(), notice: Some(NOTICE.to_owned()), ..Made::default() };
        Ok(Written { text: question.outline.to_string(), made })
    }
}

/// What is said of a topic, scene after scene; the first and the last have their places.
const MIDDLE: [&str; 6] = [
    "First, what it is: {topic}, in one sentence.",
    "Why it matters: who meets {topic}, and when.",
    "How it works, step by step.",
    "An example that everyone has seen.",
    "What most people get wrong about it.",
    "What to try, now that you know.",
];

/// The outline of a script.
pub(crate) fn script(ask: &script::Ask) -> script::Answer {
    let topic = shortened(&ask.topic, 120);
    let count = ask.scene_count();
    let text = |index: u32| match index {
        0 => format!("Let's talk about {topic}."),
        last if last + 1 == count => format!("That was {topic}. Thank you for watching."),
        middle => MIDDLE[(middle as usize - 1) % MIDDLE.len()].replace("{topic}", &topic),
    };
    let scene = |index| Scene {
        text: cut(&text(index), MAX_SCENE_TEXT),
        picture: cut(format!("{topic}, view {} of {count}. {}", index + 1, ask.style).trim(), MAX_PICTURE),
    };
    script::Answer { title: cut(&topic, MAX_TITLE), scenes: (0..count).map(scene).collect() }
}

/// The outline of ideas: the words of each scene themselves.
pub(crate) fn ideas(ask: &ideas::Ask) -> ideas::Answer {
    let idea = |text: &String| {
        let mut keywords: Vec<String> = text
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| word.chars().count() > 4)
            .map(|word| cut(&word.to_lowercase(), 40))
            .collect();
        keywords.dedup();
        keywords.truncate(5);
        ideas::Idea { picture: cut(format!("{text} {}", ask.style).trim(), MAX_PICTURE), keywords }
    };
    ideas::Answer { ideas: ask.scenes.iter().map(idea).collect() }
}

const HOOKS: [&str; 5] = [
    "What nobody tells you about {topic}.",
    "{topic}, explained in under a minute.",
    "Three things about {topic} that will surprise you.",
    "You have been wrong about {topic}. Here is why.",
    "Before you scroll on: {topic}.",
];

/// The outline of hooks.
pub(crate) fn hooks(ask: &hook::Ask) -> hook::Answer {
    let topic = shortened(&ask.topic, 120);
    let hook = |index: u32| {
        let (round, template) = (index as usize / HOOKS.len(), HOOKS[index as usize % HOOKS.len()]);
        let text = template.replace("{topic}", &topic);
        if round == 0 { text } else { format!("{text} (take {})", round + 1) }
    };
    hook::Answer { hooks: (0..ask.count).map(hook).collect() }
}

/// A score by counting: short sentences, a question, an address to the viewer. It measures form and knows nothing of content.
pub(crate) fn score(ask: &score::Ask) -> score::Answer {
    let sentences: Vec<&str> =
        ask.script.split(['.', '!', '?']).map(str::trim).filter(|sentence| !sentence.is_empty()).collect();
    let words = ask.script.split_whitespace().count();
    let mean = words as f64 / sentences.len().max(1) as f64;
    let first = sentences.first().map_or(0, |sentence| sentence.split_whitespace().count());
    let lower = ask.script.to_lowercase();
    let criterion = |name: &str, good: bool, reason: String| score::Criterion {
        name: name.to_owned(),
        score: if good { 80 } else { 40 },
        reason,
    };
    let criteria = vec![
        criterion("hook", (1..=14).contains(&first), format!("the first sentence has {first} words")),
        criterion("pace", mean <= 14.0, format!("a sentence has {mean:.1} words on average")),
        criterion("address", lower.contains("you"), "whether the viewer is spoken to".to_owned()),
        criterion("question", ask.script.contains('?'), "whether a question is asked".to_owned()),
    ];
    let total: u32 = criteria.iter().map(|criterion| criterion.score).sum();
    let advice =
        criteria.iter().filter(|one| one.score < 50).map(|one| format!("Look at the {}: {}.", one.name, one.reason));
    score::Answer { score: total / 4, advice: advice.collect(), criteria: criteria.clone() }
}

/// The first line of a text, at most so long.
fn shortened(text: &str, most: usize) -> String {
    cut(text.trim().lines().next().unwrap_or_default().trim().trim_end_matches('.'), most)
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
                let ask = script::parse(&json!({"topic": topic, "scenes": scenes})).expect("an input");
                let answer = script(&ask);
                assert_eq!((script::check(&answer), answer.scenes.len()), (vec![], scenes as usize), "{topic}");
            }
            let ask = hook::parse(&json!({"topic": topic, "count": 20})).expect("an input");
            assert_eq!(hook::check(&hooks(&ask)), []);
            let ask = score::parse(&json!({"script": topic})).expect("an input");
            assert_eq!(score::check(&score(&ask)), []);
        }
        let ask = ideas::parse(&json!({"scenes": ["The sea rises twice a day", "…"]})).expect("an input");
        assert_eq!(ideas::check(&ideas(&ask), 2), []);
    }
}
