//! The conformance suite of brokers, and cases of RabbitMQ alone.

pub mod adapters;
mod control;
mod delivery;
mod faulty_double;
pub mod fixture;
mod rabbitmq_faults;
mod rates;

/// Makes a test for each adapter of each behaviour.
macro_rules! each_broker {
    ($($behaviour:ident),+ $(,)?) => {
        $crate::broker::each_broker!(@ local; $($behaviour),+);
        $crate::broker::each_broker!(@ rabbitmq_quorum; $($behaviour),+);
        $crate::broker::each_broker!(@ rabbitmq_classic; $($behaviour),+);
    };
    (@ $adapter:ident; $($behaviour:ident),+) => {
        mod $adapter {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $behaviour() {
                let fixture = crate::broker::adapters::$adapter().await;
                super::$behaviour(&fixture.fixture()).await;
                fixture.clear().await;
            })+
        }
    };
}
pub(crate) use each_broker;
