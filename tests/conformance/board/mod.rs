//! The Board's suite, and what only Redis can get wrong.

mod changes;
mod faults;
pub mod places;
mod rates;
pub mod subject;
mod values;
mod views;

/// Makes of each behaviour a test per adapter.
macro_rules! each_board {
    ($($behaviour:ident),+ $(,)?) => {
        $crate::board::each_board!(@ local; $($behaviour),+);
        $crate::board::each_board!(@ redis; $($behaviour),+);
    };
    (@ $place:ident; $($behaviour:ident),+) => {
        mod $place {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $behaviour() {
                super::$behaviour(crate::board::places::$place().await.as_ref()).await;
            })+
        }
    };
}
pub(crate) use each_board;
