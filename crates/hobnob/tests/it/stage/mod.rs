//! A server on a stage: started for one test, its events gathered, and clients to talk to it.

pub(crate) mod alone;
pub(crate) mod births;
pub(crate) mod child;
pub(crate) mod deaf;
pub(crate) mod nets;
pub(crate) mod own;

use std::net::SocketAddr;
use std::time::Duration;

use hobnob::Result;
use hobnob::address::Address;
use hobnob::bus::{Subscription, Wish};
use hobnob::clock::Clock;
use hobnob::engine::{Running, Server, Summary, parse};
use hobnob::event::{Closed, Event, Fact, Reason};
use hobnob::service::Made;
use hobnob::spec::Shape;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

/// What takes longer than this does not happen at all.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A running server and what it told so far.
pub(crate) struct Stage {
    pub(crate) running: Running,
    subscription: Subscription,
    events: Vec<Event>,
    /// Events before this one have been asked for.
    seen: usize,
}

impl Stage {
    pub(crate) fn serve(service: &str, endpoint: &str) -> Self {
        Self::with(service, endpoint, |_| {})
    }

    pub(crate) fn with(service: &str, endpoint: &str, set: impl FnOnce(&mut Server)) -> Self {
        let mut server = Server::new(service).expect("a service of the table");
        at_first_door(&mut server, endpoint);
        set(&mut server);
        Self::start(server).expect("it starts")
    }

    /// A service of the test's own.
    pub(crate) fn of(service: Made, endpoint: &str, set: impl FnOnce(&mut Server)) -> Self {
        let mut server = Server::of(service, &[Shape::Bytes, Shape::Packets]);
        server.on(&parse(endpoint).expect("an endpoint")).expect("it fits");
        set(&mut server);
        Self::start(server).expect("it starts")
    }

    pub(crate) fn start(mut server: Server) -> Result<Self> {
        // Its place may be one that was closed a moment ago.
        births::settled();
        let subscription =
            server.subscribe(Wish { data: false, upstream: false, snap: 0, capacity: 1 << 16 });
        Ok(Stage { running: server.start()?, subscription, events: Vec::new(), seen: 0 })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address_of(0)
    }

    pub(crate) fn address_of(&self, bound: usize) -> SocketAddr {
        self.bound(bound).ip().expect("an IP address")
    }

    pub(crate) fn bound(&self, bound: usize) -> Address {
        self.running.bound()[bound].address.clone()
    }

