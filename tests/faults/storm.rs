//! The storm: work for a window of time, faults in the order of a seed, and the verification.
//!
//! `FAULTS_SEED` repeats a schedule, `FAULTS_MINUTES` and `FAULTS_JOBS` make it longer,
//! `FAULTS_CLUSTER` says that RabbitMQ is the three nodes of `scripts/cluster`; `scripts/faults`
//! sets them. A seed decides what is posted, and what is broken when. How the machine runs it
//! differs each time.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use crate::{
    audit,
    environment::RestoredServers,
    fleet::FaultFleet,
    inject::inject,
    load::{Clients, orders},
    schedule::{FleetShape, PlannedFault, schedule},
    verification::{all_settled, verify},
};

/// The default seed. It is the same in every run of the suite, so that a difference comes from a
/// change; `scripts/faults` draws another for each run.
const SEED: u64 = 1;
/// Longest time for the remaining work after the last fault is over.
const SETTLED_WITHIN: Duration = Duration::from_secs(60);
/// Time between the last call and the end of the faults, so that the last jobs meet faults too.
const LAST_CALL: Duration = Duration::from_secs(5);

/// Jobs of the first minute, and of each minute after it. A server is away for half of the time,
/// and a small busy machine runs no more than that meanwhile: a run is to find lost jobs, not the
/// speed of the machine.
const JOBS_FIRST: u64 = 5_100;
const JOBS_LATER: u64 = 2_000;

struct StormSettings {
    seed: u64,
    jobs: usize,
    window: Duration,
    shape: FleetShape,
}

impl StormSettings {
    fn read() -> Self {
        let number = |name: &str| -> Option<u64> {
            let text = std::env::var(name).ok()?;
            Some(text.parse().unwrap_or_else(|_| panic!("{name}=`{text}` is not a whole number")))
        };
        let window = Duration::from_secs(number("FAULTS_MINUTES").unwrap_or(1) * 60);
        let later = window.as_secs().saturating_sub(60);
        let jobs = number("FAULTS_JOBS").unwrap_or(JOBS_FIRST + later * JOBS_LATER / 60);
        let cluster = std::env::var("FAULTS_CLUSTER").is_ok_and(|is| !is.is_empty());
        let shape = FleetShape { producers: 2, workers: 3, cluster };
        Self { seed: number("FAULTS_SEED").unwrap_or(SEED), jobs: jobs as usize, window, shape }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accepted_work_settles_once_whatever_dies() {
    let settings = StormSettings::read();
    let seed = settings.seed;
    eprintln!("seed {seed}: replay it with FAULTS_SEED={seed}, or scripts/faults --seed {seed}");
    let _mended = RestoredServers;
    let fleet = Arc::new(FaultFleet::start(&format!("seed-{seed}"), settings.shape).await);
    let clients = Clients::of(&fleet.addresses);
    let faults = schedule(seed, settings.shape, settings.window);
    let orders = orders(seed, settings.jobs, settings.window.saturating_sub(LAST_CALL));
    eprintln!("{} calls, {} faults in {:?}", orders.len(), faults.len(), settings.window);

    let (accepted, last_fault) = tokio::join!(clients.post_all(orders), async {
        inject(&fleet, &faults).await;
        tokio::time::Instant::now()
    });
    let settled = all_settled(&fleet.database.url, SETTLED_WITHIN).await;
    let after = last_fault.elapsed();
    let mut wrong: Vec<String> = settled.err().into_iter().collect();
    if wrong.is_empty() {
        wrong = verify(&fleet.database.url, &clients, &accepted).await;
    }
    let url = &fleet.database.url;
    let jobs: usize = accepted.iter().map(|accepted| accepted.order.expect.len()).sum();
    let figures = [
        ("seed", seed.to_string()),
        ("calls accepted", accepted.len().to_string()),
        ("jobs accepted", jobs.to_string()),
        (
            "jobs settled",
            audit::count(url, "spool.jobs WHERE finished_at IS NOT NULL").await.to_string(),
        ),
        ("tasks settled", audit::count(url, "audit.settles").await.to_string()),
        ("attempts begun", audit::count(url, "audit.claims").await.to_string()),
        ("losses counted", audit::count(url, "audit.losses").await.to_string()),
        (
            "calls repeated after an unclear answer",
            clients.counts.repeated.load(Relaxed).to_string(),
        ),
        ("calls answered as before", clients.counts.replayed.load(Relaxed).to_string()),
        ("processes started", fleet.lives().await.to_string()),
        ("seconds from the last fault to the last settle", format!("{:.1}", after.as_secs_f32())),
    ];
    let fleet = Arc::into_inner(fleet).expect("no fault is under way any more");
    let (complaints, database, folder) = fleet.end().await;
    wrong.extend(complaints);
    if after > SETTLED_WITHIN {
        wrong.push(format!(
            "the last job settled {after:?} after the last fault: {SETTLED_WITHIN:?} are allowed"
        ));
    }
    summary(&figures, &faults);
    assert!(
        wrong.is_empty(),
        "seed {seed}:\n{}\n(logs in {})",
        wrong.join("\n"),
        folder.path().display()
    );
    database.drop().await;
}

fn summary(figures: &[(&str, String)], faults: &[(Duration, PlannedFault)]) {
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for (_, fault) in faults {
        *kinds.entry(fault.name()).or_default() += 1;
    }
    eprintln!("\n  {:<50} faults", "");
    kinds.iter().for_each(|(name, count)| eprintln!("  {name:<50} {count}"));
    eprintln!();
    figures.iter().for_each(|(name, figure)| eprintln!("  {name:<50} {figure}"));
    // One line of JSON, for programs that add runs up.
    eprintln!("faults: {}", serde_json::json!(figures.iter().cloned().collect::<BTreeMap<_, _>>()));
}
