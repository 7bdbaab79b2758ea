//! The Broker's suite, and what only RabbitMQ can get wrong.

pub mod adapters;
mod control;
mod delivery;
mod faulty_double;
pub mod fixture;
mod rabbitmq_faults;
mod rates;

/// Makes of each behaviour a test per adapter.
macro_rules! each_broker {
    ($($behaviour:ident),+ $(,)?) => {
        $crate::broker::each_broker!(@ local; $($behaviour),+);
        $crate::broker::each_broker!(@ rabbitmq_quorum; $($behaviour),+);
        $crate::broker::each_broker!(@ rabbitmq_classic; $($behaviour),+);
    };
    (@ $place:ident; $($behaviour:ident),+) => {
        mod $place {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $behaviour() {
                let place = crate::broker::adapters::$place().await;
                super::$behaviour(&place.subject()).await;
                place.clear().await;
            })+
        }
    };
}
pub(crate) use each_broker;
