//! Dialling: connect, then the layers. And listening for one peer, as `talk --listen` does.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use crate::address::Address;
use crate::bus::Bus;
use crate::clock::Clock;
use crate::conn::listener::{Accepted, Listener};
use crate::conn::{Conn, Facts};
use crate::endpoint::Endpoint;
use crate::engine::Bound;
use crate::engine::limits::{Gate, Limits};
use crate::engine::plan::{self, Ready, Resolved};
use crate::engine::stack::{self, Stack};
use crate::error::{Error, Kind, Result};
use crate::layer::Role;
use crate::socket::{Family, Observer};
use crate::transport::Scene;

/// Opens conns, layers and all, in the runtime of whoever calls.
#[derive(Clone)]
pub struct Dialer {
    pub(super) scene: Scene,
    protocol: Option<&'static str>,
}

/// A conn that was dialled.
pub struct Dialed {
    /// The conn, its handshakes done.
    pub conn: Conn,
    /// How long that took in all.
    pub took: Duration,
}

impl Default for Dialer {
    fn default() -> Self {
        let limits = Limits::default();
        Dialer::with_scene(Scene {
            family: None,
            timeout: limits.handshake,
            observer: None,
            bus: Bus::new(Clock::start(), 1),
            max_peers: limits.max_peers,
            peer_idle: limits.peer_idle,
        })
    }
}

impl Dialer {
    pub(super) fn with_scene(scene: Scene) -> Self {
        Dialer { scene, protocol: None }
    }

    /// The protocol that its caller is going to speak: an endpoint may name it, as `http://host` does.
    pub fn speaking(mut self, protocol: &'static str) -> Self {
        self.protocol = Some(protocol);
        self
    }

    /// `-4`, `-6`: one address family only.
    pub fn family(mut self, family: Option<Family>) -> Self {
        self.scene.family = family;
        self
    }

    /// How long connecting and all handshakes may take together.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.scene.timeout = timeout;
        self
    }

    /// Who is to see each call to the kernel.
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.scene.observer = Some(observer);
        self
    }

    /// Where notes go: no IPv6 here, a stale socket replaced.
    pub fn bus(&self) -> &Bus {
        &self.scene.bus
    }

    /// Dials an endpoint.
    pub async fn dial(&self, to: &Endpoint) -> Result<Dialed> {
        self.dial_for(&self.plan(to)?, None).await
    }

    /// Dials an endpoint whose parts need not be of the tables: a transport or layer of one's own.
    pub async fn dial_resolved(&self, to: Resolved) -> Result<Dialed> {
        self.dial_for(&to.ready(Role::Client, &self.scene.bus)?, None).await
    }

    /// What is needed to dial an endpoint, as often as one likes.
    pub(super) fn plan(&self, to: &Endpoint) -> Result<Ready> {
        self.resolved(to)?.ready(Role::Client, &self.scene.bus)
    }

    fn resolved(&self, endpoint: &Endpoint) -> Result<Resolved> {
        let resolved = plan::resolve(endpoint)?;
        plan::check_protocol(self.protocol, "this verb", &resolved)?;
        Ok(resolved)
    }

    pub(super) async fn dial_for(&self, to: &Ready, asker: Option<&Facts>) -> Result<Dialed> {
        let Ready { transport, stack, place, endpoint, .. } = to;
        let (clock, timeout) = (self.scene.bus.clock(), self.scene.timeout);
        let began = clock.now();
        let connect = transport.connect(place, &self.scene, asker);
        let conn = tokio::time::timeout(timeout, connect)
            .await
            .unwrap_or_else(|_| Err(late(endpoint, timeout)))?;
        let left = timeout.saturating_sub(clock.now().saturating_sub(began));
        let conn = tokio::time::timeout(left, stack.dress(conn, timeout))
            .await
            .unwrap_or_else(|_| Err(stack::late(timeout)))?;
        let conn =
            conn.ok_or_else(|| Error::new(Kind::ConnectionBroken, "a layer kept the conn"))?;
        Ok(Dialed { conn, took: clock.now().saturating_sub(began) })
    }

    /// Binds an endpoint, to accept one peer.
    pub async fn listen(&self, at: &Endpoint) -> Result<Waiting> {
        let Ready { transport, stack, place, endpoint, dialled, name, allow, .. } =
            self.resolved(at)?.ready(Role::Server, &self.scene.bus)?;
        let listeners = transport.bind(&place, &self.scene).await?;
        let limits = Limits { allow, ..Limits::default() };
        Ok(Waiting {
            listeners,
            stack,
            gate: Gate::new(&limits, 1),
            handshake: self.scene.timeout,
            endpoint,
            dialled,
            transport: name,
        })
    }
}

