//! The ViewCache's suite, and what only Redis can get wrong.

pub mod adapters;
mod changes;
pub mod fixture;
mod rates;
pub mod redis_faults;
mod values;
mod views;

/// Makes of each behaviour a test per adapter.
macro_rules! each_view_cache {
    ($($behaviour:ident),+ $(,)?) => {
        $crate::view_cache::each_view_cache!(@ local; $($behaviour),+);
        $crate::view_cache::each_view_cache!(@ redis; $($behaviour),+);
    };
    (@ $place:ident; $($behaviour:ident),+) => {
        mod $place {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $behaviour() {
                super::$behaviour(crate::view_cache::adapters::$place().await.as_ref()).await;
            })+
        }
    };
}
pub(crate) use each_view_cache;

/// The same for behaviours that keep the view cache.
macro_rules! each_view_cache_exclusively {
    ($($behaviour:ident),+ $(,)?) => {
        $crate::view_cache::each_view_cache_exclusively!(@ local; $($behaviour),+);
        $crate::view_cache::each_view_cache_exclusively!(@ redis; $($behaviour),+);
    };
    (@ $place:ident; $($behaviour:ident),+) => {
        mod $place {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $behaviour() {
                super::$behaviour(crate::view_cache::adapters::$place().await).await;
            })+
        }
    };
}
pub(crate) use each_view_cache_exclusively;
