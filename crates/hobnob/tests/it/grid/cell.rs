//! One transport, one service, and what a test needs to talk across them.

use std::cell::RefCell;
use std::future::Future;
use std::time::Duration;

use hobnob::address::Address;
use hobnob::bus::{Subscription, Wish};
use hobnob::conn::Conn;
use hobnob::endpoint::Form;
use hobnob::engine::{Crew, Dialer, Model, Running, Server};
use hobnob::event::{By, Closed, Event, Fact};
use hobnob::layer::{self, Role};
use hobnob::service::{self, Made};
use hobnob::socket::Type;
use hobnob::spec::{Options, Shape};
use hobnob::testing::Medium;
use tokio::sync::Semaphore;

use super::expected::{self, Talk};
use crate::places::{self, Fresh};
use crate::ports::Port;
use crate::stage::alone::{self, Wiring};
use crate::stage::births;

/// Only what hangs takes this long.
const PATIENCE: Duration = Duration::from_secs(30);
/// Only a whole case that hangs takes this long, whatever else the machine does.
const LONG_PATIENCE: Duration = Duration::from_secs(150);
/// Cells that are tried at once.
const AT_ONCE: usize = 8;
/// Children that are tried at once: each is a process.
const CHILDREN: usize = 8;
/// Bytes of a flood that are looked at.
const ENOUGH: usize = 64 * 1_024;

#[derive(Clone)]
pub(crate) struct Cell {
    pub(crate) service: &'static service::ServiceRow,
    pub(crate) transport: &'static hobnob::transport::TransportRow,
    fresh: Fresh,
    /// What standard input and output are, where they are the place.
    pub(crate) wiring: Option<Wiring>,
    /// The layer on top, if there is one.
    pub(crate) layer: Option<&'static str>,
    /// What runs the sessions.
    model: Model,
    pub(crate) shape: Shape,
    /// Whether the medium has an end that a peer sees.
    pub(crate) has_ends: bool,
    /// Whether there is a session to each peer; else the engine answers packets in batches.
    pub(crate) has_sessions: bool,
    pub(crate) talk: Talk,
    /// The threads of all that is served in this test; each server has its own where there are none.
    crew: Option<Crew>,
}

/// A place to serve at.
struct Stand {
    transport: &'static hobnob::transport::TransportRow,
    fresh: Fresh,
    wiring: Option<Wiring>,
    has_ends: bool,
}

/// Every transport with every kind of place. Standard input and output are the process's own, so that their cells are
/// tried in a child each; a child has no others.
async fn stands() -> Vec<Stand> {
    let mut stands = Vec::new();
    let rows = hobnob::transport::TABLE.iter().copied();
    for transport in rows.filter(|row| row.form == Form::Nothing && row.transport.is_some()) {
        let fresh: Fresh = |name| format!("{name}:");
        let of = |wiring| Stand { transport, fresh, wiring: Some(wiring), has_ends: true };
        stands.extend(Wiring::ALL.map(of));
    }
    if alone::part().is_some() {
        return stands;
    }
    for (transport, fresh) in places::all() {
        let medium = Medium::new(move || fresh(transport.spec.name)).expect("an endpoint");
        let has_ends = medium.pair().await.expect("a pair").has_ends;
        stands.push(Stand { transport, fresh, wiring: None, has_ends });
    }
    stands
}

