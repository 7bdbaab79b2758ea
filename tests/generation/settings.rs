//! Settings of providers: every command refuses a wrong one with the same sentence, and `check`
//! tries the providers of right ones.

use std::process::Command;

use tempfile::tempdir;
use worker::providers::{Config, Metrics, Providers, Secret, ServiceConfig};

use crate::{
    process::{run, spool},
    server::{KEY, ProviderServer},
};

/// A wrong section of the file, and parts of its error.
const WRONG: &[(&str, &[&str])] = &[
    ("[providers]\ntext = [\"opnai\"]", &["providers.text", "`opnai`", "add it"]),
    (
        "[providers]\nspeach = [\"offline\"]",
        &["providers.speach", "unknown field `speach`", "expected one of"],
    ),
    (
        "[providers]\ntranscription = [\"offline\"]",
        &["providers.transcription", "`offline`", "name a service"],
    ),
    (
        "[providers.services.a]\nbase_url = \"nowhere\"",
        &["providers.services.a.base_url", "`nowhere`", "give an http"],
    ),
    (
        "[providers.services.a]\nretries = -1",
        &["providers.services.a.retries", "`-1`", "expected u32"],
    ),
    (
        "[providers.services.a]\nconnections = 0",
        &["providers.services.a.connections", "0", "at least 1"],
    ),
    (
        "[providers.services.a]\napi_key = \"a b hush\"",
        &["providers.services.a.api_key", "without spaces"],
    ),
    ("[providers.services.a]\napi_key = \"hush\nretries = 1", &["line 2"]),
];

#[test]
fn a_wrong_setting_ends_every_command_with_the_setting_its_value_and_the_remedy() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("spool.toml");
    let data = folder.path().join("data").display().to_string();
    let commands: [&[&str]; 4] = [
        &["dev", "--listen", "127.0.0.1:0", "--data", &data],
        &["serve", "--listen", "127.0.0.1:0"],
        &["work"],
        &["check"],
    ];
    for (section, sentences) in WRONG {
        std::fs::write(&file, section).unwrap();
        for command in commands {
            let mut program: Command = spool();
            let output = run({
                program.arg("--config").arg(&file).args(command);
                program
            });
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(3), "{command:?} {section}: {said}");
            for sentence in *sentences {
                assert!(said.contains(sentence), "{command:?} {section}: {said}");
            }
            assert!(!said.contains("hush") && !said.contains("panicked"), "{said}");
        }
    }
}

#[test]
fn a_check_tries_each_service_and_shows_no_key() {
    let server = ProviderServer::start();
    let service = |key: &str| ServiceConfig {
        base_url: server.base(),
        api_key: Some(Secret::new(key)),
        retries: 0,
        ..ServiceConfig::default()
    };
    let nobody = ServiceConfig {
        base_url: "http://127.0.0.1:9/v1".into(),
        retries: 0,
        ..ServiceConfig::default()
    };
    let services =
        [("a-right", service(KEY)), ("b-wrong", service("sk-wrong")), ("c-nobody", nobody)];
    let services = services.into_iter().map(|(name, service)| (name.to_owned(), service)).collect();
    let metrics = Metrics::new(&prometheus::Registry::new()).unwrap();
    let providers = Providers::new(&Config { services, ..Config::default() }, &metrics).unwrap();
    let answers = tokio::runtime::Runtime::new()
        .unwrap()
        .block_on(providers.check(env!("CARGO_BIN_EXE_spool").into()));
    let said: Vec<String> =
        answers.iter().map(|(name, answer)| format!("{name} {answer:?}")).collect();
    assert!(said[0].contains("a-right Ok"), "{said:?}");
    assert!(
        said[0].contains("2 models; text by gpt-4o-mini, speech by gpt-4o-mini-tts (which is not"),
        "{said:?}"
    );
    assert!(said[1].contains("check the API key") && !said[1].contains("sk-wrong"), "{said:?}");
    assert!(said[2].contains("can't be used"), "{said:?}");
}

#[test]
fn a_check_tries_the_offline_voice() {
    let metrics = Metrics::new(&prometheus::Registry::new()).unwrap();
    let providers = Providers::new(&Config::default(), &metrics).unwrap();
    let check = |program: &str| {
        tokio::runtime::Runtime::new()
            .unwrap()
            .block_on(providers.check(program.into()))
            .remove(0)
            .1
    };
    assert_eq!(
        check(env!("CARGO_BIN_EXE_spool")),
        Ok("no network for text, speech, image".to_owned())
    );
    assert!(check("/bin/false").is_err_and(|said| said.contains("espeak-ng can't speak")));
}

#[test]
fn a_check_of_providers_alone_needs_no_fleet() {
    let (folder, server) = (tempdir().unwrap(), ProviderServer::start());
    let file = folder.path().join("spool.toml");
    std::fs::write(
        &file,
        format!("[providers.services.mine]\nbase_url = \"{}\"\nretries = 0\n", server.base()),
    )
    .unwrap();
    let check = |key: &str| {
        let mut program = spool();
        program.arg("--config").arg(&file).arg("check");
        let output = run({
            program.env("SPOOL_MINE_API_KEY", key).env("NO_PROXY", "127.0.0.1");
            program
        });
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&said).into_owned())
    };
    let (code, said) = check(KEY);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("provider mine") && said.contains("ok: 2 models"), "{said}");
    let (code, said) = check("sk-wrong-hush");
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("check the API key") && !said.contains("hush"), "{said}");
}
