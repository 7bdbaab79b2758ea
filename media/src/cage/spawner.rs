//! The one thread that starts children.
//!
//! A child asks the kernel to kill it when its parent dies, and the kernel takes the *thread* that started it for the parent.
//! A thread of a runtime's pool may end at any time and would take its children along. This one lives as long as
//! the cage.

use std::io;
use std::sync::mpsc;
use tokio::process::{Child, Command};
use tokio::sync::oneshot;

struct Order {
    command: Command,
    runtime: tokio::runtime::Handle,
    reply: oneshot::Sender<io::Result<Child>>,
}

/// Starts processes from a thread of its own.
#[derive(Debug)]
pub(super) struct Spawner {
    orders: mpsc::Sender<Order>,
}

impl Spawner {
    pub(super) fn start() -> io::Result<Self> {
        let (orders, inbox) = mpsc::channel::<Order>();
        std::thread::Builder::new().name("media-cage".into()).spawn(move || serve(&inbox))?;
        Ok(Self { orders })
    }

    /// Starts `command`; its pipes belong to the runtime of the caller.
    pub(super) async fn spawn(&self, command: Command) -> io::Result<Child> {
        let (reply, answer) = oneshot::channel();
        let order = Order { command, runtime: tokio::runtime::Handle::current(), reply };
        let gone = || io::Error::other("the thread that starts children is gone");
        self.orders.send(order).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

fn serve(inbox: &mpsc::Receiver<Order>) {
    while let Ok(mut order) = inbox.recv() {
        let _runtime = order.runtime.enter();
        // Where the caller has gone, the child is dropped here, and killed by that.
        let _ = order.reply.send(order.command.spawn());
    }
}
