//! The one thread that starts media processes.
//!
//! A media process asks the kernel to kill it when its parent dies, and for the kernel the parent
//! is the *thread* that started it. A thread of a runtime's pool may end at any time and would take
//! its processes along. This thread lives as long as the sandbox.

use std::io;
use std::sync::mpsc;
use tokio::process::{Child, Command};
use tokio::sync::oneshot;

struct SpawnRequest {
    command: Command,
    runtime: tokio::runtime::Handle,
    reply: oneshot::Sender<io::Result<Child>>,
}

/// Starts processes from its own thread.
#[derive(Debug)]
pub(super) struct Spawner {
    requests: mpsc::Sender<SpawnRequest>,
}

impl Spawner {
    pub(super) fn start() -> io::Result<Self> {
        let (requests, inbox) = mpsc::channel::<SpawnRequest>();
        std::thread::Builder::new().name("media-spawner".into()).spawn(move || serve(&inbox))?;
        Ok(Self { requests })
    }

    /// Starts `command`. Its pipes belong to the caller's runtime.
    pub(super) async fn spawn(&self, command: Command) -> io::Result<Child> {
        let (reply, started) = oneshot::channel();
        let request = SpawnRequest { command, runtime: tokio::runtime::Handle::current(), reply };
        let gone = || io::Error::other("the thread that starts media processes has ended");
        self.requests.send(request).map_err(|_| gone())?;
        started.await.map_err(|_| gone())?
    }
}

fn serve(inbox: &mpsc::Receiver<SpawnRequest>) {
    while let Ok(mut request) = inbox.recv() {
        let _runtime = request.runtime.enter();
        // If the caller has gone, the process is dropped here, which kills it.
        let _ = request.reply.send(request.command.spawn());
    }
}
