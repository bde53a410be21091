//! The socket of this process, and who is let in.

use std::sync::Arc;
use std::time::Duration;

use hobnob::clock::Clock;
use hobnob::error::{Error, Kind, Result};
use hobnob::socket::path::Claim;
use hobnob::socket::{AsyncSocket, Flags, Socket};
use nix::unistd::geteuid;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::client::Client;
use super::place::Folder;
use super::served::{Served, passed};
use super::steered::SteeredServer;
use super::{CLIENTS, LAST_WORDS, answer};
use crate::env::Environment;

/// Before accepting is tried again where there are no descriptors: a client that waits stays in the kernel's queue.
const PAUSE: Duration = Duration::from_millis(100);

/// The control socket. Its file is removed when this is dropped.
pub(crate) struct ControlSocket {
    _claim: Claim,
    over: watch::Sender<bool>,
    doorman: JoinHandle<()>,
}

impl ControlSocket {
    /// Opens it for these servers. To be called within the runtime that sees them to their end.
    pub(crate) fn open(
        environment: &Environment,
        clock: Clock,
        verb: &'static str,
        parts: Vec<SteeredServer>,
    ) -> Result<Self> {
        let (claim, socket) = Folder::make(environment)?.bind()?;
        let socket = AsyncSocket::new(socket)?;
        let began = clock.wall().checked_sub(clock.now()).unwrap_or_else(|| clock.wall());
        let served = Arc::new(Served { verb, began, parts });
        let over = watch::Sender::new(false);
        let doorman = tokio::spawn(admit(served, socket, over.subscribe()));
        Ok(ControlSocket { _claim: claim, over, doorman })
    }

    /// Tells the clients that watch the last events, within bounds.
    pub(crate) async fn close(self) {
        self.over.send_replace(true);
        // A client that does not read its last words loses them.
        let _ = tokio::time::timeout(LAST_WORDS, self.doorman).await;
    }
}

async fn admit(served: Arc<Served>, socket: AsyncSocket, over: watch::Receiver<bool>) {
    let mut clients = JoinSet::new();
    let mut is_over = over.clone();
    loop {
        tokio::select! {
            accepted = socket.accept() => match accepted {
                Ok((client, _)) => {
                    make_room(&mut clients).await;
                    // A client that is refused has been told so.
                    if let Ok(client) = let_in(client, clients.len()) {
                        clients.spawn(Client::of(served.clone(), client).hold(over.clone()));
                    }
                },
                Err(_) => tokio::time::sleep(PAUSE).await,
            },
            Some(_) = clients.join_next() => {}
            () = passed(&mut is_over) => break,
        }
    }
    drop(socket);
    while clients.join_next().await.is_some() {}
}

/// Where all places are taken, gives a client that has left a moment to be noticed, so that it keeps nobody out.
async fn make_room(clients: &mut JoinSet<()>) {
    while clients.try_join_next().is_some() {}
    if clients.len() >= CLIENTS {
        // Who stays keeps the place; then the newcomer is refused.
        let _ = tokio::time::timeout(PAUSE, clients.join_next()).await;
    }
}

/// Lets a client in, or tells it why not.
fn let_in(socket: Socket, inside: usize) -> Result<AsyncSocket> {
    let peer = socket.peer_process()?;
    let own = geteuid().as_raw();
    let refused = if peer.uid != own && peer.uid != 0 {
        let text = format!("uid {} may not ask here: uid {own} and root may", peer.uid);
        Some(Error::new(Kind::PermissionDenied, text))
    } else if inside >= CLIENTS {
        let text = format!("{CLIENTS} clients are here, and more are not let in");
        Some(Error::limit("control-clients", text))
    } else {
        None
    };
    match refused {
        None => AsyncSocket::new(socket),
        Some(error) => {
            // It has just connected, so that there is room for a line.
            let _ = socket.send(&answer::refusal(&error), Flags::NONE);
            Err(error)
        }
    }
}
