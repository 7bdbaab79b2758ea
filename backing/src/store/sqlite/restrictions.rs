//! The limits and pauses that are set, and the tasks that limits count.

use common::{
    id::TenantId,
    port::PortResult,
    rules::{gates::InFlight, waiting_for::Restrictions},
    store::{Limit, LimitScope, Pausable},
};
use sqlx::SqliteConnection;

use super::{column, errors::unreadable};

/// All limits and pauses, with what they count.
pub async fn all(sql: &mut SqliteConnection) -> PortResult<Restrictions> {
    let (limits, pauses) = (limits(sql).await?, pauses(sql).await?);
    let in_flight = if limits.is_empty() { InFlight::default() } else { in_flight(sql).await? };
    Ok(Restrictions { limits, pauses, in_flight })
}

/// All limits.
pub async fn limits(sql: &mut SqliteConnection) -> PortResult<Vec<Limit>> {
    let rows: Vec<(String, String, i64, String)> =
        rows!(sql, "SELECT scope, name, most, kinds FROM limits ORDER BY scope, name")?;
    let limit = |(scope, name, most, kinds): (String, String, i64, String)| {
        Ok(Limit {
            scope: LimitScope::parse(&scope).ok_or_else(|| unreadable("limits.scope", &scope))?,
            name,
            most: column::number("limits.most", most)?,
            kinds: column::json("limits.kinds", &kinds)?,
        })
    };
    rows.into_iter().map(limit).collect()
}

/// All pauses, queues first.
pub async fn pauses(sql: &mut SqliteConnection) -> PortResult<Vec<Pausable>> {
    let rows: Vec<(String, String)> =
        rows!(sql, "SELECT scope, name FROM pauses ORDER BY scope, name")?;
    let pausable = |(scope, name): (String, String)| match scope.as_str() {
        "queue" => column::queue(&name).map(Pausable::Queue),
        _ => Ok(Pausable::Tenant(TenantId(name))),
    };
    rows.into_iter().map(pausable).collect()
}

/// The tasks of all queues that are queued or running.
pub async fn in_flight(sql: &mut SqliteConnection) -> PortResult<InFlight> {
    let rows = rows!(
        sql,
        "SELECT tenant, kind, count(*) FROM (
             SELECT tenant, kind FROM tasks
                 WHERE queue IN ('render', 'generate', 'light') AND state = 'queued'
             UNION ALL SELECT tenant, kind FROM tasks
                 WHERE queue IN ('render', 'generate', 'light') AND state = 'running')
         GROUP BY tenant, kind"
    )?;
    Ok(InFlight(rows))
}
