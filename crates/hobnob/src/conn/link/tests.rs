use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use std::io;

use super::*;
use crate::address::Address;
use crate::clock::Clock;
use crate::conn::memory::{pair, pair_holding};
use crate::conn::wire;
use crate::conn::{Channel, Facts, StdioPatience};
use crate::error::{Error, Kind, Result};
use crate::fault::{Hit, Panel};

/// What a link said.
struct Overheard {
    said: Mutex<Vec<String>>,
    is_asked: AtomicBool,
    clock: Clock,
    /// Bytes that waited when it was last told.
    held: AtomicUsize,
    pipes: Pipes,
}

impl Overheard {
    fn nothing() -> Self {
        Overheard::with_pipes(4)
    }

    fn with_pipes(most: usize) -> Self {
        Overheard {
            said: Mutex::default(),
            is_asked: AtomicBool::new(false),
            clock: Clock::start(),
            held: AtomicUsize::new(0),
            pipes: Pipes::of(most),
        }
    }

    fn say(&self, text: String) {
        self.said.lock().expect("nobody panicked").push(text);
    }

    fn all(&self) -> Vec<String> {
        self.said.lock().expect("nobody panicked").clone()
    }
}

impl Witness for Overheard {
    fn ended(&self, by: Side) {
        self.say(format!("{by:?} ended"));
    }

    fn waits_for(&self, side: Side) {
        self.say(format!("{side:?} is waited for"));
    }

    fn was_cut_short(&self, by: Side) {
        self.say(format!("{by:?} was cut short"));
    }

    fn is_accepted_cut_short(&self) -> bool {
        false
    }

    fn broke(&self, by: Side) {
        self.say(format!("{by:?} broke"));
    }

    fn too_large(&self) {
        self.say("too large".to_owned());
    }

    fn holds(&self, bytes: usize) {
        self.held.store(bytes, Relaxed);
    }

    fn has_room(&self) -> bool {
        true
    }

    fn peer(&self) -> Option<std::net::IpAddr> {
        None
    }

    fn is_asked_to_end(&self) -> bool {
        self.is_asked.load(Relaxed)
    }

    fn ends_as_asked(&self) {
        self.say("as asked".to_owned());
    }

    fn hit(&self, from: Side, hit: Hit) {
        self.say(format!("{from:?} {} {:?}", hit.kind, hit.act));
    }

    fn closed_by(&self, fault: &'static str) {
        self.say(format!("closed by {fault}"));
    }

    fn clock(&self) -> Clock {
        self.clock
    }

    fn pipes(&self) -> Option<&Pipes> {
        Some(&self.pipes)
    }
}

/// A link between a client and a server, each in our hands.
struct Between {
    client: Conn,
    server: Conn,
    heard: Arc<Overheard>,
    link: tokio::task::JoinHandle<Result<LinkEnd, Broken>>,
}

fn between(shape: Shape) -> Between {
    link(pair(shape), pair(shape), Ahead::default())
}

fn link(client: (Conn, Conn), server: (Conn, Conn), ahead: Ahead) -> Between {
    link_under(&Panel::default(), client, server, ahead)
}

fn link_under(panel: &Panel, client: (Conn, Conn), server: (Conn, Conn), ahead: Ahead) -> Between {
    let bend = panel.enter(1, 7, None).bend;
    let ((client, mut downstream), (mut upstream, server)) = (client, server);
    let heard = Arc::new(Overheard::nothing());
    let witness = heard.clone();
    let link = tokio::spawn(async move {
        let result = run(&mut downstream, &mut upstream, ahead, bend, &*witness).await;
        if let Err(broken) = &result {
            match broken.side {
                Side::Downstream => upstream.abort(),
                Side::Upstream => downstream.abort(),
            }
        }
        result
    });
    Between { client, server, heard, link }
}

async fn read_all(conn: &mut Conn) -> Result<Vec<u8>> {
    let (mut all, mut buffer) = (Vec::new(), vec![0; 65_536]);
    while let Some(length) = conn.recv(&mut buffer).await? {
        all.extend_from_slice(&buffer[..length]);
    }
    Ok(all)
}