/// Every transport with every service that fits it, and services of packets over the bytes that a layer cuts.
async fn cells() -> Vec<Cell> {
    let (crew, mut cells) = (Crew::start().expect("threads"), Vec::new());
    for Stand { transport, fresh, wiring, has_ends } in stands().await {
        for service in service::TABLE {
            let Some(make) = service.make else { continue };
            // One with several doors speaks a protocol at each, and has tests of its own.
            if service.doors.len() > 1 {
                continue;
            }
            let made = make(&Options::of(service.spec.options)).expect("its defaults are good");
            let says_lines = made.says_lines();
            let layers: &[_] = match transport.shape {
                Shape::Bytes => &[(None, Shape::Bytes), (Some("lines"), Shape::Packets)],
                Shape::Packets => &[(None, Shape::Packets)],
            };
            for (layer, shape) in layers.iter().copied() {
                if service.door().shapes.contains(&shape) && (layer.is_none() || says_lines) {
                    let answers = matches!(made, Made::Responder(_));
                    let is_batched = !has_ends && answers;
                    let blocks =
                        answers && layer.is_none() && transport.socket == Some(Type::Stream);
                    let models = if blocks { &Model::ALL[..] } else { &[Model::Async] };
                    cells.extend(models.iter().map(|model| Cell {
                        service,
                        transport,
                        fresh,
                        wiring,
                        layer,
                        model: *model,
                        shape,
                        has_ends,
                        has_sessions: !is_batched,
                        talk: expected::talk(service.spec.name),
                        crew: Some(crew.clone()),
                    }));
                }
            }
        }
    }
    match alone::part() {
        Some(part) => cells.retain(|cell| cell.name() == part),
        None => assert!(cells.len() >= 90, "the tables have shrunk to {} cells", cells.len()),
    }
    cells
}

/// Runs a case on every cell that it is for, several at once.
pub(crate) fn each(is_for: impl Fn(&Cell) -> bool, case: impl AsyncFn(Cell) + 'static) {
    each_of(AT_ONCE, is_for, case);
}

/// The same for a case that does little but wait: on all at once.
pub(crate) fn all_at_once(is_for: impl Fn(&Cell) -> bool, case: impl AsyncFn(Cell) + 'static) {
    each_of(Semaphore::MAX_PERMITS, is_for, case);
}

fn each_of(at_once: usize, is_for: impl Fn(&Cell) -> bool, case: impl AsyncFn(Cell) + 'static) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let (case, test) = (std::rc::Rc::new(case), alone::test());
    tokio::task::LocalSet::new().block_on(&runtime.expect("a runtime"), async move {
        let slots = [at_once, CHILDREN].map(|slots| std::rc::Rc::new(Semaphore::new(slots)));
        let mut running = Vec::new();
        for cell in cells().await.into_iter().filter(|cell| is_for(cell)) {
            let is_alone = cell.wiring.is_some() && alone::part().is_none();
            let (case, test, tried) = (case.clone(), test.clone(), cell.clone());
            let slots = slots[usize::from(is_alone)].clone();
            let trial = tokio::task::spawn_local(async move {
                let _slot = slots.acquire().await.expect("nobody closes it");
                if is_alone {
                    return tried.try_alone(test).await;
                }
                let done = tokio::time::timeout(LONG_PATIENCE, case(tried.clone())).await;
                assert!(done.is_ok(), "{}: it came to no end", tried.name());
            });
            running.push((cell, trial));
        }
        assert!(!running.is_empty(), "no cell is of that kind");
        let mut failed = Vec::new();
        for (cell, trial) in running {
            if trial.await.is_err() {
                failed.push(cell.name());
            }
        }
        alone::give_back();
        assert!(failed.is_empty(), "failed: {}", failed.join(", "));
    });
}

impl Cell {
    pub(crate) fn name(&self) -> String {
        let place = (self.fresh)(self.transport.spec.name);
        let layer = self.layer.map_or(String::new(), |layer| format!("{layer}+"));
        let wiring = self.wiring.map_or(String::new(), |wiring| format!(" ({wiring:?})"));
        let model = match self.model {
            Model::Async => String::new(),
            blocking => format!(" by {}", blocking.name()),
        };
        format!("{} on {layer}{place}{wiring}{model}", self.service.spec.name)
    }

    /// Who ends our direction once all is said: the service, or whom it has dialled.
    pub(crate) fn ends(&self) -> By {
        if self.service.targets().next().is_some() { By::Upstream } else { By::Us }
    }

    /// Whether another peer can come, now or later: standard input and output have the one.
    pub(crate) fn has_more_peers(&self) -> bool {
        self.wiring.is_none()
    }

    /// Whether others are served beside a peer that stays.
    pub(crate) fn has_peers_at_once(&self) -> bool {
        self.has_more_peers() && self.model != Model::Serial
    }

    /// Has a child try this cell.
    async fn try_alone(self, test: String) {
        let name = self.name();
        let finish = move || alone::play(&test, &name).finish();
        let finished = tokio::task::spawn_blocking(finish).await.expect("no panic");
        finished.unwrap_or_else(|said| panic!("{}: {said}", self.name()));
    }

