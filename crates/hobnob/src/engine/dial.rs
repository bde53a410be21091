//! Dialling: connect, then the layers. And listening for one peer, as `talk --listen` does.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::address::Address;
use crate::bus::{Bus, Seldom};
use crate::clock::{self, Clock};
use crate::conn::demux::PeerLimits;
use crate::conn::listener::{Accepted, Listener};
use crate::conn::{Conn, Facts};
use crate::endpoint::Endpoint;
use crate::engine::bound::Bound;
use crate::engine::fit;
use crate::engine::limits::{Gate, Limits};
use crate::engine::plan::{self, Ready, Resolved};
use crate::engine::stack::{self, Stack};
use crate::engine::trouble::{EXHAUSTED_WAIT, is_the_peers_fault};
use crate::error::{Error, Kind, Result};
use crate::event::Fact;
use crate::layer::{Role, Surroundings};
use crate::socket::{Family, Observer, together};
use crate::transport::{Own, Terms};

/// The first pause between two tries, and the longest. Each pause is up to twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Opens conns, layers and all, in the runtime of the caller.
#[derive(Clone)]
pub struct Dialer {
    pub(super) scene: Terms,
    protocol: Option<&'static str>,
    retries: bool,
}

/// A way to an endpoint that is ready, from [`Dialer::route`].
#[derive(Clone)]
pub struct Route {
    dialer: Dialer,
    ready: Ready,
}

impl Route {
    /// Dials.
    pub async fn dial(&self) -> Result<Dialed> {
        self.dialer.dial_for(&self.ready, None).await
    }

    /// The endpoint that the route leads to.
    pub fn endpoint(&self) -> &Endpoint {
        &self.ready.endpoint
    }
}

/// A layer that is put on a conn once both sides have agreed on it, as after STARTTLS; from [`Dialer::later`].
#[derive(Clone)]
pub struct LaterLayer {
    stack: Stack,
    timeout: Duration,
}

impl LaterLayer {
    /// Puts it on. The error is of the handshake.
    pub async fn put_on(&self, conn: Conn) -> Result<Conn> {
        let dressed = self.stack.dress(conn, self.timeout).await?;
        dressed.ok_or_else(|| Error::new(Kind::ConnectionBroken, "a layer kept the conn"))
    }
}

/// A conn that was dialled.
pub struct Dialed {
    /// The conn, its handshakes done.
    pub conn: Conn,
    /// How long the transport took, the look-up of a name included.
    pub connected: Duration,
    /// How long the transport and the layers took together.
    pub took: Duration,
}

impl Default for Dialer {
    fn default() -> Self {
        let limits = Limits::default();
        Dialer::with_scene(Terms {
            family: None,
            timeout: limits.handshake,
            observer: None,
            bus: Bus::new(Clock::start(), 1),
            // Who dials or waits for one peer talks to that peer, and answers nobody who asks.
            peers: PeerLimits { are_trusted: true, ..limits.peers(1) },
            own: Own::default(),
        })
    }
}

impl Dialer {
    pub(super) fn with_scene(scene: Terms) -> Self {
        Dialer { scene, protocol: None, retries: false }
    }

    /// The protocol that the caller is going to speak. An endpoint may name that protocol, as `http://host` does.
    pub(crate) fn speaking(mut self, protocol: &'static str) -> Self {
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

    /// Tries again where nobody is there yet, with growing pauses, as `,retry` in an endpoint does.
    pub fn retry(mut self, retries: bool) -> Self {
        self.retries = retries;
        self
    }

    /// An observer that is to see each call to the kernel, beside those that see it already.
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.scene.observer = together(self.scene.observer, Some(observer));
        self
    }

    /// The bus that the dialler's notes go to, such as: no IPv6 here, a stale socket was replaced.
    pub fn bus(&self) -> &Bus {
        &self.scene.bus
    }

    /// Dials an endpoint.
    pub async fn dial(&self, to: &Endpoint) -> Result<Dialed> {
        self.route(to)?.dial().await
    }

