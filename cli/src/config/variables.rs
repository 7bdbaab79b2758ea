//! Variables that override the file's keys: each is `SPOOL_` and the key in capitals. Keys of inner
//! tables have variables too: `SPOOL_CACHE_TEXT_BYTES` is `bytes` of `[cache.text]`.

use std::collections::BTreeMap;

use backing::cache::Namespace;
use common::document::nearest;
use toml::{Table, Value};

use crate::exit::Failure;

/// Variables that are read elsewhere: by clap, the log and the scripts.
const OTHER_VARIABLES: &[&str] = &["SPOOL_SERVER", "SPOOL_LOG", "SPOOL_SERVICES_DIR"];

/// How the text of a variable becomes a value of the file.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    Text,
    Flag,
    Number,
    Paths,
    /// One of these words.
    OneOf(&'static [&'static str]),
}

pub const KEYS: &[(&str, Shape)] = &[
    ("database_url", Shape::Text),
    ("amqp_url", Shape::Text),
    ("redis_url", Shape::Text),
    ("artifacts_url", Shape::Text),
    ("public_url", Shape::Text),
    ("echo", Shape::Flag),
    ("quarantine_after", Shape::Number),
    ("grace_seconds", Shape::Number),
    ("scratch", Shape::Text),
    ("sandbox", Shape::OneOf(&["prefer", "require"])),
    ("allow", Shape::Paths),
    ("private_sources", Shape::Flag),
    ("max_backlog", Shape::Number),
    ("keep_jobs_days", Shape::Number),
    ("keep_memos_days", Shape::Number),
    ("keep_artifacts_hours", Shape::Number),
    ("classic_queues", Shape::Flag),
    ("database_connections", Shape::Number),
    ("amqp_publishers", Shape::Number),
    ("disk_cache", Shape::Text),
    ("disk_cache_bytes", Shape::Number),
    ("compression_level", Shape::Number),
    ("compression_bytes", Shape::Number),
    ("namespace", Shape::Text),
];

/// Settings of a service that have a variable each.
const SERVICE_KEYS: &[(&str, Shape)] = &[
    ("base_url", Shape::Text),
    ("api_key", Shape::Text),
    ("text_model", Shape::Text),
    ("speech_model", Shape::Text),
    ("voice", Shape::Text),
    ("transcription_model", Shape::Text),
    ("image_model", Shape::Text),
    ("stream", Shape::Flag),
    ("connect_seconds", Shape::Number),
    ("timeout_seconds", Shape::Number),
    ("retries", Shape::Number),
    ("connections", Shape::Number),
    ("requests_per_minute", Shape::Number),
    ("breaker_failures", Shape::Number),
    ("breaker_seconds", Shape::Number),
];

/// Settings of a cache's namespace that have a variable each.
const CACHE_KEYS: &[(&str, Shape)] = &[
    ("enabled", Shape::Flag),
    ("fresh_seconds", Shape::Number),
    ("stale_seconds", Shape::Number),
    ("entries", Shape::Number),
    ("bytes", Shape::Number),
];

/// Copies all variables to their keys in the file, and describes those that are ignored.
pub fn override_file(
    table: &mut Table,
    variables: &BTreeMap<String, String>,
) -> Result<Vec<String>, Failure> {
    let mut known = copy(table, variables, "", KEYS)?;
    known.extend(cache_variables(table, variables)?);
    known.extend(provider_variables(table, variables)?);
    Ok(ignored(variables, &known))
}

/// Copies the variables `SPOOL_{prefix}{key}` to their keys in a table; returns the names of all.
fn copy(
    table: &mut Table,
    variables: &BTreeMap<String, String>,
    prefix: &str,
    keys: &[(&str, Shape)],
) -> Result<Vec<String>, Failure> {
    let mut names = Vec::with_capacity(keys.len());
    for (key, shape) in keys {
        let name = variable(&format!("{prefix}{key}"));
        if let Some(text) = variables.get(&name) {
            table.insert((*key).to_owned(), shape.read(&name, text)?);
        }
        names.push(name);
    }
    Ok(names)
}

