//! Whether the server is there at all, asked when an answer takes long.
//!
//! A statement may take its time: the machine is busy, somebody holds a lock. From its own connection that looks the same as a server that
//! is frozen, or a network that swallows everything. So whoever has waited for a while asks for a sign of life elsewhere, on a
//! connection kept for that and, if it says nothing, on a new one; whatever anybody hears from the server meanwhile is one too. Only
//! where there is none at all is the answer given up: a slow server is waited for as before.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};
use tokio::time::{sleep, timeout};

/// A wait this long is nothing yet: a loaded machine's.
const QUIET: Duration = Duration::from_secs(2);
/// A server that lets this pass without a word to anybody, after it had said nothing for [`QUIET`], is not there: a sign of life needs
/// neither disk nor locks.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// The kept connection may be half open: from here on a new one is tried beside it.
const TRY_ANOTHER_AFTER: Duration = Duration::from_secs(1);
/// For so long after a question that nobody answered, one's own wait of [`QUIET`] is question enough. A call that stood in line behind
/// one that was given up is so given up sooner.
const REMEMBERED: Duration = Duration::from_secs(3);

/// What is known of the server by all who talk to it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct HealthProbe(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    connect: PgConnectOptions,
    heard: Mutex<Instant>,
    asking: tokio::sync::Mutex<Asking>,
}

#[derive(Debug, Default)]
struct Asking {
    kept: Option<PgConnection>,
    /// When the last question was given up, if it was.
    unanswered: Option<Instant>,
}

impl HealthProbe {
    /// Asks the server that these options name. Connects when it first has to ask.
    pub fn new(connect: PgConnectOptions) -> Self {
        Self(Arc::new(Shared {
            connect,
            heard: Mutex::new(Instant::now()),
            asking: Default::default(),
        }))
    }

    /// The server said something, to whomever.
    pub fn heard(&self) {
        *self.0.heard.lock() = Instant::now();
    }

    /// Ends when the server has given no sign of life for a while: five seconds, or two where it was silent before.
    pub async fn until_silent(&self) {
        loop {
            let since = Instant::now();
            sleep(QUIET).await;
            let shared = self.0.clone();
            // On a task of its own: what comes of a question is of use to others, when the one who asked has gone.
            if tokio::spawn(async move { shared.is_silent(since).await }).await.unwrap_or(false) {
                return;
            }
        }
    }
}

impl Shared {
    /// Asks, unless the answer is known. One question at a time: the others wait for what comes of it.
    async fn is_silent(&self, since: Instant) -> bool {
        let mut asking = self.asking.lock().await;
        if *self.heard.lock() > since {
            return false;
        }
        if asking.unanswered.is_some_and(|at| at.elapsed() < REMEMBERED && *self.heard.lock() < at)
        {
            return true;
        }
        let kept = asking.kept.take();
        let answered = timeout(ANSWER_WITHIN, sign_of_life(kept, &self.connect))
            .await
            .unwrap_or(Answered::Nothing);
        let there = !matches!(answered, Answered::Nothing) || *self.heard.lock() > since;
        asking.unanswered = (!there).then(Instant::now);
        if let Answered::On(sql) = answered {
            asking.kept = Some(sql);
        }
        if there {
            *self.heard.lock() = Instant::now();
        } else {
            tracing::warn!("PostgreSQL gives no sign of life: calls that wait for it are given up");
        }
        !there
    }
}

/// What came of a question.
enum Answered {
    /// A connection that can be asked again.
    On(PgConnection),
    /// The server refused the connection: by that it is there.
    Refused,
    Nothing,
}

/// Asks on the connection that is kept, and, if there is none or it says nothing for a while, on a new one.
async fn sign_of_life(kept: Option<PgConnection>, connect: &PgConnectOptions) -> Answered {
    let again = async { pinged(kept?).await };
    tokio::pin!(again);
    match timeout(TRY_ANOTHER_AFTER, &mut again).await {
        Ok(Some(sql)) => Answered::On(sql),
        Ok(None) => new_connection(connect).await,
        // It may be no more than slow, and goes on being listened to.
        Err(_) => tokio::select! {
            Some(sql) = &mut again => Answered::On(sql),
            new = new_connection(connect) => new,
        },
    }
}

async fn pinged(mut sql: PgConnection) -> Option<PgConnection> {
    sql.ping().await.is_ok().then_some(sql)
}

async fn new_connection(connect: &PgConnectOptions) -> Answered {
    match PgConnection::connect_with(connect).await {
        Ok(sql) => Answered::On(sql),
        Err(sqlx::Error::Database(_)) => Answered::Refused,
        Err(_) => Answered::Nothing,
    }
}