#[tokio::test]
async fn an_end_passes_and_the_answer_still_comes() {
    let mut at = between(Shape::Bytes);
    at.client.send(b"question").await.expect("room");
    at.client.end().await.expect("an end");
    assert_eq!(read_all(&mut at.server).await.as_deref(), Ok(&b"question"[..]));
    at.server.send(b"answer").await.expect("room");
    drop(at.server);
    assert_eq!(read_all(&mut at.client).await.as_deref(), Ok(&b"answer"[..]));
    at.link.await.expect("no panic").expect("an end in order");
    assert_eq!(at.heard.all(), ["Downstream ended", "Upstream ended"]);
}

#[tokio::test]
async fn more_than_anybody_holds_passes_in_order() {
    let at = between(Shape::Bytes);
    let text: Vec<u8> = (0..3_000_000_u32).map(|at| (at % 251) as u8).collect();
    let sent = text.clone();
    let (mut client, mut server) = (at.client, at.server);
    let sending = tokio::spawn(async move {
        client.send(&sent).await.expect("the link takes it");
        client.end().await.expect("an end");
        client
    });
    assert_eq!(read_all(&mut server).await.expect("all of it"), text);
    drop((server, sending.await.expect("sent")));
    at.link.await.expect("no panic").expect("an end in order");
}

#[tokio::test]
async fn packets_keep_their_borders_and_an_empty_one_passes() {
    let mut at = between(Shape::Packets);
    for packet in [&b"one"[..], b"", b"three"] {
        at.client.send(packet).await.expect("room");
    }
    let mut buffer = [0; 16];
    for length in [3, 0, 5] {
        assert_eq!(at.server.recv(&mut buffer).await, Ok(Some(length)));
    }
}

#[tokio::test]
async fn a_packet_that_does_not_fit_is_dropped_and_the_next_passes() {
    let (upstream, server) = pair_holding(Shape::Packets, 8);
    let mut at = link(pair(Shape::Packets), (upstream, server), Ahead::default());
    at.client.send(b"far too long").await.expect("room");
    at.client.send(b"short").await.expect("room");
    assert_eq!(at.server.recv(&mut [0; 16]).await, Ok(Some(5)));
    assert_eq!(at.heard.all(), ["too large"]);
}

#[tokio::test]
async fn a_reset_of_either_side_is_that_sides_and_reaches_the_other() {
    let at = between(Shape::Bytes);
    let (mut client, mut server) = (at.client, at.server);
    server.abort();
    let broken = at.link.await.expect("no panic").expect_err("a reset");
    assert_eq!((broken.side, broken.error.kind()), (Side::Upstream, Kind::ConnectionReset));
    let error = client.recv(&mut [0; 8]).await.expect_err("a reset");
    assert_eq!(error.kind(), Kind::ConnectionReset);

    let at = between(Shape::Bytes);
    let (mut client, mut server) = (at.client, at.server);
    client.abort();
    let broken = at.link.await.expect("no panic").expect_err("a reset");
    assert_eq!(broken.side, Side::Downstream);
    let error = server.recv(&mut [0; 8]).await.expect_err("a reset");
    assert_eq!(error.kind(), Kind::ConnectionReset);
}

/// A server may answer before it has heard all, and close: what it said reaches the client.
#[tokio::test]
async fn last_words_pass_although_their_speaker_takes_no_more() {
    let (upstream, mut server) = pair_holding(Shape::Bytes, 4);
    let unused = pair(Shape::Bytes).0;
    let mut at = link(pair(Shape::Bytes), (upstream, unused), Ahead::default());
    at.client.send(b"much more than four bytes").await.expect("room");
    // It has not read all that is there, answers, and goes.
    assert_eq!(server.recv(&mut [0; 1]).await, Ok(Some(1)));
    server.send(b"too").await.expect("room");
    drop(server);
    assert_eq!(at.client.recv(&mut [0; 8]).await, Ok(Some(3)));
    let error = at.client.recv(&mut [0; 8]).await.expect_err("a reset");
    assert_eq!(error.kind(), Kind::ConnectionReset);
}

