//! Two kinds of places with a relay between them: a client at the one and a server at the other, both in a test's hands.

use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;
use std::time::Duration;

use hobnob::address::Address;
use hobnob::bus::{Subscription, Wish};
use hobnob::conn::Conn;
use hobnob::endpoint::Endpoint;
use hobnob::engine::{Crew, Dialer, Running, Server, parse};
use hobnob::event::Fact;
use hobnob::service::Made;
use hobnob::spec::Shape;
use hobnob::testing::Medium;
use tokio::sync::{Semaphore, mpsc};

use crate::places::{self, Fresh};
use crate::ports::Port;
use crate::queues::dropped_by_the_kernel;
use crate::stage::{PATIENCE, Stage, births, own, soon};
#[cfg(feature = "tls")]
use crate::tls::papers::Papers;

/// Only a whole case that hangs takes this long, whatever else the machine does.
const LONG_PATIENCE: Duration = Duration::from_secs(150);
/// What a client says first, so that there is a session over datagrams too.
pub(super) const FIRST: &[u8] = b"first";
/// Options that make buffers small, where a transport has them.
pub(super) const SMALL: &str = ",rcvbuf=64k,sndbuf=64k";

/// A transport with a kind of place, and the layer on it.
#[derive(Clone)]
pub(super) struct Kind {
    pub(super) transport: &'static str,
    fresh: Fresh,
    pub(super) layer: &'static str,
    listening: String,
    dialling: String,
    pub(super) shape: Shape,
    /// Whether a peer can say that it has said all.
    pub(super) has_ends: bool,
    has_buffers: bool,
}

impl Kind {
    /// Whether a peer sees a reset as one.
    pub(super) fn has_resets(&self) -> bool {
        ["tcp", "memory"].contains(&self.transport)
    }

    /// Whether who dials a place where nobody listens hears so.
    pub(super) fn is_refused_at_once(&self) -> bool {
        self.transport != "udp"
    }

    fn listening(&self, options: &str) -> String {
        let options = if self.has_buffers { options } else { "" };
        format!("{}{}{}{options}", self.layer, (self.fresh)(self.transport), self.listening)
    }

    /// How who dials this bound address says it, through this layer.
    fn reached(&self, layer: &str, bound: &Address) -> String {
        self.bound(layer, bound) + &self.dialling
    }

    fn bound(&self, layer: &str, bound: &Address) -> String {
        let place = match bound {
            Address::Ip(address) => format!("{}://{address}", self.transport),
            Address::Name(whole) => whole.to_string(),
            path => format!("{}:{path}", self.transport),
        };
        format!("{layer}{place}")
    }

    fn name(&self) -> String {
        format!("{}{}", self.layer, (self.fresh)(self.transport))
    }
}

/// Every transport with every kind of place: bare, under the layer that makes packets of bytes, and once under TLS.
async fn kinds(papers: &Secrets) -> Vec<Kind> {
    let mut kinds = Vec::new();
    for (row, fresh) in places::all() {
        let name = row.spec.name;
        let medium = Medium::new(move || fresh(name)).expect("an endpoint");
        let bare = Kind {
            transport: name,
            fresh,
            layer: "",
            listening: String::new(),
            dialling: String::new(),
            shape: row.shape,
            has_ends: medium.pair().await.expect("a pair").has_ends,
            has_buffers: row.spec.options.iter().any(|option| option.name == "rcvbuf"),
        };
        if row.shape == Shape::Bytes {
            kinds.push(Kind { layer: "lines+", shape: Shape::Packets, ..bare.clone() });
        }
        if name == "tcp" {
            kinds.extend(papers.under_tls(&bare));
        }
        kinds.push(bare);
    }
    kinds
}

/// What TLS needs.
struct Secrets {
    #[cfg(feature = "tls")]
    papers: Papers,
}

impl Secrets {
    #[cfg(feature = "tls")]
    fn new() -> Self {
        Secrets { papers: Papers::new() }
    }

    #[cfg(feature = "tls")]
    fn under_tls(&self, bare: &Kind) -> Option<Kind> {
        let (listening, dialling) = (self.papers.listening(), self.papers.dialling());
        let (listening, dialling) = (format!(",{listening}"), format!(",{dialling}"));
        Some(Kind { layer: "tls+", listening, dialling, ..bare.clone() })
    }

    #[cfg(not(feature = "tls"))]
    fn new() -> Self {
        Secrets {}
    }

