//! Errors of the broker: as a port reports them, and as AMQP codes that callers tell apart.

use common::port::PortError;
use lapin::{
    ErrorKind,
    protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError},
};

/// The name of this part in a [`PortError`].
pub(super) const PART: &str = "RabbitMQ";

/// A transient error of the broker.
pub(super) fn unavailable(error: impl ToString) -> PortError {
    PortError::unavailable(PART, error)
}

/// Returns whether the broker reported that a queue or an exchange does not exist.
pub(super) fn is_not_found(error: &lapin::Error) -> bool {
    has_code(error, &AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND))
}

/// Returns whether the broker reported an internal error.
pub(super) fn is_internal(error: &lapin::Error) -> bool {
    has_code(error, &AMQPErrorKind::Hard(AMQPHardError::INTERNALERROR))
}

fn has_code(error: &lapin::Error, code: &AMQPErrorKind) -> bool {
    matches!(error.kind(), ErrorKind::ProtocolError(error) if error.kind() == code)
}
