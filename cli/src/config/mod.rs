//! Configuration: one TOML file, in which one `SPOOL_…` variable overrides each key.
//!
//! It is read once, whole, before anything starts. An unknown key in the file is an error, since a
//! misspelled setting must not be ignored; an unknown variable is a warning, since other tools may
//! use the prefix.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use common::document::nearest;
use serde::Deserialize;
use toml::{Table, Value};

use crate::exit::Failure;

/// The file's keys. Each is also read from `SPOOL_` and its name in capitals.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// PostgreSQL: `postgres://user:password@host:5432/database`.
    pub database_url: Option<String>,
    /// RabbitMQ: `amqp://user:password@host:5672/%2f`; of a cluster
    /// `amqp://user:password@one:5672,two:5672,three:5672/%2f`.
    pub amqp_url: Option<String>,
    /// Redis: `redis://host:6379/0`.
    pub redis_url: Option<String>,
    /// Artifacts: `file:///srv/spool/artifacts`.
    pub artifacts_url: Option<String>,
    /// URL prefix of `/v1/artifacts/…` in results, where it differs from the address that was
    /// called.
    pub public_url: Option<String>,
    /// Offers the kind `echo`; `spool dev` always does.
    pub echo: bool,
    /// Lost workers after which a task fails as poison.
    pub quarantine_after: u16,
    /// Seconds that running attempts get to finish when a worker is asked to stop.
    pub grace_seconds: u64,
    /// Folder for workers' scratch folders; by default in the system's temporary folder.
    pub scratch: Option<PathBuf>,
    /// Folders whose files may be sources (in the variable: separated by `:`).
    pub allow: Vec<PathBuf>,
    /// Allows sources from private and loopback addresses.
    pub private_sources: bool,
    /// Waiting tasks in a queue beyond which submits are answered with 503; under
    /// [`common::limits::COUNTED_BACKLOG`], unbounded by default.
    pub max_backlog: Option<u64>,
    /// Days that final jobs are kept.
    pub keep_jobs_days: u64,
    /// Days that unused memos are kept.
    pub keep_memos_days: u64,
    /// Hours that an artifact is kept after the last memo or job that refers to it is gone; at
    /// least 1.
    pub keep_artifacts_hours: u64,
    /// Classic durable queues instead of quorum queues, for a single broker node.
    pub classic_queues: bool,
    /// PostgreSQL connections of one process; heartbeats have two more.
    pub database_connections: u32,
    /// RabbitMQ connections that one process publishes on: the number of publishes under way at
    /// once.
    pub amqp_publishers: u32,
    /// Folder for local copies of artifacts that a worker fetched or made, if the artifacts are on
    /// another file system; by default beside its scratch folder.
    pub disk_cache: Option<PathBuf>,
    /// The most bytes of local copies; 0 turns them off.
    pub disk_cache_bytes: u64,
    /// Prefix of exchange, queue and Redis key names, so that several fleets can share servers.
    pub namespace: String,
    /// Providers of text, speech, images and transcription: `[providers]`, and
    /// `[providers.services.NAME]` for each service. Variables:
    /// `SPOOL_PROVIDERS_TEXT=openai,offline` and so on, and `SPOOL_NAME_API_KEY`,
    /// `SPOOL_NAME_BASE_URL`, … for each service, and always for one named `openai`.
    pub providers: worker::providers::Config,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            database_url: None,
            amqp_url: None,
            redis_url: None,
            artifacts_url: None,
            public_url: None,
            echo: false,
            quarantine_after: common::limits::QUARANTINE_AFTER,
            grace_seconds: 30,
            scratch: None,
            allow: Vec::new(),
            private_sources: false,
            max_backlog: None,
            keep_jobs_days: 30,
            keep_memos_days: 7,
            keep_artifacts_hours: 24,
            classic_queues: false,
            database_connections: 8,
            amqp_publishers: 2,
            disk_cache: None,
            disk_cache_bytes: backing::cache::disk::DEFAULT_LIMIT,
            namespace: "spool".to_owned(),
            providers: worker::providers::Config::default(),
        }
    }
}

/// Variables that are read elsewhere: by clap, the log and the scripts.
const OTHER_VARIABLES: &[&str] = &["SPOOL_SERVER", "SPOOL_LOG", "SPOOL_SERVICES_DIR"];

/// How the text of a variable becomes a value of the file.
#[derive(Debug, Clone, Copy)]
enum Shape {
    Text,
    Flag,
    Number,
    Paths,
}

const KEYS: &[(&str, Shape)] = &[
    ("database_url", Shape::Text),
    ("amqp_url", Shape::Text),
    ("redis_url", Shape::Text),
    ("artifacts_url", Shape::Text),
    ("public_url", Shape::Text),
    ("echo", Shape::Flag),
    ("quarantine_after", Shape::Number),
    ("grace_seconds", Shape::Number),
    ("scratch", Shape::Text),
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
    ("namespace", Shape::Text),
];