    #[cfg(not(feature = "tls"))]
    fn under_tls(&self, _: &Kind) -> Option<Kind> {
        None
    }
}

/// Two kinds whose shapes fit.
#[derive(Clone)]
pub(super) struct Pair {
    pub(super) client: Kind,
    pub(super) server: Kind,
    crew: Crew,
}

/// Runs a case on every pair that it is for, several at once.
pub(super) fn each(is_for: impl Fn(&Pair) -> bool, case: impl AsyncFn(&Pair) + 'static) {
    each_of(8, is_for, case);
}

/// The same, so many at once.
pub(super) fn each_of(
    at_once: usize,
    is_for: impl Fn(&Pair) -> bool,
    case: impl AsyncFn(&Pair) + 'static,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let (case, secrets) = (Rc::new(case), Secrets::new());
    tokio::task::LocalSet::new().block_on(&runtime.expect("a runtime"), async move {
        let slots = Rc::new(Semaphore::new(at_once));
        let mut running = Vec::new();
        for pair in pairs(&secrets).await.into_iter().filter(|pair| is_for(pair)) {
            let (slots, case, tried) = (slots.clone(), case.clone(), pair.clone());
            let trial = tokio::task::spawn_local(async move {
                let _slot = slots.acquire().await.expect("nobody closes it");
                let done = tokio::time::timeout(LONG_PATIENCE, case(&tried)).await;
                assert!(done.is_ok(), "{}: it came to no end", tried.name());
            });
            running.push((pair, trial));
        }
        assert!(!running.is_empty(), "no pair is of that kind");
        let mut failed = Vec::new();
        for (pair, trial) in running {
            if trial.await.is_err() {
                failed.push(pair.name());
            }
        }
        assert!(failed.is_empty(), "failed: {}", failed.join(", "));
    });
}

async fn pairs(secrets: &Secrets) -> Vec<Pair> {
    let (crew, kinds) = (Crew::start().expect("threads"), kinds(secrets).await);
    let mut pairs = Vec::new();
    for client in &kinds {
        for server in kinds.iter().filter(|server| server.shape == client.shape) {
            pairs.push(Pair { client: client.clone(), server: server.clone(), crew: crew.clone() });
        }
    }
    assert!(pairs.len() >= 146, "the tables have shrunk to {} pairs", pairs.len());
    pairs
}

impl Pair {
    pub(super) fn name(&self) -> String {
        format!("{} to {}", self.client.name(), self.server.name())
    }

    pub(super) fn shape(&self) -> Shape {
        self.client.shape
    }

    pub(super) fn have_ends(&self) -> bool {
        self.client.has_ends && self.server.has_ends
    }

    /// A relay, and behind it a server that hands its conns to the test.
    pub(super) fn relay(&self, options: &str) -> Relayed {
        let (arrive, arriving) = mpsc::unbounded_channel();
        self.relay_to(handing(arrive), options, Some(arriving))
    }

    /// The same, where the server can go and come back: to a port that nobody else is given meanwhile.
    pub(super) fn relay_to_who_may_go(&self) -> Relayed {
        let (arrive, arriving) = mpsc::unbounded_channel();
        let (at, port) = places::kept(&self.server.listening(""));
        let behind = self.serve(handing(arrive), &at);
        Relayed { _port: port, ..self.relay_between(behind, "", Some(arriving)) }
    }

    /// A server of the other side, here or where one was before.
    fn serve(&self, service: Made, at: &str) -> Running {
        let mut behind = Server::of(service, &[Shape::Bytes, Shape::Packets]);
        behind.on_crew(&self.crew).on(&parsed(at)).expect("its shape fits");
        behind.start().unwrap_or_else(|error| panic!("{}: {error:?}", self.name()))
    }

    /// A relay to a service.
    pub(super) fn relay_to(
        &self,
        service: Made,
        options: &str,
        arriving: Option<mpsc::UnboundedReceiver<Conn>>,
    ) -> Relayed {
        let behind = self.serve(service, &self.server.listening(options));
        self.relay_between(behind, options, arriving)
    }