/// A bound endpoint that waits for its one peer.
pub struct Waiting {
    listeners: Vec<Box<dyn Listener>>,
    stack: Stack,
    gate: Gate,
    handshake: Duration,
    endpoint: String,
    dialled: String,
    transport: &'static str,
}

/// What keeps a conn's listener alive where conns share its socket (datagrams); nothing for others.
pub struct Pump(Option<Box<dyn Listener>>);

impl Waiting {
    /// Where it listens.
    pub fn bound(&self) -> Vec<Bound> {
        let (transport, endpoint) = (self.transport, &self.endpoint);
        self.listeners
            .iter()
            .map(|listener| Bound {
                transport,
                address: listener.address(),
                endpoint: endpoint.clone(),
                dialled: self.dialled.clone(),
            })
            .collect()
    }

    /// Accepts one peer and closes the door behind it. On a shared datagram socket its packets come through the
    /// pump, which is to be run beside the conversation.
    pub async fn accept(mut self) -> Result<(Conn, Pump)> {
        // Listeners within: what they yield lives only as long as they are polled.
        let mut shared = Vec::new();
        loop {
            let (at, accepted) = poll_fn(|cx| {
                for (at, listener) in self.listeners.iter_mut().enumerate() {
                    if let std::task::Poll::Ready(accepted) = listener.poll_accept(cx) {
                        return std::task::Poll::Ready((at, accepted));
                    }
                }
                std::task::Poll::Pending
            })
            .await;
            let conn = match accepted {
                Accepted::Conn(conn) => conn,
                Accepted::Opening(opening) => opening.await?,
                Accepted::Many(listener) => {
                    self.listeners[at] = listener;
                    shared.push(at);
                    continue;
                }
                Accepted::Failed(error) if error.kind() == Kind::TooManyFiles => return Err(error),
                Accepted::Answer(_) | Accepted::Failed(_) => continue,
                Accepted::NoMore => {
                    return Err(Error::new(Kind::ConnectionBroken, "nobody can come any more"));
                }
            };
            if !self.may_come(&conn.facts().peer) {
                continue;
            }
            let Some(conn) = self.stack.dress(conn, self.handshake).await? else { continue };
            let listener = shared.contains(&at).then(|| self.listeners.swap_remove(at));
            return Ok((conn, Pump(listener)));
        }
    }

    fn may_come(&self, peer: &Address) -> bool {
        self.gate.admit(peer).is_ok()
    }
}

impl Pump {
    /// Moves packets for as long as it is polled; others than the one peer are turned away.
    pub async fn run(mut self) {
        match &mut self.0 {
            Some(listener) => loop {
                match poll_fn(|cx| listener.poll_accept(cx)).await {
                    Accepted::NoMore => return,
                    Accepted::Failed(_) => tokio::task::yield_now().await,
                    _ => {}
                }
            },
            None => std::future::pending().await,
        }
    }
}

fn late(endpoint: &str, timeout: Duration) -> Error {
    let text = format!("{endpoint} did not answer within {}", crate::spec::show_duration(timeout));
    Error::new(Kind::ConnectTimeout, text)
        .with_outcome(format!("connect({endpoint})"), None, "no answer")
        .why("a firewall that drops, a wrong address, or a machine that is off; a closed port would have refused at once")
        .try_flag("--timeout 60s", "")
}
