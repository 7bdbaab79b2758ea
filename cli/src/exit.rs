//! Exit of a command: one sentence on standard error and a documented code.

use std::process::ExitCode;

/// Why a command did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Asked for and not reached: the job failed, or the command could not be carried out.
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
    /// Somebody pressed Ctrl-C.
    #[error("interrupted")]
    Interrupted,
}

impl Failure {
    /// The documented exit code.
    pub fn code(&self) -> u8 {
        match self {
            Self::Failed(_) => 1,
            Self::Configuration(_) => 3,
            Self::Unreachable(_) => 4,
            Self::Refused(_) => 5,
            Self::Interrupted => 130,
        }
    }
}

impl From<common::port::PortError> for Failure {
    fn from(error: common::port::PortError) -> Self {
        Self::Configuration(error.to_string())
    }
}

/// What a command answers.
pub type CommandResult = Result<(), Failure>;

/// Says why it failed, once, and turns it into the process's exit code.
pub fn finish(outcome: CommandResult, json: bool) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if json {
                eprintln!(
                    "{}",
                    serde_json::json!({"error": failure.to_string(), "exitCode": failure.code()})
                );
            } else {
                eprintln!("spool: {failure}");
            }
            ExitCode::from(failure.code())
        }
    }
}
