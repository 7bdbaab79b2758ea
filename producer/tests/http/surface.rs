//! The description of the surface against its snapshot.

use std::path::Path;

use axum::http::StatusCode;
use serde_json::Value;

use crate::server::TestServer;

/// `SPOOL_UPDATE_SNAPSHOTS=1 cargo nextest run -p producer snapshot` writes the snapshot again; the
/// change is then reviewed like any other.
#[test]
fn the_openapi_description_is_its_snapshot() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/openapi.json");
    let now = producer::openapi::document() + "\n";
    if std::env::var_os("SPOOL_UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&file, &now).expect("the snapshot is written");
    }
    let stored = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        stored == now,
        "the HTTP surface differs from tests/openapi.json. If that is intended, run \
         `SPOOL_UPDATE_SNAPSHOTS=1 cargo nextest run -p producer snapshot` and review the \
         difference."
    );
}

#[tokio::test]
async fn the_description_and_its_page_are_served() {
    let server = TestServer::new().await;
    let described = server.get("/openapi.json").await;
    assert_eq!(described.json()["openapi"].as_str().map(|version| &version[..3]), Some("3.1"));
    let page = server.get("/docs").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(page.text().contains("/v1/batches/{id}/results"));
}

#[tokio::test]
async fn the_type_of_a_problem_leads_to_its_page() {
    let server = TestServer::new().await;
    let problem = server.get("/v1/jobs/7").await.json();
    let page = server.get(problem["type"].as_str().expect("a type")).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text().starts_with("There is no such thing (404)"));
}

#[test]
fn every_call_has_a_name_of_its_own() {
    let described: Value = serde_json::from_str(&producer::openapi::document()).expect("json");
    let mut names = std::collections::BTreeSet::new();
    for call in described["paths"]
        .as_object()
        .expect("paths")
        .values()
        .flat_map(|path| path.as_object().unwrap().values())
    {
        let name = call["operationId"].as_str().expect("a name");
        assert!(names.insert(name.to_owned()), "{name} names two calls");
    }
}

#[test]
fn every_described_member_has_a_description() {
    let described: Value = serde_json::from_str(&producer::openapi::document()).expect("json");
    for (name, schema) in described["components"]["schemas"].as_object().expect("schemas") {
        for (member, schema) in schema["properties"].as_object().into_iter().flatten() {
            let refers = schema.get("$ref").is_some() || schema.get("oneOf").is_some();
            assert!(
                refers || schema["description"].is_string(),
                "{name}.{member} is not described"
            );
        }
    }
}