    /// The bare endpoint of a bound address, or of a fresh one.
    fn place(&self, bound: Option<&Address>) -> String {
        let name = self.transport.spec.name;
        match bound {
            None => (self.fresh)(name),
            Some(Address::Ip(address)) => format!("{name}://{address}"),
            Some(Address::Name(whole)) => whole.to_string(),
            Some(path) => format!("{name}:{path}"),
        }
    }

    fn endpoint(&self, bound: Option<&Address>, options: &str) -> String {
        let layer = self.layer.map_or(String::new(), |layer| format!("{layer}+"));
        format!("{layer}{}{options}", self.place(bound))
    }

    /// Lays the layer on a peer that no dial made.
    async fn dress(&self, peer: Conn) -> Conn {
        let Some(name) = self.layer else { return peer };
        let row = layer::TABLE.iter().find(|row| row.spec.name == name).expect("of the table");
        let make = row.make.expect("it is built in");
        let layer = make(&Options::of(row.spec.options)).expect("its defaults are good");
        layer
            .wrap(&layer::Surroundings::alone(Role::Client), peer)
            .await
            .expect("no handshake")
            .into_conn()
            .expect("a conn")
    }

    pub(crate) fn serve(&self, rules: impl FnOnce(&mut Server)) -> Served {
        self.serve_with("", rules)
    }

    /// Serves where a second server can come after it: at a port that nobody else is given meanwhile, and on threads of
    /// its own. Who waits for its end waits for theirs, and so until all that they held is closed: a socket that deals
    /// out datagrams is the last.
    pub(crate) fn serve_to_come_again(&self) -> Served {
        let (at, port) = places::kept(&self.endpoint(None, ""));
        let alone = Cell { crew: None, ..self.clone() };
        Served { _port: port, ..alone.serve_at(&at, "", |_| {}) }
    }

    /// Serves with small buffers, where the transport has such options: so that little is needed to fill them.
    pub(crate) fn serve_small(&self, rules: impl FnOnce(&mut Server)) -> Served {
        let has = |name| self.transport.spec.options.iter().any(|option| option.name == name);
        let options = if has("rcvbuf") { ",rcvbuf=4k,sndbuf=4k" } else { "" };
        self.serve_with(options, rules)
    }

    fn serve_with(&self, options: &'static str, rules: impl FnOnce(&mut Server)) -> Served {
        self.serve_at(&self.endpoint(None, options), options, rules)
    }

    fn serve_at(&self, at: &str, options: &'static str, rules: impl FnOnce(&mut Server)) -> Served {
        let peer = self.wiring.map(alone::take_over);
        let mut server = self.server(self.service.spec.name, at);
        let behind = self.serve_behind(&mut server);
        rules(&mut server);
        let events =
            server.subscribe(Wish { data: false, upstream: false, snap: 0, capacity: 100_000 });
        let running = server
            .start()
            .unwrap_or_else(|error| panic!("{}: {error:?}: {:?}", self.name(), error.reasons()));
        let peer = RefCell::new(peer);
        Served {
            cell: self.clone(),
            running,
            _behind: behind,
            _port: None,
            peer,
            options,
            events,
            seen: RefCell::default(),
        }
    }

    /// A service that stands between two sides has an echo on the other, over the same transport.
    fn serve_behind(&self, server: &mut Server) -> Option<Running> {
        let target = self.service.targets().next()?;
        let at = match self.wiring {
            // Standard input and output are taken; bytes are bytes.
            Some(_) => {
                self.layer.map_or(String::new(), |layer| format!("{layer}+")) + "memory:behind"
            }
            None => self.endpoint(None, ""),
        };
        let behind = self.server("echo", &at).start();
        let behind = behind.unwrap_or_else(|error| panic!("{}: {error:?}", self.name()));
        let to = match self.wiring {
            Some(_) => at,
            None => self.endpoint(Some(&behind.bound()[0].address), ""),
        };
        server.set(target.name, Some(&to)).expect("an endpoint");
        Some(behind)
    }