    /// Makes everything ready to dial an endpoint as often as is wanted. The files of the layers are read now, and no
    /// conn is opened.
    pub fn route(&self, to: &Endpoint) -> Result<Route> {
        let ready = self.plan(to)?;
        if ready.is_turned {
            let error = Error::new(Kind::DoesNotFit, "listen is for the target of a relay");
            return Err(error.hint_switch("listen", "to wait for a peer here"));
        }
        Ok(Route { dialer: self.clone(), ready })
    }

    /// An endpoint, and a layer that is put on its conn later. The settings of the endpoint that are the layer's, and that
    /// nothing in the endpoint knows, are given to the layer. The files of the layer are read now.
    pub fn later(&self, layer: &str, to: &Endpoint) -> Result<(Endpoint, LaterLayer)> {
        let (endpoint, words) = plan::set_apart(to.clone(), layer);
        let host = endpoint.host().map(plan::host_name);
        let bus = self.scene.bus.clone();
        let scene = Surroundings { host, bus, ..Surroundings::alone(Role::Client) };
        let stack = Stack::prepare(vec![plan::layer(&words)?], scene)?;
        Ok((endpoint, LaterLayer { stack, timeout: self.scene.timeout }))
    }

    /// Dials an endpoint whose transport or layers need not be in the tables, but may be the caller's own.
    pub async fn dial_resolved(&self, to: Resolved) -> Result<Dialed> {
        self.dial_for(&to.ready(Role::Client, &self.scene.bus)?, None).await
    }

    /// Everything that is needed to dial an endpoint, as often as is wanted.
    pub(super) fn plan(&self, to: &Endpoint) -> Result<Ready> {
        self.resolved(to)?.ready(Role::Client, &self.scene.bus)
    }

    fn resolved(&self, endpoint: &Endpoint) -> Result<Resolved> {
        let resolved = plan::resolve(endpoint)?;
        let checked = fit::check_protocol(self.protocol, "this verb", &resolved);
        checked.map_err(|error| {
            error.hint_dial(endpoint.typed().text(), "one request and its answer")
        })?;
        Ok(resolved)
    }

    /// Dials. Where nobody is there yet and the endpoint is to be waited for, tries again until somebody is.
    pub(super) async fn dial_for(&self, to: &Ready, asker: Option<&Facts>) -> Result<Dialed> {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.dial_once(to, asker).await {
                Err(error) if (self.retries || to.retries) && is_not_there_yet(&error) => {
                    // Chance spreads the tries: many that wait for one server must not all come in the same instant.
                    tokio::time::sleep(clock::draw_between(pause / 2, pause)).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                dialed => return dialed,
            }
        }
    }

    async fn dial_once(&self, to: &Ready, asker: Option<&Facts>) -> Result<Dialed> {
        let Ready { transport, stack, place, endpoint, .. } = to;
        let (clock, timeout) = (self.scene.bus.clock(), self.scene.timeout);
        let began = clock.now();
        let connect = transport.connect(place, &self.scene, asker);
        let conn = tokio::time::timeout(timeout, connect)
            .await
            .unwrap_or_else(|_| Err(late(endpoint, timeout)))?;
        let connected = clock.now().saturating_sub(began);
        let left = timeout.saturating_sub(connected);
        let conn = tokio::time::timeout(left, stack.dress(conn, timeout))
            .await
            .unwrap_or_else(|_| Err(stack::late(timeout)))?;
        let conn =
            conn.ok_or_else(|| Error::new(Kind::ConnectionBroken, "a layer kept the conn"))?;
        Ok(Dialed { conn, connected, took: clock.now().saturating_sub(began) })
    }

    /// Binds an endpoint, to accept one peer.
    pub async fn listen(&self, at: &Endpoint) -> Result<Waiting> {
        self.wait_on(&self.resolved(at)?.ready(Role::Server, &self.scene.bus)?).await
    }

    pub(super) async fn wait_on(&self, at: &Ready) -> Result<Waiting> {
        let listeners = at.transport.bind(&at.place, &self.scene).await?;
        let limits = Limits { allow: at.allow.clone(), ..Limits::default() };
        Ok(Waiting {
            listeners,
            stack: at.stack.clone(),
            gate: Gate::new(&limits, 1),
            handshake: self.scene.timeout,
            endpoint: at.endpoint.clone(),
            dialled: at.dialled.clone(),
            transport: at.name,
            bus: self.scene.bus.clone(),
            seldom: Seldom::default(),
            shared: Vec::new(),
        })
    }
}

