//! Messages as bytes, both ways.

use common::{
    limits::MAX_TASK_MESSAGE_BYTES,
    port::broker::{Control, TaskMessage},
};
use lapin::BasicProperties;

/// The reason why a message can't be read.
pub(super) struct Undecodable(pub String);

/// Writes a task message. Plain data always has a JSON form; if it ever had none, the reader would
/// count an undecodable message.
pub(super) fn encode_task(message: &TaskMessage) -> Vec<u8> {
    serde_json::to_vec(message).unwrap_or_default()
}

/// Reads a task message of this version or a later one.
pub(super) fn decode_task(bytes: &[u8]) -> Result<TaskMessage, Undecodable> {
    if bytes.len() > MAX_TASK_MESSAGE_BYTES {
        return Err(Undecodable(format!(
            "{} bytes, where a task message has at most {MAX_TASK_MESSAGE_BYTES}",
            bytes.len()
        )));
    }
    serde_json::from_slice(bytes).map_err(|error| Undecodable(error.to_string()))
}

/// Writes a control message.
pub(super) fn encode_control(message: &Control) -> Vec<u8> {
    serde_json::to_vec(message).unwrap_or_default()
}

/// Reads a control message.
pub(super) fn decode_control(bytes: &[u8]) -> Result<Control, Undecodable> {
    serde_json::from_slice(bytes).map_err(|error| Undecodable(error.to_string()))
}

/// Properties of a task message. It is kept on disk, so that a broker's restart need not publish
/// every task again.
pub(super) fn task_properties() -> BasicProperties {
    BasicProperties::default().with_delivery_mode(2).with_content_type("application/json".into())
}

/// Properties of a control message, which is worth nothing after a restart.
pub(super) fn control_properties() -> BasicProperties {
    BasicProperties::default().with_delivery_mode(1).with_content_type("application/json".into())
}
