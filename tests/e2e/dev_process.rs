//! `spool dev` as a process of a test.

use std::path::Path;

use crate::{
    client::ApiClient,
    process::{Process, spool},
};

/// A running `spool dev`.
pub struct Dev {
    pub process: Process,
    pub api: ApiClient,
}

impl Dev {
    /// Starts one with its data in `data`, on a free port.
    pub fn start(data: &Path) -> Self {
        Self::start_with(data, &[])
    }

    pub fn start_with(data: &Path, arguments: &[&str]) -> Self {
        let mut command = spool();
        command.args(["dev", "--listen", "127.0.0.1:0", "--data"]).arg(data).args(arguments);
        command.env("SPOOL_GRACE_SECONDS", "2");
        let (mut process, address) = Process::serving(command);
        process.logged("working");
        Self { api: ApiClient::at(&address), process }
    }
}
