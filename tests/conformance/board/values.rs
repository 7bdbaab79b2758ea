//! Values shared between processes.

use std::time::{Duration, Instant};

use bytes::Bytes;
use common::port::board::Board;

use super::{each_board, subject::BOUND};

each_board! {
    a_value_comes_back_under_its_key_and_no_other,
    a_later_value_takes_the_place_of_an_earlier_one,
    a_value_expires,
}

const HOUR: Duration = Duration::from_secs(3600);

async fn a_value_comes_back_under_its_key_and_no_other(board: &dyn Board) {
    let long_key = "k".repeat(10_000);
    let values = [
        ("", Bytes::from_static(b"")),
        ("text:a b\r\nDEL x", Bytes::from_static(b"\x00\xff\r\n")),
        ("text:ä", Bytes::from(vec![b'x'; 1_025])),
        (&long_key, Bytes::from(vec![7; 300_000])),
    ];
    for (key, value) in &values {
        board.cache(key, value.clone(), HOUR).await.unwrap();
    }
    for (key, value) in values {
        assert_eq!(board.cached(key).await.unwrap(), Some(value));
    }
    assert_eq!(board.cached("text").await.unwrap(), None);
}

async fn a_later_value_takes_the_place_of_an_earlier_one(board: &dyn Board) {
    for value in ["one", "two"] {
        board.cache("key", Bytes::from(value), HOUR).await.unwrap();
    }
    assert_eq!(board.cached("key").await.unwrap(), Some(Bytes::from("two")));
}

async fn a_value_expires(board: &dyn Board) {
    let started = Instant::now();
    board.cache("short", Bytes::from("x"), Duration::from_millis(200)).await.unwrap();
    board.cache("long", Bytes::from("y"), HOUR).await.unwrap();
    while board.cached("short").await.unwrap().is_some() {
        assert!(started.elapsed() < BOUND, "a value does not expire");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(started.elapsed() >= Duration::from_millis(200));
    assert!(board.cached("long").await.unwrap().is_some());
}