    fn relay_between(
        &self,
        behind: Running,
        options: &str,
        arriving: Option<mpsc::UnboundedReceiver<Conn>>,
    ) -> Relayed {
        let small = if self.server.has_buffers { options } else { "" };
        let target = self.server.reached(self.server.layer, &behind.bound()[0].address) + small;
        let mut relay = Server::new("relay").expect("it is of the table");
        relay
            .on_crew(&self.crew)
            .on(&parsed(&self.client.listening(options)))
            .expect("any shape fits");
        let option = relay.row().and_then(|row| row.targets().next()).expect("it has a target");
        relay.set(option.name, Some(&target)).expect("an endpoint");
        let wish = Wish { data: false, upstream: false, snap: 0, capacity: 1 << 10 };
        let events = relay.subscribe(wish);
        let stage =
            Stage::start(relay).unwrap_or_else(|error| panic!("{}: {error:?}", self.name()));
        Relayed {
            pair: self.clone(),
            stage,
            events,
            behind: RefCell::new(Some(behind)),
            arriving: RefCell::new(arriving),
            options: options.to_owned(),
            room: RefCell::default(),
            clients: RefCell::default(),
            dialled_from: RefCell::default(),
            _port: None,
        }
    }
}

fn parsed(text: &str) -> Endpoint {
    parse(text).unwrap_or_else(|error| panic!("{text}: {error:?}"))
}

/// A service that hands its conns to the test.
fn handing(arrive: mpsc::UnboundedSender<Conn>) -> Made {
    own::does(move |_, conn| {
        // Nobody minds a conn that comes when the test is over.
        let _ = arrive.send(conn.take());
        Box::pin(async { Ok(()) })
    })
}

/// A relay that runs, with its server behind it.
pub(super) struct Relayed {
    pub(super) pair: Pair,
    pub(super) stage: Stage,
    events: Subscription,
    behind: RefCell<Option<Running>>,
    arriving: RefCell<Option<mpsc::UnboundedReceiver<Conn>>>,
    options: String,
    /// For what is heard; nobody holds it while waiting.
    room: RefCell<Vec<u8>>,
    /// Where the clients so far are, and from where the relay dialled for them.
    clients: RefCell<HashSet<Address>>,
    dialled_from: RefCell<HashSet<Address>>,
    /// Where the server stands is its own even when it has gone.
    _port: Option<Port>,
}

impl Relayed {
    pub(super) async fn dial(&self) -> Conn {
        self.dial_through(self.pair.client.layer).await
    }

    /// Dials without the layer of packets: as a peer that says with bytes what the layer reads.
    pub(super) async fn dial_through(&self, layer: &str) -> Conn {
        let dialled = self.try_dial(layer).await;
        dialled.unwrap_or_else(|error| {
            let (name, told) = (self.pair.name(), self.stage.told_last());
            panic!("{name}: {error:?}, and the relay told last: {told}")
        })
    }

    /// Dials, although nobody stands behind. Its end may overtake anything that it does.
    pub(super) async fn dial_in_vain(&self) {
        if let Ok(mut client) = self.try_dial(self.pair.client.layer).await {
            let _ = client.send(FIRST).await;
            // Where there is no end, silence is all that is heard.
            if self.pair.client.has_ends {
                let heard = self.next(&mut client, &mut [0; 64]).await;
                assert!(!matches!(heard, Ok(Some(_))), "{}: {heard:?}", self.pair.name());
            }
        }
    }

    async fn try_dial(&self, layer: &str) -> hobnob::Result<Conn> {
        let client = &self.pair.client;
        let options = if client.has_buffers { &self.options } else { "" };
        let to = client.reached(layer, &self.stage.running.bound()[0].address) + options;
        let to = parse(&to).expect("an endpoint");
        loop {
            let dialled = soon("a dial", async { Dialer::default().dial(&to).await }).await?;
            let is_new = self.clients.borrow_mut().insert(dialled.conn.facts().local.clone());
            // The kernel may give a port again, and who is sent datagrams from it hears the one that was there before.
            if is_new || client.transport != "udp" {
                return Ok(dialled.conn);
            }
        }
    }

    /// Whether the relay dialled last from an address that it had dialled from before: to the server, whose conn of then is
    /// open still, they are one.
    fn has_dialled_as_another(&self) -> bool {
        let mut events = Vec::new();
        self.events.pull(&mut events);
        let mut dialled_from = self.dialled_from.borrow_mut();
        let mut is_one = false;
        for event in &events {
            if let Fact::Dialed(dialed) = &event.fact {
                is_one = !dialled_from.insert(dialed.local.clone());
            }
        }
        is_one && self.pair.server.transport == "udp"
    }

    /// The conn of who was dialled next.
    pub(super) async fn arrived(&self) -> Conn {
        let mut arriving = self.arriving.borrow_mut().take().expect("one waits at a time");
        let conn = self.within("a conn behind", arriving.recv()).await;
        self.arriving.replace(Some(arriving));
        conn.expect("the server runs")
    }