fn cache_variables(
    table: &mut Table,
    variables: &BTreeMap<String, String>,
) -> Result<Vec<String>, Failure> {
    let mut cache = inner_table(table, "cache")?;
    let mut known = Vec::new();
    for namespace in Namespace::ALL.map(Namespace::as_str) {
        let mut settings = inner_table(&mut cache, namespace)?;
        known.extend(copy(&mut settings, variables, &format!("cache_{namespace}_"), CACHE_KEYS)?);
        put_back(&mut cache, namespace, settings);
    }
    put_back(table, "cache", cache);
    Ok(known)
}

/// Copies the providers' variables to their keys in the file; returns the names of the variables.
fn provider_variables(
    table: &mut Table,
    variables: &BTreeMap<String, String>,
) -> Result<Vec<String>, Failure> {
    let mut providers = inner_table(table, "providers")?;
    let mut known = Vec::new();
    for chain in ["text", "speech", "image", "transcription"] {
        let name = variable(&format!("providers_{chain}"));
        if let Some(text) = variables.get(&name) {
            let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
            providers.insert(chain.to_owned(), Value::Array(names.map(Value::from).collect()));
        }
        known.push(name);
    }
    let mut services = inner_table(&mut providers, "services")?;
    // An empty variable counts as unset: containers cannot unset one.
    let set = variables.iter().filter(|(_, text)| !text.is_empty());
    let set = set.map(|(name, text)| (name.clone(), text.clone())).collect();
    let mut names: Vec<String> = services.keys().cloned().collect();
    names.push("openai".to_owned());
    for service in names {
        let mut settings = inner_table(&mut services, &service)?;
        known.extend(copy(
            &mut settings,
            &set,
            &format!("{}_", service.replace('-', "_")),
            SERVICE_KEYS,
        )?);
        put_back(&mut services, &service, settings);
    }
    put_back(&mut providers, "services", services);
    put_back(table, "providers", providers);
    Ok(known)
}

/// Takes a table out of another to change it; an empty one if it is not there.
fn inner_table(table: &mut Table, key: &str) -> Result<Table, Failure> {
    match table.remove(key) {
        Some(Value::Table(inner)) => Ok(inner),
        None => Ok(Table::new()),
        Some(_) => Err(Failure::Configuration(format!("configuration: `{key}` is not a table"))),
    }
}

/// Puts a table back, unless it is empty.
fn put_back(table: &mut Table, key: &str, inner: Table) {
    if !inner.is_empty() {
        table.insert(key.to_owned(), Value::Table(inner));
    }
}

/// The name of the variable of a key.
pub fn variable(key: &str) -> String {
    format!("SPOOL_{}", key.to_ascii_uppercase())
}

impl Shape {
    /// Reads the text of the variable `name`.
    pub fn read(self, name: &str, text: &str) -> Result<Value, Failure> {
        let wrong =
            |wanted: &str| Failure::Configuration(format!("{name}=`{text}` is not {wanted}"));
        Ok(match self {
            Self::Text => Value::String(text.to_owned()),
            Self::Flag => match text {
                "true" | "1" => Value::Boolean(true),
                "false" | "0" | "" => Value::Boolean(false),
                _ => return Err(wrong("`true` or `false`")),
            },
            Self::Number => match text.parse::<i64>() {
                Ok(number) if number >= 0 => Value::Integer(number),
                _ => return Err(wrong("a whole number, zero or more")),
            },
            Self::OneOf(words) if words.contains(&text) => Value::String(text.to_owned()),
            Self::OneOf(words) => return Err(wrong(&format!("`{}`", words.join("` or `")))),
            Self::Paths => Value::Array(
                text.split(':')
                    .filter(|path| !path.is_empty())
                    .map(|path| Value::String(path.into()))
                    .collect(),
            ),
        })
    }
}

/// Describes the variables that are no settings, each with the setting that it may be meant for.
fn ignored(variables: &BTreeMap<String, String>, settings: &[String]) -> Vec<String> {
    let known: Vec<&str> =
        settings.iter().map(String::as_str).chain(OTHER_VARIABLES.iter().copied()).collect();
    let sentence = |name: &String| match nearest(name, &known) {
        Some(near) => format!("{name} is no setting and is ignored: did you mean {near}?"),
        None => format!("{name} is not a setting of this version and is ignored"),
    };
    variables.keys().filter(|name| !known.contains(&name.as_str())).map(sentence).collect()
}