    fn server(&self, service: &str, at: &str) -> Server {
        let mut server = Server::new(service).expect("it is of the table");
        if let Some(crew) = &self.crew {
            server.on_crew(crew);
        }
        server.on(&hobnob::engine::parse(at).expect("an endpoint")).expect("its shape fits");
        server.model = self.model;
        server
    }

    pub(crate) async fn within<T>(&self, what: &str, work: impl Future<Output = T>) -> T {
        let done = tokio::time::timeout(PATIENCE, work).await;
        done.unwrap_or_else(|_| panic!("{}: waited for {what} in vain", self.name()))
    }

    /// Says one message: a line on bytes, a packet on packets.
    pub(crate) async fn say(&self, conn: &mut Conn, message: &[u8]) {
        let line = [message, b"\n"].concat();
        let said = match self.shape {
            Shape::Bytes => &line,
            Shape::Packets => message,
        };
        let sent = self.within("a send", conn.send(said)).await;
        // A service that has said goodbye may be gone already.
        assert!(sent.is_ok() || self.may_be_over(), "{}: {sent:?}", self.name());
    }

    /// Hears the answer to so many messages, to the end where the peer is to end; of a flood, enough.
    pub(crate) async fn hear(&self, conn: &mut Conn, messages: usize) -> Vec<Vec<u8>> {
        let mut heard = Vec::new();
        let (mut all, mut room) = (0, vec![0; 65_536]);
        let has_end = self.has_ends && !matches!(self.talk, Talk::Pours | Talk::Unknown);
        let due = self.talk.packets(messages);
        while has_end
            || (self.shape == Shape::Packets && heard.len() < due)
            || (self.is_flood() && all < ENOUGH)
        {
            match self.within("an answer", conn.recv(&mut room)).await {
                Ok(Some(length)) => heard.push(room[..length].to_vec()),
                Ok(None) => break,
                Err(error) => panic!("{}: {error:?}", self.name()),
            }
            all += heard.last().map_or(0, Vec::len);
        }
        heard
    }

    /// Hears whatever comes until the peer ends, in order.
    pub(crate) async fn hear_out(&self, conn: &mut Conn) {
        let mut room = vec![0; 65_536];
        loop {
            match self.within("the end", conn.recv(&mut room)).await {
                Ok(Some(_)) => {}
                Ok(None) => return,
                Err(error) => {
                    let is_free_to = matches!(self.talk, Talk::Unknown);
                    assert!(is_free_to, "{}: {error:?}", self.name());
                    return;
                }
            }
        }
    }

    /// Whether the service may have ended before its peer.
    pub(crate) fn may_be_over(&self) -> bool {
        matches!(
            self.talk,
            Talk::Tells { .. } | Talk::Once { .. } | Talk::Refuses { .. } | Talk::Unknown
        )
    }

    /// For a case that has to know what is said.
    pub(crate) fn is_unheard_of(&self) -> ! {
        let name = self.name();
        panic!("{name}: no test knows what it says: tell them, in `talk` of grid/expected.rs");
    }

    fn is_flood(&self) -> bool {
        matches!(self.talk, Talk::Pours) && self.shape == Shape::Bytes
    }

    /// Whether this is what the service says to these messages.
    pub(crate) fn check(&self, messages: &[&[u8]], heard: &[Vec<u8>]) {
        let checked = self.talk.check(self.shape, self.has_sessions, messages, heard);
        checked.unwrap_or_else(|wrong| panic!("{}: {wrong}", self.name()));
    }
}

/// A cell that is served.
pub(crate) struct Served {
    pub(crate) cell: Cell,
    pub(crate) running: Running,
    /// What stands behind a relay.
    _behind: Option<Running>,
    /// Its place is its own even when it has gone.
    _port: Option<Port>,
    /// The one peer of standard input and output, until it is dialled.
    peer: RefCell<Option<Conn>>,
    options: &'static str,
    events: Subscription,
    seen: RefCell<Vec<Event>>,
}

impl Served {
    pub(crate) async fn dial(&self) -> Conn {
        if let Some(peer) = self.peer.take() {
            return self.cell.dress(peer).await;
        }
        let layer = self.cell.layer.map_or(String::new(), |layer| format!("{layer}+"));
        self.dial_through(&layer).await
    }