    /// Closes what stands behind; where it stood.
    pub(super) async fn close_behind(&self) -> Address {
        let behind = self.behind.take().expect("it stands");
        let at = behind.bound()[0].address.clone();
        behind.drain();
        soon("its end", behind.finished()).await;
        births::settled();
        // A datagram socket is closed by its own thread, a little later.
        let server = &self.pair.server;
        let there = parsed(&server.bound("", &at));
        let is_there = async || Dialer::default().dial(&there).await.is_ok();
        soon("its place is free", async { while is_there().await {} }).await;
        at
    }

    /// Opens it again.
    pub(super) fn open_behind(&self, at: &Address) {
        let (arrive, arriving) = mpsc::unbounded_channel();
        let server = &self.pair.server;
        let place = server.bound(server.layer, at) + &server.listening;
        self.behind.replace(Some(self.pair.serve(handing(arrive), &place)));
        self.arriving.replace(Some(arriving));
    }

    /// A client and its server, who have met.
    pub(super) async fn meet(&self) -> (Conn, Conn) {
        let mut client = self.dial().await;
        let mut dropped = dropped_by_the_kernel();
        self.say(&mut client, FIRST).await;
        let arrived = self.arrived();
        tokio::pin!(arrived);
        let mut server = loop {
            match tokio::time::timeout(PATIENCE / 6, &mut arrived).await {
                Ok(server) => break server,
                Err(_) if self.has_dialled_as_another() => {
                    client = self.dial().await;
                    self.say(&mut client, FIRST).await;
                }
                // A datagram that is lost otherwise was lost by a relay of ours.
                Err(_) if self.pair.have_ends() || dropped_by_the_kernel() == dropped => {}
                Err(_) => {
                    dropped = dropped_by_the_kernel();
                    self.say(&mut client, FIRST).await;
                }
            }
        };
        self.hear(&mut server, FIRST).await;
        (client, server)
    }

    /// As `soon`; the pair has its name only where it is said, since there is much to wait for.
    async fn within<T>(&self, what: &str, work: impl Future<Output = T>) -> T {
        let done = tokio::time::timeout(PATIENCE, work).await;
        done.unwrap_or_else(|_| {
            let (name, told) = (self.pair.name(), self.stage.told_last());
            panic!("{name}: {what} did not come, and the relay told last: {told}")
        })
    }

    pub(super) async fn say(&self, conn: &mut Conn, words: &[u8]) {
        let said = self.within("a send", conn.send(words)).await;
        said.unwrap_or_else(|error| panic!("{}: {error:?}", self.pair.name()));
    }

    /// Hears exactly this: one packet, or so many bytes.
    pub(super) async fn hear(&self, conn: &mut Conn, words: &[u8]) {
        let (mut heard, mut room) = (0, self.room.take());
        // A byte more than is due: a longer packet is one too many.
        room.resize(room.len().max(words.len() + 1), 0);
        loop {
            let most = match conn.shape() {
                Shape::Bytes => words.len(),
                Shape::Packets => room.len(),
            };
            let came = self.next(conn, &mut room[heard..most]).await;
            let came = came.unwrap_or_else(|error| panic!("{}: {error:?}", self.pair.name()));
            let length = came.unwrap_or_else(|| panic!("{}: an end", self.pair.name()));
            heard += length;
            if conn.shape() == Shape::Packets || heard == words.len() {
                break;
            }
        }
        assert!(room[..heard] == *words, "{}: {heard} bytes", self.pair.name());
        self.room.replace(room);
    }

    pub(super) async fn next(
        &self,
        conn: &mut Conn,
        room: &mut [u8],
    ) -> hobnob::Result<Option<usize>> {
        self.within("more", conn.recv(room)).await
    }

    /// Hears the end, in order, and nothing before it.
    pub(super) async fn hear_end(&self, conn: &mut Conn) {
        let end = self.next(conn, &mut [0; 64]).await;
        assert_eq!(end, Ok(None), "{}", self.pair.name());
    }

    pub(super) async fn end(&self, conn: &mut Conn) {
        soon("an end", conn.end()).await.unwrap_or_else(|error| {
            panic!("{}: {error:?}", self.pair.name());
        });
    }

    /// Another client is served as if nothing had been.
    pub(super) async fn serves(&self) {
        let (mut client, mut server) = self.meet().await;
        self.say(&mut server, b"still here").await;
        self.hear(&mut client, b"still here").await;
    }
}