impl Config {
    /// Reads the file (by default `spool.toml` in the current folder, if it is there) and this
    /// process's environment.
    ///
    /// Also returns a sentence for each variable that is ignored.
    pub fn read(file: Option<&Path>) -> Result<(Self, Vec<String>), Failure> {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, _)| name.starts_with("SPOOL_"))
            .collect();
        let table = match file {
            Some(path) => parse(path)?,
            None if Path::new("spool.toml").exists() => parse(Path::new("spool.toml"))?,
            None => Table::new(),
        };
        Self::from_parts(table, &variables)
    }

    fn from_parts(
        mut table: Table,
        variables: &BTreeMap<String, String>,
    ) -> Result<(Self, Vec<String>), Failure> {
        for (key, shape) in KEYS {
            let name = variable(key);
            if let Some(text) = variables.get(&name) {
                table.insert((*key).to_owned(), shape.read(&name, text)?);
            }
        }
        let known = provider_variables(&mut table, variables)?;
        let ignored = ignored(variables, &known);
        let config: Self = serde_path_to_error::deserialize(table).map_err(|error| {
            let (place, message) = (error.path().to_string(), error.inner().message());
            Failure::Configuration(match place.as_str() {
                "." => format!("configuration: {message}"),
                secret if secret.ends_with(".api_key") => {
                    format!(
                        "configuration: `{secret}` is not a text in quotes (its value is not shown)"
                    )
                }
                place => format!("configuration: `{place}`: {message}"),
            })
        })?;
        config
            .providers
            .check()
            .map_err(|fault| Failure::Configuration(format!("configuration: {fault}")))?;
        Ok((config, ignored))
    }

    /// Returns a URL that must be set, or an error that names its key and variable.
    pub fn required<'a>(&self, value: &'a Option<String>, key: &str) -> Result<&'a str, Failure> {
        let missing = || {
            Failure::Configuration(format!(
                "`{key}` is not set: put it in spool.toml, or set {}",
                variable(key)
            ))
        };
        value.as_deref().filter(|value| !value.is_empty()).ok_or_else(missing)
    }
}

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
    let mut names: Vec<String> = services.keys().cloned().collect();
    names.push("openai".to_owned());
    for service in names {
        let mut settings = inner_table(&mut services, &service)?;
        for (key, shape) in SERVICE_KEYS {
            let name = variable(&format!("{}_{key}", service.replace('-', "_")));
            // An empty variable counts as unset: containers cannot unset one.
            if let Some(text) = variables.get(&name).filter(|text| !text.is_empty()) {
                settings.insert((*key).to_owned(), shape.read(&name, text)?);
            }
            known.push(name);
        }
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

/// A service without any setting is skipped.
fn put_back(table: &mut Table, key: &str, inner: Table) {
    if !inner.is_empty() {
        table.insert(key.to_owned(), Value::Table(inner));
    }
}

fn variable(key: &str) -> String {
    format!("SPOOL_{}", key.to_ascii_uppercase())
}

fn parse(path: &Path) -> Result<Table, Failure> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::Configuration(format!("{shown} can't be read: {error}")))?;
    text.parse().map_err(|error: toml::de::Error| {
        // The error's own text shows the line, which may hold a key.
        let line = error
            .span()
            .map_or(0, |span| text.bytes().take(span.start).filter(|byte| *byte == b'\n').count());
        Failure::Configuration(format!("{shown}, line {}: {}", line + 1, error.message().trim()))
    })
}

