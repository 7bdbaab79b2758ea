//! Files by the hash of their content.

use axum::http::StatusCode;

use crate::server::TestServer;

async fn stored(server: &TestServer, bytes: &[u8]) -> String {
    let file = server.folder.path().join("made");
    std::fs::write(&file, bytes).expect("writes");
    let kept = server.artifacts.put(&file, "x/y").await.expect("is kept");
    format!("/v1/artifacts/{}", kept.hash)
}

#[tokio::test]
async fn an_artifact_is_read_whole_in_part_or_not_again() {
    let server = TestServer::new().await;
    let bytes = [b"RIFF\x10\0\0\0WAVEfmt ".as_slice(), &[7; 5000]].concat();
    let path = stored(&server, &bytes).await;
    let whole = server.get_with(&path, &[("accept-encoding", "gzip")]).await;
    assert_eq!((whole.status, &whole.body), (StatusCode::OK, &bytes));
    assert_eq!(whole.header("content-type"), "audio/wav");
    assert_eq!(whole.header("content-length"), bytes.len().to_string());
    assert_eq!(whole.header("content-encoding"), "", "media is not compressed again");
    assert!(whole.header("cache-control").contains("immutable"));
    assert_eq!(whole.header("x-content-type-options"), "nosniff");

    let part = server.get_with(&path, &[("range", "bytes=4-9")]).await;
    assert_eq!((part.status, part.body.as_slice()), (StatusCode::PARTIAL_CONTENT, &bytes[4..10]));
    assert_eq!(part.header("content-range"), format!("bytes 4-9/{}", bytes.len()));
    assert_eq!(
        part.header("content-type"),
        "audio/wav",
        "told from the file's start, not from the part's"
    );

    let outside = server.get_with(&path, &[("range", "bytes=99999-")]).await;
    assert_eq!(
        (outside.status.as_u16(), outside.problem().as_str()),
        (416, "range_not_satisfiable")
    );
    assert_eq!(outside.header("content-range"), format!("bytes */{}", bytes.len()));

    let known = server.get_with(&path, &[("if-none-match", whole.header("etag"))]).await;
    assert_eq!((known.status, known.body.len()), (StatusCode::NOT_MODIFIED, 0));
}

#[tokio::test]
async fn a_file_is_saved_under_a_name_with_the_extension_of_its_type() {
    let server = TestServer::new().await;
    let path = stored(&server, b"RIFF\x10\0\0\0WAVEfmt ").await;
    let hash = path.rsplit('/').next().expect("a hash");
    let shown = server.get(&path).await;
    let name = format!("inline; filename=\"{}.wav\"", &hash[..12]);
    assert_eq!(shown.header("content-disposition"), name);
    let saved = server.get(&format!("{path}?filename=my%20voice")).await;
    assert_eq!(saved.header("content-disposition"), "attachment; filename=\"my voice.wav\"");
    for bad in ["voice.avi", "..%2Fvoice.wav", "a%0Ab"] {
        let refused = server.get(&format!("{path}?filename={bad}")).await;
        assert_eq!((refused.status.as_u16(), refused.problem().as_str()), (400, "invalid_query"));
    }
}

#[tokio::test]
async fn a_file_that_a_browser_would_run_is_served_as_bytes() {
    let server = TestServer::new().await;
    let path = stored(&server, b"<html><script>alert(1)</script>").await;
    let answer = server.get(&path).await;
    assert_eq!(answer.header("content-type"), "application/octet-stream");
    assert!(answer.header("content-security-policy").contains("sandbox"));
}

#[tokio::test]
async fn an_empty_artifact_differs_from_a_missing_one() {
    let server = TestServer::new().await;
    let empty = stored(&server, b"").await;
    let answer = server.get(&empty).await;
    assert_eq!((answer.status, answer.body.len()), (StatusCode::OK, 0));
    let gone = server.get(&format!("/v1/artifacts/{}", "0".repeat(64))).await;
    assert_eq!(gone.problem(), "not_found");
}
