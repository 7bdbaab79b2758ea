//! The brokers under test. No other module of the suite knows an adapter.

use std::{sync::Arc, time::Duration};

use backing::broker::{
    local::LocalBroker,
    rabbitmq::{QueueType, RabbitMqBroker, RabbitMqConfig},
};
use common::{id::TaskId, port::broker::Broker, queue::Queue};
use lapin::{
    Channel, Connection, ConnectionProperties,
    options::{ExchangeDeleteOptions, QueueDeclareOptions, QueueDeleteOptions},
    types::FieldTable,
};

use super::fixture::{BOUND, BrokerFixture};

/// A broker, with the names on the server that must be cleared afterwards.
pub struct BrokerUnderTest {
    broker: Arc<dyn Broker>,
    rabbit: Option<RabbitNamespace>,
}

impl BrokerUnderTest {
    pub fn fixture(&self) -> BrokerFixture {
        BrokerFixture { broker: Arc::clone(&self.broker) }
    }

    pub async fn clear(self) {
        if let Some(rabbit) = self.rabbit {
            rabbit.clear().await;
        }
    }
}

pub async fn local() -> BrokerUnderTest {
    BrokerUnderTest { broker: Arc::new(LocalBroker::new()), rabbit: None }
}

pub async fn rabbitmq_quorum() -> BrokerUnderTest {
    rabbit_fixture(QueueType::Quorum)
}

pub async fn rabbitmq_classic() -> BrokerUnderTest {
    rabbit_fixture(QueueType::Classic)
}

fn rabbit_fixture(queues: QueueType) -> BrokerUnderTest {
    let rabbit = RabbitNamespace::new(queues);
    BrokerUnderTest { broker: Arc::new(rabbit.open()), rabbit: Some(rabbit) }
}

/// Names of one test on the shared server.
#[derive(Debug, Clone)]
pub struct RabbitNamespace {
    pub url: String,
    pub prefix: String,
    queues: QueueType,
}

impl RabbitNamespace {
    pub fn new(queues: QueueType) -> Self {
        let url = std::env::var("SPOOL_AMQP_URL")
            .expect("SPOOL_AMQP_URL is not set: run scripts/test, or scripts/services up");
        Self { url, prefix: format!("test-{}", TaskId::new()), queues }
    }

    pub fn config(&self) -> RabbitMqConfig {
        let name = "conformance".to_owned();
        RabbitMqConfig {
            prefix: self.prefix.clone(),
            queues: self.queues,
            name,
            ..RabbitMqConfig::new(&self.url)
        }
    }

    pub fn open(&self) -> RabbitMqBroker {
        RabbitMqBroker::open(&self.config()).expect("the URL is good")
    }

    /// Opens the same broker at another port, such as a proxy's.
    pub fn open_at(&self, port: u16) -> RabbitMqBroker {
        let mut url = url::Url::parse(&self.url).expect("a URL");
        url.set_port(Some(port)).expect("it has a host");
        RabbitMqBroker::open(&RabbitMqConfig { url: url.into(), ..self.config() })
            .expect("the URL is good")
    }

    pub fn queue(&self, queue: Queue) -> String {
        format!("{}.{queue}", self.prefix)
    }

    /// Opens a connection of the test's own, for what an operator may do to the broker.
    pub async fn operator(&self) -> (Connection, Channel) {
        let connection = Connection::connect(&self.url, ConnectionProperties::default())
            .await
            .expect("RabbitMQ is up");
        let channel = connection.create_channel().await.expect("a channel");
        (connection, channel)
    }

    pub async fn delete_queue(&self, queue: Queue) {
        let (_connection, channel) = self.operator().await;
        channel
            .queue_delete(self.queue(queue).into(), QueueDeleteOptions::default())
            .await
            .expect("deletes");
    }

    /// Waits until this many messages wait in a queue, and returns their number.
    pub async fn until_ready(&self, queue: &str, count: u32) {
        let (_connection, channel) = self.operator().await;
        let looking = async {
            let passive = QueueDeclareOptions::durable().passive();
            while channel
                .queue_declare(queue.into(), passive, FieldTable::default())
                .await
                .expect("there")
                .message_count()
                != count
            {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(BOUND, looking)
            .await
            .unwrap_or_else(|_| panic!("{queue} never held {count}"));
    }

    pub async fn clear(&self) {
        let (_connection, channel) = self.operator().await;
        let queues = Queue::ALL
            .map(|queue| self.queue(queue))
            .into_iter()
            .chain([format!("{}.dead", self.prefix)]);
        for queue in queues {
            channel
                .queue_delete(queue.into(), QueueDeleteOptions::default())
                .await
                .expect("deletes");
        }
        for exchange in ["tasks", "control", "dead"] {
            let name = format!("{}.{exchange}", self.prefix);
            channel
                .exchange_delete(name.into(), ExchangeDeleteOptions::default())
                .await
                .expect("deletes");
        }
    }
}
