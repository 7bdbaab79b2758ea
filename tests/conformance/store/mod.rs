//! The Store's suite. A behaviour is one function that takes a fresh store; `each_store!` makes a test of it for every adapter.
//!
//! Nothing here knows an adapter but `places`. Time is the store's own: leases are short and sweeps are asked until one reports,
//! so no test sleeps and hopes.

mod accept;
mod attempts_and_ranks;
mod batches;
mod clients;
mod connections;
mod dags;
mod database;
mod dead;
mod deadlines;
mod dispatch;
mod fronts;
mod keys;
mod late;
mod leases;
mod limits;
mod matrix;
mod memo;
mod named;
mod old;
mod on_postgres;
mod pause;
mod places;
mod plans;
mod races;
mod schedules;
mod subject;
mod traces;
mod views;
mod work;

/// Makes of each behaviour a test per adapter.
macro_rules! each_store {
    ($($behaviour:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $behaviour() {
                super::$behaviour(crate::store::places::sqlite().await).await;
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $behaviour() {
                super::$behaviour(crate::store::places::postgres().await).await;
            })+
        }
    };
}
pub(crate) use each_store;