/// A bound endpoint that waits for its one peer.
pub struct Waiting {
    listeners: Vec<Box<dyn Listener>>,
    stack: Stack,
    gate: Gate,
    handshake: Duration,
    endpoint: Endpoint,
    dialled: Endpoint,
    transport: &'static str,
    /// The bus on which it is told that a peer could not come in.
    bus: Bus,
    seldom: Seldom,
    /// The indices of listeners that are shared by the conns which they yield: such a conn lives only as long as its
    /// listener is polled.
    shared: Vec<usize>,
}

/// Keeps the listener of a conn alive where several conns share its socket, as on datagrams. For any other conn it does
/// nothing.
pub struct Pump(Option<Box<dyn Listener>>);

impl Waiting {
    /// The addresses that it listens at.
    pub fn bound(&self) -> Vec<Bound> {
        let (transport, endpoint) = (self.transport, &self.endpoint);
        self.listeners
            .iter()
            .map(|listener| Bound {
                transport,
                address: listener.address(),
                endpoint: endpoint.clone(),
                dialled: self.dialled.clone(),
                vouched_by: self.stack.vouched_by(),
                door: "",
            })
            .collect()
    }

    /// Accepts one peer and then no more. On a shared datagram socket the peer's packets come through the pump, which
    /// is to be run beside the conversation.
    pub async fn accept(mut self) -> Result<(Conn, Pump)> {
        loop {
            let (at, conn) = self.come().await?;
            if let Some(conn) = self.stack.dress(conn, self.handshake).await? {
                let listener = self.shared.contains(&at).then(|| self.listeners.swap_remove(at));
                return Ok((conn, Pump(listener)));
            }
        }
    }

    /// Accepts the next peer, and more may come after it. A handshake that fails is told, and the next peer is waited
    /// for.
    pub(super) async fn next(&mut self) -> Result<Conn> {
        loop {
            let (at, conn) = self.come().await?;
            match self.stack.dress(conn, self.handshake).await {
                Ok(Some(conn)) => return Ok(conn),
                Ok(None) => {}
                Err(error) => self.failed(at, error),
            }
        }
    }

    /// The next peer that may come, and the index of its listener, before the layers are on. An error means that nobody
    /// can come any more.
    async fn come(&mut self) -> Result<(usize, Conn)> {
        loop {
            let (at, accepted) = poll_fn(|cx| self.poll_doors(cx)).await;
            let conn = match accepted {
                Accepted::Conn(conn) => conn,
                Accepted::Many(many) => {
                    self.listeners[at] = many.listener;
                    self.shared.push(at);
                    continue;
                }
                Accepted::Failed(error) if error.kind() == Kind::TooManyFiles => return Err(error),
                Accepted::Failed(error) => {
                    self.recover(at, error).await;
                    continue;
                }
                Accepted::Refused(peer, limit) => {
                    self.refuse(peer, limit);
                    continue;
                }
                Accepted::Proven(_) => continue,
                Accepted::NoMore => {
                    return Err(Error::new(Kind::ConnectionBroken, "nobody can come any more"));
                }
            };
            // The share of its address is not counted, as there is only this one peer.
            match self.gate.admit(&conn.facts().peer).map(drop) {
                Ok(()) => return Ok((at, conn)),
                Err(limit) => self.refuse(conn.facts().peer.clone(), limit),
            }
        }
    }

    /// Tells an error that concerns more than one peer, and waits: the next try may fail in the same way, and must not
    /// spin.
    async fn recover(&mut self, at: usize, error: Error) {
        if !is_the_peers_fault(&error) {
            self.failed(at, error);
            tokio::time::sleep(EXHAUSTED_WAIT).await;
        }
    }

    fn failed(&self, at: usize, error: Error) {
        self.seldom.failed(&self.bus, 0, &self.listeners[at].address(), error);
    }

    fn refuse(&self, peer: Address, limit: &'static str) {
        self.bus.emit(0, 0, Fact::Refused { peer, limit });
    }

