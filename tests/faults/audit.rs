//! An audit inside PostgreSQL: triggers of the test record every insert, claim, loss and settlement
//! of a task, and every change that no row may make.

use sqlx::{Connection, PgConnection};

/// Queries the database on a connection of its own, without pool or proxy.
pub async fn query<T>(database: &str, sql: &str) -> Result<Vec<T>, sqlx::Error>
where
    T: for<'r> sqlx::FromRow<'r, sqlx::postgres::PgRow> + Send + Unpin,
{
    let mut connection = PgConnection::connect(database).await?;
    let rows =
        sqlx::query_as(sqlx::AssertSqlSafe(sql.to_owned())).fetch_all(&mut connection).await?;
    connection.close().await?;
    Ok(rows)
}

/// Runs statements without a result.
pub async fn execute(database: &str, sql: &str) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect(database).await?;
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(&mut connection).await?;
    connection.close().await
}

/// Installs the audit in a database that has just been migrated.
pub async fn watch(database: &str) {
    execute(database, include_str!("audit.sql")).await.expect("the audit is installed");
    let watched: Vec<(String,)> = query(
        database,
        "SELECT p.proname::text FROM pg_proc p WHERE p.pronamespace = 'spool'::regnamespace
         AND pg_get_functiondef(p.oid) LIKE '%audit.called%' ORDER BY 1",
    )
    .await
    .unwrap();
    let watched: Vec<&str> = watched.iter().map(|(name,)| name.as_str()).collect();
    for name in ["heartbeat", "release", "settle_plans", "settle_retries", "settle_solo"] {
        assert!(
            watched.contains(&name),
            "{name} does not report its caller: its arguments were renamed ({watched:?})"
        );
    }
}

/// Queries that must find nothing when everything has settled. Their one column describes an error
/// and its row.
const CHECKS: &[&str] = &[
    "SELECT format('%s: task %s', v.what, v.task) FROM audit.violations v",
    "SELECT format('task %s settled %s times', s.task, count(*)) FROM audit.settles s
     GROUP BY s.task HAVING count(*) > 1",
    "SELECT format('task %s was inserted %s times', i.task, count(*)) FROM audit.inserts i
     GROUP BY i.task HAVING count(*) > 1",
    "SELECT format('task %s was inserted and never settled', i.task) FROM audit.inserts i
     WHERE NOT EXISTS (SELECT FROM audit.settles s WHERE s.task = i.task)",
    "SELECT format('task %s was claimed twice with fence %s', c.task, c.fence)
     FROM audit.claims c GROUP BY c.task, c.fence HAVING count(*) > 1",
    "SELECT format('task %s was claimed %s times and ended with fence %s', h.id, c.n, h.fence)
     FROM spool.history h
     CROSS JOIN LATERAL (SELECT count(*) AS n FROM audit.claims c WHERE c.task = h.id) c
     WHERE h.fence <> c.n",
    "SELECT format('task %s lost %s workers and says %s', h.id, l.n, h.losses) FROM spool.history h
     JOIN (SELECT l.task, count(*) AS n FROM audit.losses l GROUP BY l.task) l ON l.task = h.id
     WHERE h.losses < l.n",
    "SELECT format('task %s is still %s', t.id, t.state) FROM spool.tasks t",
    "SELECT format('%s still waits for %s', e.task, e.need) FROM spool.edges e",
    "SELECT format('job %s is %s with %s open tasks', j.id, j.status, j.open_tasks)
     FROM spool.jobs j
     WHERE j.finished_at IS NULL OR j.open_tasks <> 0",
    "SELECT format('job %s is %s and its result task %s', j.id, j.status,
                   coalesce(h.state::text, 'is not there'))
     FROM spool.jobs j
     LEFT JOIN spool.history h ON h.id = j.result_task
     WHERE (j.status = 'succeeded') <> coalesce(h.state = 'succeeded', false)",
    "SELECT format('batch %s counts %s + %s of %s, its items are %s + %s',
                   b.id, b.fulfilled, b.rejected, b.total, j.good, j.bad + r.n)
     FROM spool.batches b
     CROSS JOIN LATERAL (SELECT count(*) FILTER (WHERE x.status = 'succeeded') AS good,
                                count(*) FILTER (WHERE x.status IN ('failed', 'cancelled')) AS bad
                         FROM spool.jobs x WHERE x.batch = b.id) j
     CROSS JOIN LATERAL (SELECT count(*) AS n FROM spool.refused_items x WHERE x.batch = b.id) r
     WHERE b.settled_at IS NULL
        OR (b.fulfilled, b.rejected, b.total)
           IS DISTINCT FROM (j.good, j.bad + r.n, j.good + j.bad + r.n)",
    "SELECT format('job %s counts %s of %s settled %s tasks, and %s are in the history',
                   k.job, k.settled, k.total, k.kind, h.n)
     FROM spool.plan_kinds k
     CROSS JOIN LATERAL (SELECT count(*) AS n FROM spool.history x
                         WHERE x.job = k.job AND x.kind = k.kind AND NOT x.superseded) h
     WHERE k.settled <> k.total OR k.settled <> h.n",
];

/// All errors of a store in which everything should have settled.
pub async fn faults(database: &str) -> Vec<String> {
    let mut faults = Vec::new();
    for check in CHECKS {
        let rows: Vec<(String,)> = query(database, check).await.expect("the audit answers");
        faults.extend(rows.into_iter().map(|(fault,)| fault).take(20));
    }
    faults
}

/// Number of rows of an audit table.
pub async fn count(database: &str, table: &str) -> i64 {
    let rows: Vec<(i64,)> =
        query(database, &format!("SELECT count(*) FROM {table}")).await.expect("the audit answers");
    rows[0].0
}
