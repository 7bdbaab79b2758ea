use std::{collections::BTreeMap, path::Path};

use backing::cache::{CacheSettings, NamespaceSettings};
use toml::Table;

use super::{
    Config,
    variables::{KEYS, Shape, variable},
};
use crate::exit::Failure;

fn read(file: &str, variables: &[(&str, &str)]) -> Result<Config, Failure> {
    let variables =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
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
        ("", ("SPOOL_SANDBOX", "no"), "SPOOL_SANDBOX=`no` is not `prefer` or `require`"),
        ("sandbox = \"no\"", ("SPOOL_X", ""), "`sandbox`: unknown variant `no`"),
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
        ("", ("SPOOL_PROVIDERS_SPEECH", "mine"), "providers.speech names `mine`, and there is no"),
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
    let text = |shape: &Shape| match shape {
        Shape::OneOf(words) => words[0],
        _ => "1",
    };
    let file: Table = KEYS
        .iter()
        .map(|(key, shape)| ((*key).to_owned(), shape.read("x", text(shape)).expect("a value")))
        .collect();
    Config::from_parts(file, &BTreeMap::new()).expect("all keys are fields");
    let fields = format!("{:?}", Config::default());
    // The inner tables have variables of their own.
    let Config { cache, providers, .. } = Config::default();
    let inside = format!("{cache:?}{providers:?}").matches(": ").count() + 2;
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
        let row =
            page.lines().find(|line| line.starts_with(&format!("| `{key}` | `{}`", variable(key))));
        let row = row.unwrap_or_else(|| panic!("docs/operating.md has no row of `{key}`"));
        let default =
            defaults.split(&format!(" {key}: ")).nth(1).and_then(|rest| rest.split(", ").next());
        // The defaults of texts and folders are described in words.
        if let (Shape::Flag | Shape::Number, Some(default)) =
            (shape, default.filter(|default| *default != "None"))
        {
            assert!(row.contains(default), "the default of `{key}` is {default}: {row}");
        }
    }
}

#[test]
fn a_cache_is_set_by_the_file_and_by_variables() {
    let file = "[cache.text]\nfresh_seconds = 60\nbytes = 5";
    let variables = [("SPOOL_CACHE_TEXT_BYTES", "7"), ("SPOOL_CACHE_MEDIA_ENABLED", "false")];
    let cache = read(file, &variables).expect("a configuration").cache;
    let default = NamespaceSettings::default();
    let text = NamespaceSettings { fresh_seconds: Some(60), bytes: 7, ..default.clone() };
    let media = NamespaceSettings { enabled: false, ..default.clone() };
    let expected = CacheSettings { text, media, metadata: default.clone(), outside: default };
    assert_eq!(cache, expected);
    let error = read("[cache.texts]", &[]).expect_err("an error").to_string();
    assert!(error.contains("unknown field `texts`"), "{error}");
    let stale = [("SPOOL_CACHE_MEDIA_STALE_SECONDS", "5")];
    let error = read("", &stale).expect_err("an error").to_string();
    assert!(error.contains("cache.media.stale_seconds has no effect"), "{error}");
    assert!(read("[cache.outside]\nstale_seconds = 5", &[]).is_ok());
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
    assert_eq!((config.services["local-ai"].retries, config.services["openai"].retries), (4, 2));
    assert_eq!(config.text, Some(vec!["openai".to_owned(), "offline".to_owned()]));
    assert!(!format!("{config:?}").contains("sk-1"), "{config:?}");
    let without = read("", &[("SPOOL_OPENAI_API_KEY", "")]).expect("a configuration").providers;
    assert!(without.services.is_empty(), "{without:?}");
    assert_eq!(
        read("", &[]).expect("a configuration").providers,
        worker::providers::Config::default()
    );
}