    /// Waits for the next event of this kind, in the order in which they came.
    pub(crate) async fn until<T>(
        &mut self,
        what: &str,
        mut find: impl FnMut(&Event) -> Option<T>,
    ) -> T {
        let clock = Clock::start();
        loop {
            self.subscription.pull(&mut self.events);
            while self.seen < self.events.len() {
                self.seen += 1;
                if let Some(found) = find(&self.events[self.seen - 1]) {
                    return found;
                }
            }
            assert!(clock.now() < PATIENCE, "no {what} among {:#?}", last(&self.events));
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    pub(crate) async fn opened(&mut self) -> u64 {
        self.until("opened session", |event| {
            matches!(event.fact, Fact::Opened(_)).then_some(event.session)
        })
        .await
    }

    pub(crate) async fn closed(&mut self) -> Closed {
        self.until("closed session", |event| match &event.fact {
            Fact::Closed(closed) => Some((**closed).clone()),
            _ => None,
        })
        .await
    }

    /// Waits for a session that ended for this reason.
    pub(crate) async fn closed_by(&mut self, reason: Reason) -> Closed {
        self.until(&format!("session closed by {reason:?}"), |event| match &event.fact {
            Fact::Closed(closed) if closed.reason == reason => Some((**closed).clone()),
            _ => None,
        })
        .await
    }

    pub(crate) async fn refused(&mut self, by: &'static str) -> Address {
        self.until(&format!("peer refused by {by}"), |event| match &event.fact {
            Fact::Refused { peer, limit } if *limit == by => Some(peer.clone()),
            _ => None,
        })
        .await
    }

    pub(crate) async fn dropped(&mut self, by: &'static str) -> u64 {
        self.until(&format!("drop by {by}"), |event| match &event.fact {
            Fact::Dropped { limit, count } if *limit == by => Some(*count),
            _ => None,
        })
        .await
    }

    pub(crate) async fn paused(&mut self, by: &'static str) {
        self.until(&format!("pause by {by}"), |event| {
            matches!(&event.fact, Fact::Paused { limit, .. } if *limit == by).then_some(())
        })
        .await;
    }

    /// Waits until this holds.
    pub(crate) async fn holds(&mut self, what: &str, holds: impl Fn(&Running) -> bool) {
        let clock = Clock::start();
        while !holds(&self.running) {
            assert!(clock.now() < PATIENCE, "{what} never held: {:?}", self.running.summary());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// How many of these there were so far, seen or not.
    pub(crate) fn count(&mut self, is_it: impl Fn(&Fact) -> bool) -> usize {
        self.subscription.pull(&mut self.events);
        self.events.iter().filter(|event| is_it(&event.fact)).count()
    }

    /// The same, once there is one: what is told of a thing may come a moment after the thing.
    pub(crate) async fn counted(&mut self, is_it: impl Fn(&Fact) -> bool) -> usize {
        let clock = Clock::start();
        loop {
            let count = self.count(&is_it);
            if count > 0 {
                return count;
            }
            assert!(clock.now() < PATIENCE, "none among {:#?}", last(&self.events));
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// What was told last, of what nobody has asked for: why something does not come.
    pub(crate) fn told_last(&self) -> String {
        let mut events = Vec::new();
        self.subscription.pull(&mut events);
        format!("{:#?}", last(&events))
    }

    pub(crate) async fn finish(self) -> Summary {
        self.running.drain();
        soon("the server's end", self.running.finished()).await
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        connect(self.address()).await
    }
}

/// Serves there what the service does at its first door: one with several is asked by name.
pub(crate) fn at_first_door(server: &mut Server, endpoint: &str) {
    let at = parse(endpoint).expect("an endpoint");
    let first = server.doors().first().filter(|_| server.doors().len() > 1).map(|door| door.name);
    let added = match first {
        Some(name) => server.door(name, &at),
        None => server.on(&at),
    };
    added.expect("it fits");
}

fn last(events: &[Event]) -> &[Event] {
    &events[events.len().saturating_sub(20)..]
}

/// Runs something that must come to its end.
pub(crate) async fn soon<T>(what: &str, work: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(done) => done,
        Err(late) => panic!("{what} did not come: {late}"),
    }
}

pub(crate) async fn connect(to: SocketAddr) -> TcpStream {
    let stream = soon("a connection", TcpStream::connect(to)).await.expect("somebody listens");
    stream.set_nodelay(true).expect("a TCP socket");
    stream
}

/// Sends, and receives exactly these bytes.
pub(crate) async fn ask(stream: &mut TcpStream, question: &[u8], answer: &[u8]) {
    stream.write_all(question).await.expect("it is open");
    hear(stream, answer).await;
}

pub(crate) async fn hear(stream: &mut TcpStream, answer: &[u8]) {
    let mut heard = vec![0; answer.len()];
    soon("an answer", stream.read_exact(&mut heard)).await.expect("an answer");
    assert_eq!(heard.escape_ascii().to_string(), answer.escape_ascii().to_string());
}

/// Everything until the end, and whether it was orderly.
pub(crate) async fn rest(stream: &mut TcpStream) -> (Vec<u8>, bool) {
    let mut heard = Vec::new();
    let ended = soon("the end", stream.read_to_end(&mut heard)).await;
    (heard, ended.is_ok())
}

/// Whether a connection came to nothing. The refusal may overtake the connect's own return.
pub(crate) async fn is_turned_away(connecting: std::io::Result<TcpStream>) -> bool {
    use std::io::ErrorKind::{ConnectionRefused, ConnectionReset};
    match connecting {
        Ok(mut stream) => rest(&mut stream).await.0.is_empty(),
        Err(error) => matches!(error.kind(), ConnectionRefused | ConnectionReset),
    }
}

/// Says lines without end and reads nothing, until it is cut.
pub(crate) fn pour(mut stream: TcpStream) -> tokio::task::JoinHandle<TcpStream> {
    let lines = [&[b'x'; 1_023][..], b"\n"].concat().repeat(64);
    tokio::spawn(async move {
        while stream.write_all(&lines).await.is_ok() {}
        stream
    })
}

/// Closes with RST.
pub(crate) fn reset(stream: TcpStream) {
    stream.set_zero_linger().expect("a TCP socket");
    drop(stream);
}

/// A UDP client.
pub(crate) async fn udp(from: &str, to: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind(from).await.expect("a free port");
    socket.connect(to).await.expect("a route");
    socket
}

pub(crate) async fn receive(socket: &UdpSocket) -> Vec<u8> {
    let mut room = vec![0; 1 << 16];
    let length = soon("a datagram", socket.recv(&mut room)).await.expect("a datagram");
    room.truncate(length);
    room
}

/// Leaves a test out, and says so where the test run counts it.
pub(crate) fn skip(test: &str, reason: &str) {
    use std::io::Write;
    let line = format!("hobnob-skip: {test}: {reason}");
    println!("{line}");
    #[expect(clippy::disallowed_methods, reason = "the test run's own channel")]
    let Some(file) = std::env::var_os("HOBNOB_SKIPS") else { return };
    let file = std::fs::OpenOptions::new().create(true).append(true).open(file);
    writeln!(file.expect("the test run made it"), "{line}").expect("the disk is not full");
}

/// An address of this machine that is not loopback: what comes from it comes from elsewhere, as the limits see it.
pub(crate) fn elsewhere() -> Option<std::net::IpAddr> {
    hobnob::socket::host::interface_addresses()
        .into_iter()
        .find(|address| address.is_ipv4() && !address.is_loopback())
}