#[tokio::test]
async fn what_came_during_the_dial_goes_first() {
    let (mut client, mut downstream) = pair(Shape::Bytes);
    client.send(b"early").await.expect("room");
    client.end().await.expect("an end");
    let mut ahead = Ahead::default();
    let reading = tokio::time::timeout(Duration::ZERO, ahead.read(&mut downstream, |_| {}));
    assert!(reading.await.is_err(), "an end is no failure");
    let mut at = link((client, downstream), pair(Shape::Bytes), ahead);
    assert_eq!(read_all(&mut at.server).await.as_deref(), Ok(&b"early"[..]));
}

#[tokio::test]
async fn a_peer_that_breaks_during_the_dial_is_noticed() {
    let (mut client, mut downstream) = pair(Shape::Bytes);
    let mut ahead = Ahead::default();
    let reading = ahead.read(&mut downstream, |_| {});
    client.abort();
    assert_eq!(reading.await.kind(), Kind::ConnectionReset);
}

/// Nobody can be told of an end over datagrams: the link is over when nothing more has come for a while.
#[tokio::test(start_paused = true)]
async fn after_an_end_that_cannot_be_told_silence_is_the_end() {
    let (mut client, downstream) = pair(Shape::Packets);
    let (mut upstream, mut server) = pair(Shape::Packets);
    Arc::make_mut(&mut upstream.facts).has_end = false;
    client.send(b"question").await.expect("room");
    client.end().await.expect("an end");
    let at = link((client, downstream), (upstream, pair(Shape::Packets).0), Ahead::default());
    let mut client = at.client;
    assert_eq!(server.recv(&mut [0; 16]).await, Ok(Some(8)));
    server.send(b"answer").await.expect("room");
    assert_eq!(client.recv(&mut [0; 16]).await, Ok(Some(6)));
    at.link.await.expect("no panic").expect("an end in order");
}

/// A side that is only forgotten by us, as a silent datagram peer is, ends the link at once.
#[tokio::test]
async fn a_peer_that_was_forgotten_ends_the_link() {
    let (client, mut downstream) = pair(Shape::Packets);
    Arc::make_mut(&mut downstream.facts).has_end = false;
    let at = link((client, downstream), pair(Shape::Packets), Ahead::default());
    drop(at.client);
    at.link.await.expect("no panic").expect("an end in order");
    assert_eq!(at.heard.all(), ["Downstream ended"]);
}

/// Asked to end, it ends when the accepted side says nothing for a moment; the answer to what it has said still passes.
#[tokio::test(start_paused = true)]
async fn a_link_that_is_asked_to_end_does_so_in_order() {
    let mut at = between(Shape::Bytes);
    at.client.send(b"question").await.expect("room");
    assert_eq!(at.server.recv(&mut [0; 16]).await, Ok(Some(8)));
    at.heard.is_asked.store(true, Relaxed);
    at.client.send(b"last").await.expect("room");
    assert_eq!(read_all(&mut at.server).await.as_deref(), Ok(&b"last"[..]));
    at.server.send(b"answer").await.expect("room");
    drop(at.server);
    assert_eq!(read_all(&mut at.client).await.as_deref(), Ok(&b"answer"[..]));
    at.link.await.expect("no panic").expect("an end in order");
    assert_eq!(at.heard.all(), ["as asked", "Upstream ended"]);
}

/// Takes what it is given, and fails to pass it on.
struct FullDisk;

impl Channel for FullDisk {
    fn poll_recv(&mut self, _: &mut Context<'_>, _: &mut [u8]) -> Poll<Result<Option<usize>>> {
        Poll::Pending
    }

    fn poll_send(&mut self, _: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Err(Error::new(Kind::OutputFailed, "no space left on device")))
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.poll_flush(cx)
    }

    fn abort(&mut self) {}
}

/// Nobody sends anything more that could fail, so nothing else would tell.
#[tokio::test]
async fn what_could_not_be_passed_on_is_told_although_nothing_more_comes() {
    let (upstream, server) = pair(Shape::Bytes);
    let upstream = upstream.map(Shape::Bytes, |_| Box::new(FullDisk));
    let mut at = link(pair(Shape::Bytes), (upstream, server), Ahead::default());
    at.client.send(b"all there is").await.expect("room");
    let broken = at.link.await.expect("no panic").expect_err("a full disk");
    assert_eq!((broken.side, broken.error.kind()), (Side::Upstream, Kind::OutputFailed));
}