    fn poll_doors(&mut self, cx: &mut Context<'_>) -> Poll<(usize, Accepted)> {
        for (at, listener) in self.listeners.iter_mut().enumerate() {
            if let Poll::Ready(accepted) = listener.poll_accept(cx) {
                return Poll::Ready((at, accepted));
            }
        }
        Poll::Pending
    }
}

impl Pump {
    /// Moves packets for as long as it is polled. Peers other than the one that was accepted are turned away.
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

/// Whether dialling again may succeed once a server starts. A reset counts too: a proxy that accepts on behalf of a
/// server resets while the server is not there.
fn is_not_there_yet(error: &Error) -> bool {
    matches!(
        error.kind(),
        Kind::ConnectionRefused
            | Kind::ConnectionReset
            | Kind::NotFound
            | Kind::ConnectTimeout
            | Kind::Unreachable
    )
}

fn late(endpoint: &Endpoint, timeout: Duration) -> Error {
    let text = format!("{endpoint} did not answer within {}", crate::spec::show_duration(timeout));
    Error::new(Kind::ConnectTimeout, text)
        .with_outcome(format!("connect({endpoint})"), None, "no answer")
        .why("a firewall that drops, a wrong address, or a machine that is off; a closed port would have refused at once")
        .hint_option("timeout", "60s", "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::Wish;
    use crate::conn::memory;
    use crate::endpoint::Target;
    use crate::engine::limits::Network;
    use crate::spec::Shape;

    /// A listener that yields these in turn, and then nobody.
    struct Coming(Vec<Accepted>);

    impl Listener for Coming {
        fn address(&self) -> Address {
            Address::Unnamed
        }

        fn poll_accept(&mut self, _: &mut Context<'_>) -> Poll<Accepted> {
            Poll::Ready(if self.0.is_empty() { Accepted::NoMore } else { self.0.remove(0) })
        }
    }

    fn waiting(coming: Vec<Accepted>) -> Waiting {
        let bus = Dialer::default().bus().clone();
        let allow = vec![Network::parse("192.0.2.0/24").expect("a network")];
        Waiting {
            listeners: vec![Box::new(Coming(coming))],
            stack: Stack::bare(&bus),
            gate: Gate::new(&Limits { allow, ..Limits::default() }, 1),
            handshake: Duration::from_secs(1),
            endpoint: Endpoint::of("memory", Target::Nothing),
            dialled: Endpoint::of("memory", Target::Nothing),
            transport: "memory",
            bus,
            seldom: Seldom::default(),
            shared: Vec::new(),
        }
    }

    fn from(peer: &str) -> Conn {
        let peer = Address::Ip(peer.parse().expect("an address"));
        memory::pair_named(Shape::Bytes, peer, Address::Unnamed).1
    }

    fn failed(errno: i32) -> Error {
        Error::from_io("accept", &std::io::Error::from_raw_os_error(errno))
    }

    #[tokio::test(start_paused = true)]
    async fn who_cannot_come_in_is_told_of_and_the_next_one_comes() {
        let mut waiting = waiting(vec![
            Accepted::Conn(from("198.51.100.7:1")),
            Accepted::Failed(failed(libc::ECONNABORTED)),
            Accepted::Failed(failed(libc::EINVAL)),
            Accepted::Conn(from("192.0.2.7:2")),
        ]);
        let told =
            waiting.bus.subscribe(Wish { data: false, upstream: false, snap: 0, capacity: 16 });
        let conn = waiting.next().await.expect("one of them may come");
        assert_eq!(conn.facts().peer.to_string(), "192.0.2.7:2");
        assert!(waiting.next().await.is_err(), "there are no more");
        let mut events = Vec::new();
        told.pull(&mut events);
        let told: Vec<_> = events.into_iter().map(|event| event.fact).collect();
        let [Fact::Refused { limit: "allow", .. }, rest @ ..] = &told[..] else {
            panic!("{told:?}")
        };
        let kinds = rest.iter().map(|fact| match fact {
            Fact::Failed(error) => error.kind(),
            _ => panic!("{fact:?}"),
        });
        assert_eq!(kinds.collect::<Vec<_>>(), [failed(libc::EINVAL).kind()]);
    }
}
