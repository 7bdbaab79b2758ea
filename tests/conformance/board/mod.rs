//! The Board's suite, and what only Redis can get wrong.

mod changes;
pub mod faults;
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

/// The same for behaviours that keep the board.
macro_rules! each_board_alone {
    ($($behaviour:ident),+ $(,)?) => {
        $crate::board::each_board_alone!(@ local; $($behaviour),+);
        $crate::board::each_board_alone!(@ redis; $($behaviour),+);
    };
    (@ $place:ident; $($behaviour:ident),+) => {
        mod $place {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $behaviour() {
                super::$behaviour(crate::board::places::$place().await).await;
            })+
        }
    };
}
pub(crate) use each_board_alone;
