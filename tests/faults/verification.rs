//! The verification after a run, by the store and by the API.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures::{StreamExt, stream};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::{
    audit,
    load::{AcceptedCall, Clients, Expect},
};

/// Waits until no job is open. Returns how long that took, or the jobs that are still open.
pub async fn all_settled(database: &str, within: Duration) -> Result<Duration, String> {
    let began = Instant::now();
    loop {
        let open = audit::count(database, "spool.jobs WHERE finished_at IS NULL").await;
        if open == 0 {
            return Ok(began.elapsed());
        }
        if began.elapsed() > within {
            let tasks: Vec<(String,)> =
                audit::query(database, OPEN).await.map_err(|error| error.to_string())?;
            let tasks: Vec<String> = tasks.into_iter().map(|(task,)| task).collect();
            return Err(format!(
                "{open} jobs have not settled after {within:?}:\n{}",
                tasks.join("\n")
            ));
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// Describes open tasks.
const OPEN: &str = "SELECT format(
        '  task %s of %s is %s in phase %s, fence %s, losses %s, needs %s, queued %s ms ago, '
            'lease until %s ms',
        t.id, t.kind, t.state, t.phase, t.fence, t.losses, t.needs_left,
        spool.now_ms() - t.queued_at, t.lease_until - spool.now_ms())
    FROM spool.tasks t ORDER BY t.created_at LIMIT 30";

/// All errors found.
pub async fn verify(database: &str, clients: &Clients, accepted: &[AcceptedCall]) -> Vec<String> {
    let mut faults = audit::faults(database).await;
    let found: Vec<Findings> = stream::iter(accepted)
        .map(|accepted| look_at(clients, accepted))
        .buffer_unordered(16)
        .collect()
        .await;
    let mut ids = BTreeSet::new();
    let mut alike: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for finding in found.iter().flatten() {
        ids.insert(finding.id.clone());
        faults.extend(finding.fault.clone());
        if let Some((name, result)) = &finding.alike {
            alike.entry(name).or_default().insert(result.clone());
        }
    }
    let different = alike.iter().filter(|(_, results)| results.len() > 1);
    faults
        .extend(different.map(|(name, results)| {
            format!("`{name}` came to {} different results", results.len())
        }));
    faults.extend(compare_ids(database, &ids).await);
    faults
}

/// Compares accepted ids with stored ids: no job may be lost, and none made that no client was told
/// of.
async fn compare_ids(database: &str, accepted: &BTreeSet<String>) -> Vec<String> {
    let stored: Vec<(String,)> =
        audit::query(database, "SELECT id::text FROM spool.jobs").await.expect("ids");
    let stored: BTreeSet<String> = stored.into_iter().map(|(id,)| id).collect();
    let lost = accepted
        .difference(&stored)
        .map(|id| format!("job {id} was accepted and is not in the store"));
    let extra = stored
        .difference(accepted)
        .map(|id| format!("job {id} is in the store and was reported to no client"));
    lost.chain(extra).take(20).collect()
}

/// The state of one job.
struct Finding {
    id: String,
    fault: Option<String>,
    alike: Option<(String, String)>,
}

type Findings = Vec<Finding>;

async fn look_at(clients: &Clients, accepted: &AcceptedCall) -> Findings {
    match accepted.order.to {
        "jobs" => {
            let job = clients.get(&format!("/v1/jobs/{}", accepted.id)).await;
            let status = job["status"].as_str().unwrap_or_default();
            clients.record_status(&accepted.id, status);
            vec![compare(&accepted.id, status, &job["result"], &accepted.order.expect[0])]
        }
        _ => look_at_batch(clients, accepted).await,
    }
}

async fn look_at_batch(clients: &Clients, accepted: &AcceptedCall) -> Findings {
    let (id, expect) = (&accepted.id, &accepted.order.expect);
    let batch = clients.get(&format!("/v1/batches/{id}")).await;
    let (mut items, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = clients.get(&format!("/v1/batches/{id}/results?limit=100{cursor}")).await;
        items.extend(page["results"].as_array().expect("results").iter().cloned());
        let Some(next) = page["nextCursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    let with = |status: &str| items.iter().filter(|item| item["status"] == status).count();
    let counted = |name: &str| batch["counts"][name].as_u64().unwrap_or_default() as usize;
    let whole = (expect.len(), with("fulfilled"), with("rejected"), 0);
    let counts = (counted("total"), counted("fulfilled"), counted("rejected"), counted("pending"));
    let mut findings: Findings = items
        .iter()
        .zip(expect)
        .map(|(item, expect)| {
            let status = if item["status"] == "fulfilled" { "succeeded" } else { "failed" };
            compare(item["jobId"].as_str().unwrap_or_default(), status, &item["value"], expect)
        })
        .collect();
    if counts != whole || items.len() != expect.len() {
        let fault =
            format!("batch {id} counts {counts:?}, and its {} items are {whole:?}", items.len());
        if let Some(first) = findings.first_mut() {
            first.fault = Some(fault);
        }
    }
    findings
}

fn compare(id: &str, status: &str, result: &Value, expect: &Expect) -> Finding {
    let mut alike = None;
    let good = match expect {
        Expect::Result(value) => status == "succeeded" && result == value,
        Expect::Alike(name) => {
            alike = Some((name.clone(), result.to_string()));
            status == "succeeded"
        }
        Expect::Success => status == "succeeded",
        Expect::Failure => status == "failed",
        Expect::End => matches!(status, "succeeded" | "failed" | "cancelled"),
    };
    let fault =
        (!good).then(|| format!("job {id} is {status} with {result}, where {expect:?} was due"));
    Finding { id: id.to_owned(), fault, alike }
}