impl Shape {
    fn read(self, name: &str, text: &str) -> Result<Value, Failure> {
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
fn ignored(variables: &BTreeMap<String, String>, providers: &[String]) -> Vec<String> {
    let keys: Vec<String> = KEYS.iter().map(|(key, _)| variable(key)).collect();
    let known: Vec<&str> = keys
        .iter()
        .chain(providers)
        .map(String::as_str)
        .chain(OTHER_VARIABLES.iter().copied())
        .collect();
    let sentence = |name: &String| match nearest(name, &known) {
        Some(near) => format!("{name} is no setting and is ignored: did you mean {near}?"),
        None => format!("{name} is not a setting of this version and is ignored"),
    };
    variables.keys().filter(|name| !known.contains(&name.as_str())).map(sentence).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(file: &str, variables: &[(&str, &str)]) -> Result<Config, Failure> {
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Config::from_parts(file.parse().expect("toml"), &variables).map(|(config, _)| config)
    }

    #[test]
    fn a_variable_overrides_the_file() {
        let config = read(
            "grace_seconds = 5\necho = true",
            &[("SPOOL_GRACE_SECONDS", "7"), ("SPOOL_ALLOW", "/a:/b")],
        );
        let wanted = Config {
            grace_seconds: 7,
            echo: true,
            allow: vec!["/a".into(), "/b".into()],
            ..Config::default()
        };
        assert_eq!(config, Ok(wanted));
    }

    #[test]
    fn a_wrong_value_names_the_key_and_what_is_wanted() {
        let cases = [
            ("", ("SPOOL_ECHO", "maybe"), "SPOOL_ECHO=`maybe` is not `true` or `false`"),
            ("", ("SPOOL_GRACE_SECONDS", "-1"), "SPOOL_GRACE_SECONDS=`-1` is not a whole number"),
            ("ehco = true", ("SPOOL_X", ""), "unknown field `ehco`"),
            (
                "[providers.services.a]\nretries = -1",
                ("SPOOL_X", ""),
                "`providers.services.a.retries`: invalid value: integer `-1`",
            ),
            (
                "[providers.services.a]\nmodle = \"x\"",
                ("SPOOL_X", ""),
                "`providers.services.a.modle`: unknown field `modle`",
            ),
            (
                "[providers]\ntext = \"a\"",
                ("SPOOL_X", ""),
                "`providers.text`: invalid type: string \"a\"",
            ),
            (
                "",
                ("SPOOL_PROVIDERS_SPEECH", "mine"),
                "providers.speech names `mine`, and there is no",
            ),
            (
                "",
                ("SPOOL_OPENAI_BASE_URL", "here"),
                "providers.services.openai.base_url is `here`: give",
            ),
        ];
        for (file, variable, sentence) in cases {
            let error = read(file, &[variable]).expect_err("an error").to_string();
            assert!(error.contains(sentence), "{error}");
        }
    }

    #[test]
    fn a_misspelt_variable_is_named_with_the_one_that_it_may_be_meant_for() {
        let names = ["SPOOL_DATABSE_URL", "SPOOL_OPENAI_APIKEY", "SPOOL_X", "SPOOL_LOG"];
        let variables = names.map(|name| (name.to_owned(), String::new())).into();
        let (_, ignored) = Config::from_parts(Table::new(), &variables).expect("a configuration");
        let expected = [
            "SPOOL_DATABSE_URL is no setting and is ignored: did you mean SPOOL_DATABASE_URL?",
            "SPOOL_OPENAI_APIKEY is no setting and is ignored: did you mean SPOOL_OPENAI_API_KEY?",
            "SPOOL_X is not a setting of this version and is ignored",
        ];
        assert_eq!(ignored, expected);
    }

    #[test]
    fn every_key_of_the_file_has_its_variable() {
        let file: Table = KEYS
            .iter()
            .map(|(key, shape)| ((*key).to_owned(), shape.read("x", "1").expect("a value")))
            .collect();
        Config::from_parts(file, &BTreeMap::new()).expect("all keys are fields");
        let fields = format!("{:?}", Config::default());
        // `providers` has variables of a shape of its own.
        let inside = format!("{:?}", Config::default().providers).matches(": ").count() + 1;
        assert_eq!(
            fields.matches(": ").count() - inside,
            KEYS.len(),
            "a field without a key: {fields}"
        );
    }

    #[test]
    fn every_key_is_documented_with_its_variable_and_its_default() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operating.md");
        let page = std::fs::read_to_string(page).expect("the page");
        let defaults = format!("{:?}", Config::default());
        for (key, shape) in KEYS {
            let row = page
                .lines()
                .find(|line| line.starts_with(&format!("| `{key}` | `{}`", variable(key))));
            let row = row.unwrap_or_else(|| panic!("docs/operating.md has no row of `{key}`"));
            let default = defaults
                .split(&format!(" {key}: "))
                .nth(1)
                .and_then(|rest| rest.split(", ").next());
            // The defaults of texts and folders are described in words.
            if let (Shape::Flag | Shape::Number, Some(default)) =
                (shape, default.filter(|default| *default != "None"))
            {
                assert!(row.contains(default), "the default of `{key}` is {default}: {row}");
            }
        }
    }

    #[test]
    fn a_service_is_set_by_the_file_and_by_variables_and_its_key_is_not_shown() {
        let file = "[providers.services.local-ai]\nbase_url = \"http://127.0.0.1:8000/v1\"";
        let variables = [
            ("SPOOL_OPENAI_API_KEY", "sk-1"),
            ("SPOOL_LOCAL_AI_RETRIES", "4"),
            ("SPOOL_PROVIDERS_TEXT", "openai, offline"),
        ];
        let config = read(file, &variables).expect("a configuration").providers;
        let names: Vec<&str> = config.services.keys().map(String::as_str).collect();
        assert_eq!(names, ["local-ai", "openai"]);
        assert_eq!(
            (config.services["local-ai"].retries, config.services["openai"].retries),
            (4, 2)
        );
        assert_eq!(config.text, Some(vec!["openai".to_owned(), "offline".to_owned()]));
        assert!(!format!("{config:?}").contains("sk-1"), "{config:?}");
        let without = read("", &[("SPOOL_OPENAI_API_KEY", "")]).expect("a configuration").providers;
        assert!(without.services.is_empty(), "{without:?}");
        assert_eq!(
            read("", &[]).expect("a configuration").providers,
            worker::providers::Config::default()
        );
    }
}