/// The far end of a socket, and the conn around its near end.
async fn socket() -> (TcpStream, Conn) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let at = listener.local_addr().expect("bound");
    let (far, near) = tokio::join!(TcpStream::connect(at), listener.accept());
    let (near, peer) = near.expect("it was dialled");
    let facts = Facts::new("tcp", Address::Ip(at), Address::Ip(peer));
    let near = Conn::new(facts, Shape::Bytes, Box::new(wire::Wire::new(near)));
    (far.expect("somebody listens"), near)
}

/// Sends until nothing more is taken, then reads once, and so on: whoever it talks to is blocked most of the time.
/// Says what it received, once both have said all.
async fn talk_by_turns(mut peer: TcpStream, all: Vec<u8>) -> Vec<u8> {
    let (mut sent, mut received) = (0, Vec::new());
    while sent < all.len() {
        match peer.try_write(&all[sent..]) {
            Ok(taken) => sent += taken,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                // After its end there is nothing to read: then only room is waited for.
                if peer.read_buf(&mut received).await.expect("it is open") == 0 {
                    peer.writable().await.expect("it is open");
                }
            }
            Err(error) => panic!("{error}"),
        }
    }
    peer.shutdown().await.expect("it is open");
    peer.read_to_end(&mut received).await.expect("it is open");
    received
}

/// With a pipe for each direction, with one for both, and with none.
#[tokio::test]
async fn sockets_that_are_blocked_both_ways_lose_neither_a_byte_nor_a_wake() {
    for pipes in [2, 1, 0] {
        blocked_both_ways(pipes).await;
    }
}

async fn blocked_both_ways(pipes: usize) {
    let ((client, mut downstream), (server, mut upstream)) = (socket().await, socket().await);
    let noise = |seed: usize| -> Vec<u8> {
        (0..4 << 20).map(|at: usize| (at.wrapping_mul(seed) >> 7).to_le_bytes()[0]).collect()
    };
    let (up, down) = (noise(0x9e37_79b1), noise(0x85eb_ca6b));
    // Tasks of their own: nobody is polled because another was woken.
    let link = tokio::spawn(async move {
        let (bend, heard) = (Panel::default().enter(1, 7, None).bend, Overheard::with_pipes(pipes));
        run(&mut downstream, &mut upstream, Ahead::default(), bend, &heard).await
    });
    let client = tokio::spawn(talk_by_turns(client, up.clone()));
    let server = tokio::spawn(talk_by_turns(server, down.clone()));
    let all = async { tokio::join!(client, server, link) };
    let ended = tokio::time::timeout(Duration::from_mins(1), all).await.expect("nobody is stuck");
    let (got_down, got_up) = (ended.0.expect("no panic"), ended.1.expect("no panic"));
    ended.2.expect("no panic").expect("both said all");
    assert!(got_up == up && got_down == down, "bytes were lost, doubled or moved");
}

#[tokio::test]
async fn bytes_that_lie_in_a_pipe_are_held() {
    let ((client, mut downstream), (server, mut upstream)) = (socket().await, socket().await);
    let heard = Arc::new(Overheard::with_pipes(1));
    let witness = heard.clone();
    let link = tokio::spawn(async move {
        let bend = Panel::default().enter(1, 7, None).bend;
        run(&mut downstream, &mut upstream, Ahead::default(), bend, &*witness).await
    });
    let text = vec![b'x'; 1 << 20];
    let pouring = tokio::spawn(async move {
        let mut client = client;
        while client.write_all(&text).await.is_ok() {}
    });
    let is_held = async {
        while heard.held.load(Relaxed) == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), is_held).await.expect("nobody reads");
    pouring.abort();
    drop(server);
    drop(link.await.expect("no panic"));
}

