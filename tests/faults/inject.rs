//! Injects faults, and repairs them.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use lapin::{
    Connection, ConnectionProperties,
    options::{QueueDeleteOptions, QueuePurgeOptions},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Mutex,
    task::JoinSet,
    time::{sleep, sleep_until, timeout},
};

use crate::{
    audit,
    environment::{script, service, services},
    fleet::FaultFleet,
    schedule::{NodeFault, PlannedFault, ProcessIndex, ServerKind},
};

/// Longest wait for a connection: a broker that was just started takes a while.
const ASK_WITHIN: Duration = Duration::from_secs(30);

/// Locks of the servers: one fault at a time for each.
#[derive(Default)]
struct Servers {
    postgres: Mutex<()>,
    rabbitmq: Mutex<()>,
    redis: Mutex<()>,
}

/// Injects a schedule of faults. When it returns, the last fault is over and every server is up
/// again; recovering is Spool's work.
pub async fn inject(fleet: &Arc<FaultFleet>, schedule: &[(Duration, PlannedFault)]) {
    let began = tokio::time::Instant::now();
    let servers = Arc::new(Servers::default());
    let mut under_way = JoinSet::new();
    for (at, fault) in schedule {
        sleep_until(began + *at).await;
        let (fleet, servers, fault, at) = (fleet.clone(), servers.clone(), *fault, *at);
        under_way.spawn(async move {
            let started = Instant::now();
            servers.suffer(&fleet, fault).await;
            eprintln!(
                "  {:>5.1} s  {fault:?}, over after {:.1} s",
                at.as_secs_f32(),
                started.elapsed().as_secs_f32()
            );
        });
    }
    while let Some(ended) = under_way.join_next().await {
        ended.expect("the fault can be inflicted and mended");
    }
}

impl Servers {
    async fn suffer(&self, fleet: &FaultFleet, fault: PlannedFault) {
        match fault {
            PlannedFault::Kill(index, away) => fleet.member(index).kill(away).await,
            PlannedFault::Freeze(index, time) => {
                let member = fleet.member(index);
                member.signal("STOP").await;
                sleep(time).await;
                member.signal("CONT").await;
            }
            PlannedFault::Drain(index) => {
                let member = fleet.member(index);
                member.drain().await;
                member.revive().await;
            }
            PlannedFault::Cut(index, part) => {
                fleet.proxies(index, part).iter().for_each(|proxy| proxy.cut())
            }
            PlannedFault::HalfOpen(index, part) => {
                fleet.proxies(index, part).iter().for_each(|proxy| proxy.freeze())
            }
            PlannedFault::Unreachable(index, part, time) => {
                fleet.proxies(index, part).iter().for_each(|proxy| proxy.refuse(true));
                fleet.proxies(index, part).iter().for_each(|proxy| proxy.cut());
                sleep(time).await;
                fleet.proxies(index, part).iter().for_each(|proxy| proxy.refuse(false));
            }
            PlannedFault::Restart(part) => {
                let _alone = self.of(part).lock().await;
                services(restart(part)).await;
            }
            PlannedFault::Crash(part, away) => {
                let _alone = self.of(part).lock().await;
                services(kill(part)).await;
                sleep(away).await;
                services(start(part)).await;
            }
            PlannedFault::Silence(time) => {
                let _alone = self.rabbitmq.lock().await;
                services(&["freeze", "rabbitmq"]).await;
                sleep(time).await;
                services(&["thaw", "rabbitmq"]).await;
            }
            PlannedFault::Leader(blow, time) => {
                let _alone = self.rabbitmq.lock().await;
                hit_leader(&fleet.namespace, blow, time).await;
            }
            PlannedFault::Purge => {
                let _alone = self.rabbitmq.lock().await;
                on_queues(&fleet.namespace, false).await;
            }
            PlannedFault::DeleteQueues => {
                let _alone = self.rabbitmq.lock().await;
                on_queues(&fleet.namespace, true).await;
            }
            PlannedFault::TerminateBackends => {
                let _alone = self.postgres.lock().await;
                let all = "SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity
                           WHERE datname = current_database() AND pid <> pg_backend_pid()";
                audit::query::<(String,)>(&fleet.database.url, all)
                    .await
                    .expect("PostgreSQL is up between its faults");
            }
            PlannedFault::Flush => {
                let _alone = self.redis.lock().await;
                flush().await;
            }
        }
    }

