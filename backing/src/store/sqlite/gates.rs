//! What limits leave and what is paused, as one dispatch sees it.
//!
//! Counted over rows that are `queued` or `running`, within the write that queues more: so no counter can strand, and with one writer
//! nobody else takes what was counted as free.

use std::collections::{BTreeMap, BTreeSet};

use common::{
    port::PortResult,
    queue::Queue,
    store::{EACH_TENANT, Limit, LimitScope},
};
use sqlx::SqliteConnection;

use super::{controls, fault::port, write::Write};

/// The place of a limit among the [`Gates`] of a dispatch.
pub type Gate = usize;

/// The limits and pauses that a dispatch goes by.
#[derive(Debug, Default)]
pub struct Gates {
    limits: Vec<Limit>,
    taken: Taken,
    /// What each limit leaves.
    left: Vec<i64>,
    places: BTreeMap<(&'static str, Vec<u8>), Gate>,
    paused_tenants: BTreeSet<String>,
    closed: bool,
}

/// Tasks queued or running, by tenant and kind.
#[derive(Debug, Default)]
pub struct Taken(Vec<(String, String, i64)>);

impl Taken {
    /// What a limit counts, for this tenant.
    pub fn under(&self, limit: &Limit, tenant: &str) -> i64 {
        let counts = |of: &str, kind: &String| match limit.scope {
            LimitScope::Tenant => of == tenant,
            LimitScope::Kind | LimitScope::Provider => limit.kinds.contains(kind),
        };
        self.0.iter().filter(|(of, kind, _)| counts(of, kind)).map(|(_, _, tasks)| tasks).sum()
    }
}

/// Reads what is taken of all queues.
pub async fn taken(sql: &mut SqliteConnection) -> PortResult<Taken> {
    let rows = sqlx::query_as(
        "SELECT tenant, kind, count(*) FROM (
             SELECT tenant, kind FROM tasks WHERE queue IN ('render', 'generate', 'light') AND state = 'queued'
             UNION ALL SELECT tenant, kind FROM tasks WHERE queue IN ('render', 'generate', 'light') AND state = 'running')
         GROUP BY tenant, kind",
    )
    .fetch_all(sql)
    .await
    .map_err(port)?;
    Ok(Taken(rows))
}

/// The limits that a task of this tenant and kind is under.
pub fn limits_of<'a>(
    limits: &'a [Limit],
    tenant: &str,
    kind: &str,
) -> impl Iterator<Item = &'a Limit> {
    let tenant_has_its_own =
        limits.iter().any(|limit| limit.scope == LimitScope::Tenant && limit.name == tenant);
    let (tenant, kind) = (tenant.to_owned(), kind.to_owned());
    limits.iter().filter(move |limit| match limit.scope {
        LimitScope::Tenant => {
            limit.name == tenant || (limit.name == EACH_TENANT && !tenant_has_its_own)
        }
        LimitScope::Kind | LimitScope::Provider => limit.kinds.contains(&kind),
    })
}

impl Gates {
    /// Whether the whole queue is paused.
    pub fn all_closed(&self) -> bool {
        self.closed
    }

    /// Whether nothing of this tenant is to be queued.
    pub fn is_paused(&self, tenant: &str) -> bool {
        self.paused_tenants.contains(tenant)
    }

    /// The limits that a line is under.
    pub fn of(&mut self, tenant: &str, kind: &str) -> Vec<Gate> {
        let over: Vec<(&'static str, Vec<u8>, i64)> = limits_of(&self.limits, tenant, kind)
            .map(|limit| {
                // The default of tenants leaves each of them something of its own.
                let name = if limit.scope == LimitScope::Tenant { tenant } else { &limit.name };
                let left = i64::from(limit.most) - self.taken.under(limit, tenant);
                (limit.scope.as_str(), name.as_bytes().to_vec(), left)
            })
            .collect();
        over.into_iter().map(|(scope, name, left)| self.gate(scope, name, left)).collect()
    }

    /// The limit of a batch that leaves this much.
    pub fn of_batch(&mut self, batch: &[u8], left: i64) -> Gate {
        self.gate("batch", batch.to_vec(), left)
    }

    fn gate(&mut self, scope: &'static str, name: Vec<u8>, left: i64) -> Gate {
        *self.places.entry((scope, name)).or_insert_with(|| {
            self.left.push(left);
            self.left.len() - 1
        })
    }

    /// How many tasks these let through.
    pub fn room(&self, gates: &[Gate]) -> i64 {
        gates.iter().map(|gate| self.left[*gate]).min().unwrap_or(i64::MAX)
    }

    /// One task went through these.
    pub fn pass(&mut self, gates: &[Gate]) {
        gates.iter().for_each(|gate| self.left[*gate] -= 1);
    }
}

impl Write<'_> {
    /// Reads what a dispatch of this queue goes by.
    pub async fn gates(&mut self, queue: Queue) -> PortResult<Gates> {
        let pauses = controls::pauses(self.sql()).await?;
        let limits = controls::limits(self.sql()).await?;
        let taken = if limits.is_empty() { Taken::default() } else { taken(self.sql()).await? };
        let closed = pauses.iter().any(|pause| pause.scope_and_name() == ("queue", queue.as_str()));
        let tenants = pauses
            .iter()
            .map(|pause| pause.scope_and_name())
            .filter(|(scope, _)| *scope == "tenant");
        let paused_tenants = tenants.map(|(_, name)| name.to_owned()).collect();
        Ok(Gates { limits, taken, paused_tenants, closed, ..Gates::default() })
    }

    /// `queued` → `ready` for what is paused.
    pub async fn hold_back(&mut self, queue: Queue) -> PortResult<()> {
        sqlx::query(
            "UPDATE tasks SET state = 'ready', queued_at = NULL
             WHERE queue = ?1 AND state = 'queued' AND EXISTS (
                 SELECT 1 FROM pauses WHERE (scope = 'queue' AND name = ?1) OR (scope = 'tenant' AND name = tasks.tenant))",
        )
        .bind(queue.as_str())
        .execute(self.sql())
        .await
        .map_err(port)?;
        Ok(())
    }
}
