//! Deletes queues whose record survived and whose content did not.
//!
//! A RabbitMQ that is killed right after a quorum queue was declared may come back with the queue's
//! record and without the queue (seen with 3.10; `rabbitmqctl list_queues` calls it `down`). A
//! passive declaration succeeds, publishing is nacked, and consuming fails with an internal error,
//! for ever. Only deleting the queue and declaring it again helps. Nothing is lost, as the queue
//! holds hints only; without this, it would stand still until an operator came.

use common::{port::PortError, queue::Queue};
use lapin::options::QueueDeleteOptions;

use super::{
    connect::Connector,
    consume::consume_tasks,
    errors::{is_internal, unavailable},
    topology::Topology,
};

/// Deletes the queues that can't be consumed. Each is tried once more right before, as another
/// process may have repaired it.
pub(super) async fn delete_broken(
    connector: &Connector,
    topology: &Topology,
) -> Result<(), PortError> {
    for queue in Queue::ALL {
        let queue = topology.names.queue(queue);
        if is_broken(connector, &queue).await? {
            tracing::error!(
                queue,
                "the broker has this queue's record and not the queue; it is deleted, \
                 to be declared again"
            );
            delete(connector, &queue).await?;
        }
    }
    Ok(())
}

/// Tries to consume a queue, on a connection of its own because a failure closes it.
async fn is_broken(connector: &Connector, queue: &str) -> Result<bool, PortError> {
    let connection = connector.connect("checks queues").await?;
    let channel = connection.create_channel().await.map_err(unavailable)?;
    match consume_tasks(&channel, queue, 1).await {
        // A message delivered meanwhile goes back when the connection closes.
        Ok(_) => {
            connection.close(200, "checked".into()).await.map_err(unavailable)?;
            Ok(false)
        }
        Err(error) => Ok(is_internal(&error)),
    }
}

async fn delete(connector: &Connector, queue: &str) -> Result<(), PortError> {
    let connection = connector.connect("deletes queues").await?;
    let channel = connection.create_channel().await.map_err(unavailable)?;
    channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await.map_err(unavailable)?;
    connection.close(200, "deleted".into()).await.map_err(unavailable)
}
