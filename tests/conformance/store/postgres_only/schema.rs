//! The schema and its functions: migrations, and what each function must carry.

use backing::store::{
    postgres::{self, PgOptions},
    reason,
};
use common::error::JobError;
use sqlx::Executor;

use super::new_store;

#[tokio::test]
async fn errors_written_in_sql_match_the_words_of_reason() {
    let (_on, mut sql, _) = new_store().await;
    for (query, wanted) in [
        ("SELECT spool.cancelled_error()", reason::cancelled()),
        ("SELECT spool.without_result_error()", reason::without_result()),
        ("SELECT spool.need_failed_error(E'a \"b\" \\\\ c')", reason::need_failed("a \"b\" \\ c")),
    ] {
        let text: String = sqlx::query_scalar(query).fetch_one(&mut sql).await.expect("answers");
        let error: JobError = serde_json::from_str(&text).expect("an error");
        assert_eq!(error, wanted);
    }
}

#[tokio::test]
async fn migrating_again_changes_nothing_and_a_newer_schema_is_refused_in_one_sentence() {
    let (on, mut sql, url) = new_store().await;
    assert_eq!(postgres::migrate(&url).await, Ok(0));
    on.store.check().await.expect("it is up to date");
    sql.execute(
        "INSERT INTO spool.migrations (name, checksum, applied_at)
             VALUES ('schema/9999_later.sql', 'later', now()),
                    ('functions/leases/claim.sql', 'later', now())",
    )
    .await
    .expect("inserts");
    on.store.check().await.expect("an additive migration of a newer program does no harm");
    assert_eq!(postgres::migrate(&url).await, Ok(0), "the newer functions stay");
    sql.execute("UPDATE spool.schema_major SET major = 2").await.expect("updates");
    let refused = on.store.check().await.expect_err("too new").to_string();
    assert!(refused.contains("version 2") && refused.contains("run a newer spool"), "{refused}");
    let refused = postgres::migrate(&url).await.expect_err("too new").to_string();
    assert!(refused.contains("version 2"), "{refused}");
}

#[tokio::test]
async fn a_changed_function_is_applied_again_and_an_edited_schema_file_is_refused() {
    let (on, mut sql, url) = new_store().await;
    for (change, applied) in [
        (
            "UPDATE spool.migrations SET checksum = 'old'
             WHERE name = 'functions/leases/claim.sql'",
            1,
        ),
        ("DELETE FROM spool.migrations WHERE name LIKE 'functions/reads/%'", 11),
    ] {
        sql.execute(change).await.expect("changes");
        let refused = on.store.check().await.expect_err("not up to date").to_string();
        assert!(refused.contains("run `spool migrate`"), "{refused}");
        assert_eq!(postgres::migrate(&url).await, Ok(applied), "{change}");
        on.store.check().await.expect("it is up to date");
    }
    sql.execute("UPDATE spool.migrations SET checksum = 'old' WHERE name LIKE 'schema/%'")
        .await
        .expect("changes");
    let refused = postgres::migrate(&url).await.expect_err("edited").to_string();
    assert!(refused.contains("schema/0001_baseline.sql was edited"), "{refused}");
}

#[tokio::test]
async fn a_database_of_the_old_numbering_is_refused_in_one_sentence() {
    let (on, mut sql, url) = new_store().await;
    sql.execute("DROP TABLE spool.migrations").await.expect("drops");
    for refused in [postgres::migrate(&url).await.map(drop), on.store.check().await] {
        let refused = refused.expect_err("old").to_string();
        assert!(refused.contains("before the first release"), "{refused}");
    }
}

/// Functions whose plans need no settings, as they read no table that grows.
const WITHOUT_SETTINGS: &[&str] =
    &["count_ended", "enter_epoch", "record_ready", "record_ready_again", "traces_of"];

#[tokio::test]
async fn every_plpgsql_function_carries_the_planner_settings_that_it_needs() {
    let (_on, mut sql, _) = new_store().await;
    let unset = "SELECT p.proname::text FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
        WHERE p.pronamespace = 'spool'::regnamespace AND l.lanname = 'plpgsql'
            AND NOT coalesce(p.proconfig, '{}') @> ARRAY['plan_cache_mode=force_generic_plan',
                'enable_seqscan=off', 'enable_bitmapscan=off', 'enable_sort=off', 'jit=off']
        ORDER BY 1";
    let unset: Vec<String> = sqlx::query_scalar(unset).fetch_all(&mut sql).await.expect("reads");
    assert_eq!(unset, WITHOUT_SETTINGS);
}

#[tokio::test]
async fn a_database_without_a_schema_says_to_migrate() {
    let (_on, mut sql, url) = new_store().await;
    sql.execute("DROP SCHEMA spool CASCADE").await.expect("drops");
    let refused =
        postgres::connect(&url, PgOptions::default()).await.expect_err("no schema").to_string();
    assert!(refused.contains("run `spool migrate`"), "{refused}");
    assert!(postgres::migrate(&url).await.expect("migrates") > 0);
    postgres::connect(&url, PgOptions::default()).await.expect("connects");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    let refused =
        postgres::connect("postgres://nobody@127.0.0.1:1/none", PgOptions::default()).await;
    assert!(refused.expect_err("nothing listens there").is_transient());
}