/// Silence while the other side takes nothing is not the accepted side's: what it has still to say is not cut off.
#[tokio::test(start_paused = true)]
async fn a_link_that_is_asked_to_end_waits_for_who_does_not_read() {
    let (upstream, mut server) = pair_holding(Shape::Bytes, 1_000);
    let unused = pair(Shape::Bytes).0;
    let at = link(pair(Shape::Bytes), (upstream, unused), Ahead::default());
    let (mut client, text) = (at.client, vec![b'x'; 1_000_000]);
    let sending = tokio::spawn(async move {
        client.send(&text).await.expect("the link takes it");
        client.end().await.expect("an end");
        client
    });
    assert_eq!(server.recv(&mut [0; 16]).await, Ok(Some(16)));
    at.heard.is_asked.store(true, Relaxed);
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(read_all(&mut server).await.map(|all| all.len()), Ok(1_000_000 - 16));
    drop((server, sending.await.expect("sent")));
    at.link.await.expect("no panic").expect("an end in order");
    assert_eq!(at.heard.all(), ["Downstream ended", "Upstream ended"]);
}

mod bent;

/// Each side may be the one that has said all. The clock is the test's: a timer of any length would wake the link.
#[tokio::test(start_paused = true)]
async fn a_half_closed_link_is_woken_by_nothing_but_its_peers() {
    for ends in [Side::Downstream, Side::Upstream] {
        let ((mut client, mut downstream), (mut server, mut upstream)) =
            (socket().await, socket().await);
        let polls = Arc::new(AtomicUsize::new(0));
        let counted = polls.clone();
        let link = tokio::spawn(async move {
            let (bend, heard) = (Panel::default().enter(1, 7, None).bend, Overheard::nothing());
            let mut link =
                Box::pin(run(&mut downstream, &mut upstream, Ahead::default(), bend, &heard));
            poll_fn(|cx| {
                counted.fetch_add(1, Relaxed);
                link.as_mut().poll(cx)
            })
            .await
        });
        let (first, other) = match ends {
            Side::Downstream => (&mut client, &mut server),
            Side::Upstream => (&mut server, &mut client),
        };
        first.shutdown().await.expect("it is open");
        assert_eq!(other.read(&mut [0; 8]).await.expect("it is open"), 0);
        tokio::time::advance(Duration::from_secs(1)).await;
        let before = polls.load(Relaxed);
        for _ in 0..60 {
            tokio::time::advance(Duration::from_mins(1)).await;
            tokio::task::yield_now().await;
        }
        assert_eq!(polls.load(Relaxed), before, "{ends:?}: woken, and nothing happened");
        first.set_zero_linger().expect("a socket");
        drop(if ends == Side::Downstream { client } else { server });
        let broken = link.await.expect("no panic").expect_err("a reset");
        assert_eq!((broken.side, broken.error.kind()), (ends, Kind::ConnectionReset));
    }
}

/// Of standard input, whoever waits for what follows it is told once; of other sides, nobody is.
#[tokio::test(start_paused = true)]
async fn what_is_waited_for_behind_standard_input_is_told_once() {
    for is_stdio in [true, false] {
        let ((mut client, downstream), (mut server, mut upstream)) =
            (pair(Shape::Bytes), pair(Shape::Bytes));
        let facts = Facts::new("stdio", Address::Unnamed, Address::Unnamed);
        let patience = StdioPatience { input: Duration::from_secs(2), answer: None };
        let facts = if is_stdio { facts.with_patience(patience) } else { facts };
        let mut downstream = Conn::new(facts, Shape::Bytes, downstream.into_channel());
        let heard = Arc::new(Overheard::nothing());
        let witness = heard.clone();
        let link = tokio::spawn(async move {
            let bend = Panel::default().enter(1, 7, None).bend;
            run(&mut downstream, &mut upstream, Ahead::default(), bend, &*witness).await
        });
        client.end().await.expect("it is open");
        for _ in 0..2 {
            tokio::time::sleep(Duration::from_secs(10)).await;
            server.send(b"still here").await.expect("it is open");
        }
        server.end().await.expect("it is open");
        link.await.expect("no panic").expect("an end in order");
        let told = heard.all().iter().filter(|said| said.contains("waited for")).count();
        assert_eq!(told, usize::from(is_stdio), "{:?}", heard.all());
    }
}
