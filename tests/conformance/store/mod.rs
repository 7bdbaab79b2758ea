//! The conformance suite of stores. A behaviour is one function that takes a fresh store;
//! `each_store!` makes a test of it for every adapter.
//!
//! Only `adapters` knows an adapter. Time is the store's own: leases are short and sweeps are
//! repeated until one reports, so no test sleeps and hopes.

mod accept;
mod adapters;
mod attempts_and_ranks;
mod batches;
mod builders;
mod cancel_and_retry;
mod connections;
mod damaged_documents;
mod database;
mod dead_work;
mod deadlines;
mod dispatch;
mod fixture;
mod keys;
mod leases;
mod limits;
mod lock_order;
mod memo;
mod pause;
mod plans;
mod postgres_only;
mod races;
mod random_plans;
mod references;
mod retention;
mod schedules;
mod sqlite_only;
mod stale_reads;
mod traces;
mod transitions;
mod unique;
mod views;

/// Makes a test for each adapter of each behaviour.
macro_rules! each_store {
    ($($behaviour:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $behaviour() {
                super::$behaviour(crate::store::adapters::sqlite().await).await;
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $behaviour() {
                super::$behaviour(crate::store::adapters::postgres().await).await;
            })+
        }
    };
}
pub(crate) use each_store;
