//! Queues that are there by name and by nothing else.
//!
//! A RabbitMQ that is killed right after a quorum queue was declared may come back with the queue's record and without the queue
//! (seen with 3.10; `rabbitmqctl list_queues` calls it `down`). Looking for it succeeds, publishing to it is nacked, consuming it fails
//! inside the broker, and that for ever: all that helps is to delete it and declare it anew. Nothing is lost by that, as
//! the queue holds hints only, and somebody has to do it, or the queue stands still until an operator comes.

use common::{port::PortError, queue::Queue};
use lapin::options::QueueDeleteOptions;

use super::{
    dial::Dialer,
    session::consume_messages,
    topology::{Topology, is_internal},
    unavailable,
};

/// Deletes the queues that can't be consumed. Each is tried once more right before, as another process may have mended it.
pub(super) async fn clear(dialer: &Dialer, topology: &Topology) -> Result<(), PortError> {
    for queue in Queue::ALL {
        let queue = topology.names.queue(queue);
        if is_broken(dialer, &queue).await? {
            tracing::error!(
                queue,
                "the broker has this queue's name and not the queue; it is deleted, to be declared anew"
            );
            delete(dialer, &queue).await?;
        }
    }
    Ok(())
}

/// On a connection of its own, which the failure closes.
async fn is_broken(dialer: &Dialer, queue: &str) -> Result<bool, PortError> {
    let connection = dialer.connect("looks").await?;
    let channel = connection.create_channel().await.map_err(unavailable)?;
    match consume_messages(&channel, queue, 1).await {
        // What it was handed meanwhile goes back with the connection.
        Ok(_) => {
            connection.close(200, "looked".into()).await.map_err(unavailable)?;
            Ok(false)
        }
        Err(error) => Ok(is_internal(&error)),
    }
}

async fn delete(dialer: &Dialer, queue: &str) -> Result<(), PortError> {
    let connection = dialer.connect("mends").await?;
    let channel = connection.create_channel().await.map_err(unavailable)?;
    channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await.map_err(unavailable)?;
    connection.close(200, "mended".into()).await.map_err(unavailable)
}
