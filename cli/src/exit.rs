//! The result of a command: a failure has a sentence and a documented exit code.

/// The reason for which a command failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The job failed, or the command could not be carried out.
    #[error("{0}")]
    Failed(String),
    /// The configuration is wrong, or a part it names can't be used.
    #[error("{0}")]
    Configuration(String),
    /// The server can't be reached.
    #[error("{0}")]
    Unreachable(String),
    /// The server refused the request.
    #[error("{0}")]
    Refused(String),
    /// Ctrl-C was pressed.
    #[error("interrupted")]
    Interrupted,
    /// The reader of standard output closed its end. This is not reported.
    #[error("standard output is closed")]
    OutputClosed,
}

impl Failure {
    /// Returns the documented exit code. The last two are those of a process that the signal ends.
    pub fn code(&self) -> u8 {
        match self {
            Self::Failed(_) => 1,
            Self::Configuration(_) => 3,
            Self::Unreachable(_) => 4,
            Self::Refused(_) => 5,
            Self::Interrupted => 130,
            Self::OutputClosed => 141,
        }
    }
}

impl From<common::port::PortError> for Failure {
    fn from(error: common::port::PortError) -> Self {
        Self::Configuration(error.to_string())
    }
}

/// The result of a command.
pub type CommandResult = Result<(), Failure>;