    fn of(&self, part: ServerKind) -> &Mutex<()> {
        match part {
            ServerKind::Postgres => &self.postgres,
            ServerKind::RabbitMq => &self.rabbitmq,
            ServerKind::Redis => &self.redis,
        }
    }
}

impl FaultFleet {
    fn proxies(&self, index: ProcessIndex, part: ServerKind) -> &[crate::proxy::Proxy] {
        &self.member(index).proxies[&part]
    }
}

fn restart(part: ServerKind) -> &'static [&'static str] {
    match part {
        ServerKind::Postgres => &["restart", "postgres"],
        ServerKind::RabbitMq => &["restart", "rabbitmq"],
        ServerKind::Redis => &["restart", "redis"],
    }
}

fn kill(part: ServerKind) -> &'static [&'static str] {
    match part {
        ServerKind::Postgres => &["kill", "postgres"],
        ServerKind::RabbitMq => &["kill", "rabbitmq"],
        ServerKind::Redis => &["kill", "redis"],
    }
}

fn start(part: ServerKind) -> &'static [&'static str] {
    match part {
        ServerKind::Postgres => &["start", "postgres"],
        ServerKind::RabbitMq => &["start", "rabbitmq"],
        ServerKind::Redis => &["start", "redis"],
    }
}

/// Injects a fault of the RabbitMQ node that leads the busiest queue. All three nodes are one
/// cluster again when this returns.
async fn hit_leader(namespace: &str, blow: NodeFault, time: Duration) {
    let queue = format!("{namespace}.light");
    let node = script("cluster", vec!["leader".to_owned(), queue]).await.trim().to_owned();
    let cluster =
        async |command: &str| script("cluster", vec![command.to_owned(), node.clone()]).await;
    let (strike, mend) = match blow {
        NodeFault::Kill => ("kill", "start"),
        NodeFault::Freeze => ("freeze", "thaw"),
        NodeFault::CutOff => ("cut", "heal"),
    };
    cluster(strike).await;
    sleep(time).await;
    cluster(mend).await;
    script("cluster", vec!["up".to_owned()]).await;
}

/// Purges or deletes all queues. A missing one, which was deleted and not yet declared again, is
/// skipped.
pub async fn on_queues(namespace: &str, delete: bool) {
    // Any node of a cluster will do: all are up between faults.
    let url = service("SPOOL_AMQP_URL");
    let (nodes, path) = url.rsplit_once('/').expect("an AMQP URL");
    let url = format!("{}/{path}", nodes.split(',').next().expect("a node"));
    let work = async {
        for queue in ["render", "generate", "light"] {
            // A connection for each: a queue of which a kill left only the record ends the
            // connection that uses it.
            let connection = Connection::connect(&url, ConnectionProperties::default()).await?;
            let channel = connection.create_channel().await?;
            let queue = format!("{namespace}.{queue}");
            let _ = match delete {
                true => channel
                    .queue_delete(queue.into(), QueueDeleteOptions::default())
                    .await
                    .map(drop),
                false => {
                    channel.queue_purge(queue.into(), QueuePurgeOptions::default()).await.map(drop)
                }
            };
            // Fails if the channel or the connection was closed by an error.
            let _ = connection.close(200, "done".into()).await;
        }
        lapin::Result::Ok(())
    };
    timeout(ASK_WITHIN, work)
        .await
        .expect("RabbitMQ answers")
        .expect("RabbitMQ is up between its faults");
}

/// Deletes everything in Redis, which the run has to itself.
async fn flush() {
    let url = service("SPOOL_REDIS_URL");
    let address =
        url.split("//").nth(1).and_then(|rest| rest.split('/').next()).expect("a Redis URL");
    let work = async {
        loop {
            let mut stream = TcpStream::connect(address).await?;
            stream.write_all(b"FLUSHALL\r\n").await?;
            let mut answer = [0; 3];
            stream.read_exact(&mut answer).await?;
            if &answer == b"+OK" {
                return std::io::Result::Ok(());
            }
            // A Redis that was just started answers -LOADING for a moment.
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(ASK_WITHIN, work)
        .await
        .expect("Redis answers")
        .expect("Redis is up between its faults");
}