    /// Dials without the layer: as a peer that says with bytes what the layer reads.
    pub(crate) async fn dial_bare(&self) -> Conn {
        if let Some(peer) = self.peer.take() {
            return peer;
        }
        self.dial_through("").await
    }

    async fn dial_through(&self, layer: &str) -> Conn {
        assert!(self.cell.has_more_peers(), "{}: dialled twice", self.cell.name());
        let place = self.cell.place(Some(&self.running.bound()[0].address));
        let to = format!("{layer}{place}{}", self.options);
        let to = hobnob::engine::parse(&to).expect("an endpoint");
        let dialler = Dialer::default();
        let dialled = self.cell.within("a dial", dialler.dial(&to)).await;
        dialled.unwrap_or_else(|error| panic!("{}: {error:?}", self.cell.name())).conn
    }

    /// A whole conversation: some messages, our end, everything that is answered.
    pub(crate) async fn converse(&self, messages: &[&[u8]]) {
        let mut conn = self.dial().await;
        for message in messages {
            self.cell.say(&mut conn, message).await;
        }
        let ended = self.cell.within("our end", conn.end()).await;
        assert!(ended.is_ok() || self.cell.may_be_over(), "{}: {ended:?}", self.cell.name());
        let heard = self.cell.hear(&mut conn, messages.len()).await;
        self.cell.check(messages, &heard);
    }

    /// The first that `wanted` finds in all that has happened.
    pub(crate) async fn until<T>(&self, what: &str, wanted: impl Fn(&[Event]) -> Option<T>) -> T {
        let look = || {
            let mut seen = self.seen.borrow_mut();
            let dropped = self.events.pull(&mut seen);
            assert_eq!(dropped, 0, "the test reads too slowly");
            wanted(&seen)
        };
        let find = async {
            loop {
                if let Some(found) = look() {
                    return found;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        self.cell.within(what, find).await
    }

    pub(crate) async fn opened(&self, count: usize) {
        let is_opened = |event: &&Event| matches!(event.fact, Fact::Opened(_));
        let enough =
            |seen: &[Event]| (seen.iter().filter(is_opened).count() >= count).then_some(());
        self.until("a session", enough).await;
    }

    /// How the session of this number ended.
    pub(crate) async fn closed(&self, session: u64) -> Closed {
        self.until("a close", |seen| {
            seen.iter().find_map(|event| match &event.fact {
                Fact::Closed(closed) if event.session == session => Some((**closed).clone()),
                _ => None,
            })
        })
        .await
    }

    /// Whether somebody had left when the third came in.
    pub(crate) fn third_came_after_the_first_left(&self) -> bool {
        let seen = self.seen();
        let closed = seen.iter().find(|event| matches!(event.fact, Fact::Closed(_)));
        let third = seen.iter().filter(|event| matches!(event.fact, Fact::Opened(_))).nth(2);
        closed.zip(third).is_some_and(|(closed, third)| third.at >= closed.at)
    }

    /// All that has been seen.
    pub(crate) fn seen(&self) -> std::cell::Ref<'_, Vec<Event>> {
        self.events.pull(&mut self.seen.borrow_mut());
        self.seen.borrow()
    }

    /// After whatever happened the server serves the next client, and then comes to its end. Where nobody can be next,
    /// it comes to its end by itself.
    pub(crate) async fn survives(&self) {
        if self.cell.has_more_peers() {
            self.converse(&[b"next"]).await;
            self.running.drain();
        }
        self.cell.within("the server's end", self.running.finished()).await;
    }

    /// A server of the same service at the same place, which was kept for it.
    pub(crate) fn again(&self) -> Running {
        let at = self.cell.endpoint(Some(&self.running.bound()[0].address), self.options);
        let mut server = self.cell.server(self.cell.service.spec.name, &at);
        let nobody = match self.cell.shape {
            Shape::Bytes => "memory:nobody",
            Shape::Packets => "lines+memory:nobody",
        };
        for target in self.cell.service.targets() {
            server.set(target.name, Some(nobody)).expect("an endpoint");
        }
        births::settled();
        server
            .start()
            .unwrap_or_else(|error| panic!("{at} is not free: {error:?}: {:?}", error.reasons()))
    }
}
