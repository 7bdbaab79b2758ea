//! Structured replies, for the kinds that ask for a text: asks, reads the reply by its schema, asks
//! once more with the fault, and then fails with both replies in the error. A model's reply is
//! data: cleaned of control characters, held to bounds, and never obeyed.

use common::{
    document::{self, Form},
    error::{JobError, code},
    fault::Fault,
    json,
    provenance::Provenance,
};
use serde::Serialize;
use serde_json::Value;

use super::{
    Providers,
    port::{BAD_ANSWER, Question, TextReply},
    prompts::Prompt,
};
use crate::context::{Context, HandlerError, clean, json};

/// Longest excerpt of a bad reply in an error's log, in characters.
const LOG_CHARACTERS: usize = 1_500;
/// Most faults of a bad reply that are named.
const MOST_FAULTS: usize = 5;

/// A request for a reply of type `A`.
pub(crate) struct TextRequest<'a, A> {
    pub prompt: Prompt,
    /// The language, if the prompt names one.
    pub language: &'a str,
    /// The caller's data.
    pub user: Value,
    /// The JSON Schema of the reply.
    pub schema: Value,
    /// The reply of the offline writer.
    pub outline: A,
    /// Finds the faults of a reply that its declaration cannot express.
    pub check: &'a (dyn Fn(&A) -> Vec<Fault> + Sync),
    /// The only provider to ask, if the input names one.
    pub provider: Option<&'a str>,
    /// Makes a reply repeatable.
    pub seed: Option<u32>,
}

/// Returns a reply from the cache, or asks, at most twice.
pub(crate) async fn ask<A: Serialize + Form + Sync>(
    context: &Context,
    providers: &Providers,
    request: TextRequest<'_, A>,
) -> Result<(A, Provenance), HandlerError> {
    context.reporter.report(0.0, "writing");
    let question = Question {
        outline: json(&request.outline)?,
        system: request.prompt.text(request.language),
        user: request.user.to_string(),
        name: request.prompt.name,
        schema: request.schema,
        seed: request.seed,
        before: None,
    };
    let check = request.check;
    let asking = ask_with_one_retry(context, providers, request.provider, question.clone(), check);
    let TextReply { text, provenance } =
        providers.cached_reply(context, request.provider, &question, asking).await?;
    let unreadable = |fault| {
        JobError::bug(code::INTERNAL, format!("an answer that was good can't be read: {fault}"))
    };
    Ok((read(&text, check).map_err(unreadable)?, labelled(provenance, &request.prompt)))
}

/// Asks, and asks once more with the fault if the reply has one. Returns a reply that can be read.
async fn ask_with_one_retry<A: Form>(
    context: &Context,
    providers: &Providers,
    provider: Option<&str>,
    mut question: Question,
    check: &(dyn Fn(&A) -> Vec<Fault> + Sync),
) -> Result<TextReply, HandlerError> {
    let first = providers.write(context, provider, &question, "1").await?;
    let fault = match read(&first.text, check) {
        Ok(_) => return Ok(first),
        Err(fault) => fault,
    };
    let again = format!(
        "That answer can't be used: {fault}. Answer again, with JSON of the schema and nothing \
         else."
    );
    question.before = Some((shown(&first.text), again));
    // Only the provider of the bad reply is asked again.
    let provider = Some(first.provenance.provider.as_str());
    let second = providers.write(context, provider, &question, "2").await?;
    match read(&second.text, check) {
        Ok(_) => {
            let usage = first.provenance.usage.plus(&second.provenance.usage);
            Ok(TextReply {
                provenance: Provenance {
                    usage,
                    fallback_for: first.provenance.fallback_for,
                    ..second.provenance
                },
                ..second
            })
        }
        Err(last) => {
            let redacted = |text: &str| providers.redacted(text);
            let shown = |reply: TextReply| TextReply { text: redacted(&reply.text), ..reply };
            let (first, second) = (shown(first), shown(second));
            Err(unusable(&first, &redacted(&fault), &second, &redacted(&last)).into())
        }
    }
}

fn labelled(provenance: Provenance, prompt: &Prompt) -> Provenance {
    Provenance { prompt: Some(prompt.label()), ..provenance }
}

fn unusable(first: &TextReply, fault: &str, second: &TextReply, last: &str) -> JobError {
    let log =
        format!("first answer:\n{}\n\nsecond answer:\n{}", shown(&first.text), shown(&second.text));
    let provider = &second.provenance.provider;
    JobError::permanent(
        BAD_ANSWER,
        format!(
            "provider `{provider}` was asked twice and gave no answer of the schema. First: \
             {fault}; answer: {}. Second: {last}; answer: {}",
            brief(&first.text),
            brief(&second.text)
        ),
    )
    .with_log(log)
}

/// Reads a reply as a type, or returns a sentence with its faults.
fn read<A: Form>(text: &str, check: &(dyn Fn(&A) -> Vec<Fault> + Sync)) -> Result<A, String> {
    let mut value = json::parse(unfenced(text)).map_err(|refusal| format!("it {refusal}"))?;
    clean_all(&mut value);
    let sentence = |faults: Vec<Fault>| {
        let sentences = faults
            .iter()
            .take(MOST_FAULTS)
            .map(|fault| format!("{} {}", fault.pointer, fault.detail));
        sentences.collect::<Vec<_>>().join("; ")
    };
    let answer: A = document::read(&value).map_err(sentence)?;
    let faults = check(&answer);
    if faults.is_empty() { Ok(answer) } else { Err(sentence(faults)) }
}

/// Returns the JSON in a reply. Small models put thoughts before it, wrap it in a fence of Markdown
/// or add remarks, whatever the prompt asks for.
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
    clean(text).chars().take(LOG_CHARACTERS).collect()
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
        read::<hook::HookReply>(text, &|_| Vec::new()).map(|answer| answer.hooks)
    }

    #[test]
    fn replies_are_read_strictly_and_cleaned() {
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
            ("{\"hooks\": [\"a\"], \"src\": \"file:///etc/passwd\"}", "/src is not known here"),
            ("[]", "give an object with `hooks`"),
        ];
        for (text, sentence) in cases {
            let fault = hooks(text).expect_err("a fault");
            assert!(fault.contains(sentence), "{text}: {fault}");
        }
    }
}
