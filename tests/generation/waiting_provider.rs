//! A provider for `scripts/bench generation`. It speaks the OpenAI protocol, answers each request
//! of a hook after a while, and reports at `/stats` how many calls there were and how many waited
//! at once.
//!
//!     waiting-provider ADDRESS MILLISECONDS

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Json, Router,
    extract::State,
    routing::{get, post},
};
use serde_json::{Value, json};

struct Waiting {
    pause: Duration,
    calls: AtomicUsize,
    now: AtomicUsize,
    most: AtomicUsize,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, pause] = arguments.as_slice() else {
        return Err("usage: waiting-provider ADDRESS MILLISECONDS".into());
    };
    let (calls, now, most) = Default::default();
    let waiting = Waiting { pause: Duration::from_millis(pause.parse()?), calls, now, most };
    let router = Router::new()
        .route("/v1/chat/completions", post(answer))
        .route("/stats", get(stats))
        .with_state(Arc::new(waiting));
    axum::serve(tokio::net::TcpListener::bind(address.as_str()).await?, router).await?;
    Ok(())
}

async fn answer(State(waiting): State<Arc<Waiting>>, Json(_): Json<Value>) -> Json<Value> {
    waiting.calls.fetch_add(1, Ordering::Relaxed);
    let now = waiting.now.fetch_add(1, Ordering::Relaxed) + 1;
    waiting.most.fetch_max(now, Ordering::Relaxed);
    tokio::time::sleep(waiting.pause).await;
    waiting.now.fetch_sub(1, Ordering::Relaxed);
    let text = json!({"hooks": ["Before you scroll on."]}).to_string();
    let usage = json!({"prompt_tokens": 100, "completion_tokens": 10});
    Json(json!({"choices": [{"message": {"content": text}}], "usage": usage}))
}

async fn stats(State(waiting): State<Arc<Waiting>>) -> Json<Value> {
    let of = |count: &AtomicUsize| count.load(Ordering::Relaxed);
    Json(json!({"calls": of(&waiting.calls), "sideBySide": of(&waiting.most)}))
}
