//! The conformance suite of view caches, and cases of Redis alone.

pub mod adapters;
mod changes;
pub mod fixture;
mod rates;
pub mod redis_faults;
mod values;
mod views;

/// Makes a test for each adapter of each behaviour.
macro_rules! each_view_cache {
    ($($behaviour:ident),+ $(,)?) => {
        $crate::view_cache::each_view_cache!(@ local; $($behaviour),+);
        $crate::view_cache::each_view_cache!(@ redis; $($behaviour),+);
    };
    (@ $adapter:ident; $($behaviour:ident),+) => {
        mod $adapter {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $behaviour() {
                super::$behaviour(crate::view_cache::adapters::$adapter().await.as_ref()).await;
            })+
        }
    };
}
pub(crate) use each_view_cache;

/// The same for behaviours that need a view cache to themselves.
macro_rules! each_view_cache_exclusively {
    ($($behaviour:ident),+ $(,)?) => {
        $crate::view_cache::each_view_cache_exclusively!(@ local; $($behaviour),+);
        $crate::view_cache::each_view_cache_exclusively!(@ redis; $($behaviour),+);
    };
    (@ $adapter:ident; $($behaviour:ident),+) => {
        mod $adapter {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $behaviour() {
                super::$behaviour(crate::view_cache::adapters::$adapter().await).await;
            })+
        }
    };
}
pub(crate) use each_view_cache_exclusively;
