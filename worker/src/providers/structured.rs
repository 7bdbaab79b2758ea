//! What the kinds that ask for a text share: ask, read the answer by its schema, ask once more with the fault, and then give up with both
//! answers in the error. What a model answers is data: cleaned of control characters, held to bounds, and never obeyed.

use common::{
    error::{JobError, code},
    fault::Fault,
    provenance::Provenance,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    Providers,
    port::{BAD_ANSWER, Question, Written},
    prompts::Prompt,
};
use crate::context::{Context, HandlerError, clean, json};

/// How much of an answer that can't be used is shown in an error, in characters.
const SHOWN: usize = 1_500;
/// How many of its faults.
const FAULTS: usize = 5;

/// What is asked, besides the caller's data.
pub(crate) struct Request<'a, A> {
    /// The prompt.
    pub prompt: Prompt,
    /// The language, where the prompt names one.
    pub language: &'a str,
    /// The caller's data.
    pub user: Value,
    /// The answer's JSON Schema.
    pub schema: Value,
    /// What is answered where no model is asked.
    pub outline: A,
    /// What is wrong with an answer.
    pub check: &'a (dyn Fn(&A) -> Vec<Fault> + Sync),
    /// One provider, instead of the usual ones.
    pub provider: Option<&'a str>,
    /// For answers that can be repeated.
    pub seed: Option<u32>,
}

/// Asks, at most twice, unless a good answer is remembered.
pub(crate) async fn ask<A: Serialize + DeserializeOwned + Sync>(
    context: &Context,
    providers: &Providers,
    asked: Request<'_, A>,
) -> Result<(A, Provenance), HandlerError> {
    context.reporter.report(0.0, "writing");
    let question = Question {
        outline: json(&asked.outline)?,
        system: asked.prompt.text(asked.language),
        user: asked.user.to_string(),
        name: asked.prompt.name,
        schema: asked.schema,
        seed: asked.seed,
        before: None,
    };
    let check = asked.check;
    let asking = ask_with_one_retry(context, providers, asked.provider, question.clone(), check);
    let Written { text, made } =
        providers.remembered(context, asked.provider, &question, asking).await?;
    let unread = |fault| {
        JobError::bug(code::INTERNAL, format!("an answer that was good can't be read: {fault}"))
    };
    Ok((read(&text, check).map_err(unread)?, labelled(made, &asked.prompt)))
}

/// Asks, and once more with the fault if the answer has one. Answers with what can be read.
async fn ask_with_one_retry<A: DeserializeOwned>(
    context: &Context,
    providers: &Providers,
    provider: Option<&str>,
    mut question: Question,
    check: &(dyn Fn(&A) -> Vec<Fault> + Sync),
) -> Result<Written, HandlerError> {
    let first = providers.write(context, provider, &question, "1").await?;
    let fault = match read(&first.text, check) {
        Ok(_) => return Ok(first),
        Err(fault) => fault,
    };
    let again = format!(
        "That answer can't be used: {fault}. Answer again, with JSON of the schema and nothing else."
    );
    question.before = Some((shown(&first.text), again));
    // Whoever gave the bad answer is asked again, and nobody else.
    let provider = Some(first.made.provider.as_str());
    let second = providers.write(context, provider, &question, "2").await?;
    match read(&second.text, check) {
        Ok(_) => {
            let usage = first.made.usage.plus(&second.made.usage);
            Ok(Written {
                made: Provenance { usage, fallback_for: first.made.fallback_for, ..second.made },
                ..second
            })
        }
        Err(last) => Err(unusable(&first, &fault, &second, &last).into()),
    }
}

fn labelled(made: Provenance, prompt: &Prompt) -> Provenance {
    Provenance { prompt: Some(prompt.label()), ..made }
}

fn unusable(first: &Written, fault: &str, second: &Written, last: &str) -> JobError {
    let log =
        format!("first answer:\n{}\n\nsecond answer:\n{}", shown(&first.text), shown(&second.text));
    let provider = &second.made.provider;
    JobError::permanent(
        BAD_ANSWER,
        format!(
            "provider `{provider}` was asked twice and gave no answer of the schema. First: {fault}; answer: {}. Second: {last}; answer: {}",
            brief(&first.text),
            brief(&second.text)
        ),
    )
    .with_log(log)
}

/// An answer as a type, or what is wrong with it in a sentence.
fn read<A: DeserializeOwned>(
    text: &str,
    check: &(dyn Fn(&A) -> Vec<Fault> + Sync),
) -> Result<A, String> {
    let mut value: Value = serde_json::from_str(unfenced(text))
        .map_err(|error| format!("it is not JSON ({error})"))?;
    clean_all(&mut value);
    let said = |faults: Vec<Fault>| {
        let sentences =
            faults.iter().take(FAULTS).map(|fault| format!("{} {}", fault.pointer, fault.detail));
        sentences.collect::<Vec<_>>().join("; ")
    };
    let answer: A = common::kinds::read(&value).map_err(said)?;
    let faults = check(&answer);
    if faults.is_empty() { Ok(answer) } else { Err(said(faults)) }
}

/// The JSON in an answer. Small models think aloud, wrap it in a fence of Markdown or talk around it, whatever they are told.
fn unfenced(text: &str) -> &str {
    let text =
        text.rsplit_once("</think>").map_or(text, |(_, rest)| rest).trim_matches('\u{feff}').trim();
    if text.starts_with('{') {
        return text;
    }
    let within = text.find('{').zip(text.rfind('}')).and_then(|(from, to)| text.get(from..=to));
    within.unwrap_or(text)
}

fn clean_all(value: &mut Value) {
    match value {
        Value::String(text) => *text = clean(text).trim().to_owned(),
        Value::Array(items) => items.iter_mut().for_each(clean_all),
        Value::Object(members) => members.values_mut().for_each(clean_all),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn shown(text: &str) -> String {
    clean(text).chars().take(SHOWN).collect()
}

fn brief(text: &str) -> String {
    let plain: String = clean(text).chars().take(120).collect();
    format!("`{}`", plain.replace('\n', " "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::kinds::hook;

    fn hooks(text: &str) -> Result<Vec<String>, String> {
        read::<hook::HookReply>(text, &hook::check).map(|answer| answer.hooks)
    }

    #[test]
    fn answers_are_read_strictly_and_cleaned() {
        assert_eq!(
            hooks("```json\n{\"hooks\": [\"a\\u0007\\u202eb \"]}\n```"),
            Ok(vec!["ab".to_owned()])
        );
        let one = Ok(vec!["a".to_owned()]);
        for text in [
            "\u{feff}{\"hooks\": [\"a\"]}",
            "<think>{no}</think>\n{\"hooks\": [\"a\"]}",
            "Sure! Here it is:\n```json\n{\"hooks\": [\"a\"]}\n```\nAnything else?",
        ] {
            assert_eq!(hooks(text), one, "{text}");
        }
        let cases = [
            ("Sure! Here you are", "not JSON"),
            ("{\"hooks\": \"a\"}", "/hooks"),
            ("{\"hooks\": []}", "/hooks"),
            ("{\"hooks\": [\"a\"], \"src\": \"file:///etc/passwd\"}", "unknown field `src`"),
            ("[]", "not an object"),
        ];
        for (text, sentence) in cases {
            let fault = hooks(text).expect_err("a fault");
            assert!(fault.contains(sentence), "{text}: {fault}");
        }
    }
}
