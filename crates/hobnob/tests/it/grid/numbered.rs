//! 100,000 numbered packets through every service, on every transport and over the layer that makes packets of bytes.

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use hobnob::conn::Conn;
use hobnob::endpoint::Form;
use hobnob::event::Reason;
use hobnob::spec::Shape;

use super::bulk::{self, Text, once_each};
use super::cell::{self, Cell, Served};
use super::expected::{self, Talk};

const PACKETS: u32 = 100_000;
/// Bytes of a number as it is said.
const NUMBER: usize = 8;
/// Packets of a conversation that are on their way: fewer than any receive buffer has room for.
const WINDOW: u32 = 64;
/// The same on Unix datagrams, whose queue is of 10 packets (`max_dgram_qlen`). So nothing may be lost on media that
/// are free to lose too.
const NARROW: u32 = 8;
/// Packets that wait to be counted where nobody is held back: fewer than the smallest receive buffer has room for
/// (`net.core.rmem_default`, of which a small packet takes 768 bytes).
const UNCOUNTED: u32 = 128;
/// Bytes of a packet of what pours.
const POURED: usize = 1_024;

#[test]
fn a_hundred_thousand_numbered_packets_pass_every_service_in_order() {
    let is_new = once_each();
    cell::each(move |cell| cell.shape == Shape::Packets && is_new(cell), pass);
}

async fn pass(cell: Cell) {
    match cell.talk {
        Talk::Answers { .. }
        | Talk::Silent
        | Talk::Tells { .. }
        | Talk::Once { .. }
        | Talk::Unknown
            if cell.layer.is_some() =>
        {
            bulk::pass(cell, LINES).await;
        }
        Talk::Unknown if !cell.has_ends => survived(cell).await,
        Talk::Silent | Talk::Tells { .. } | Talk::Once { .. } | Talk::Unknown
            if cell.has_sessions =>
        {
            offered(cell).await;
        }
        Talk::Silent => swallowed(cell).await,
        Talk::Answers { .. } | Talk::Tells { .. } | Talk::Once { .. } => {
            answered(cell).await;
        }
        Talk::Pours => poured(cell).await,
        Talk::Unknown => survived(cell).await,
        Talk::Refuses { .. } => cell.is_unheard_of(),
    }
}

/// The same as lines, which a layer makes packets of. Its peer has no such layer, and says many at once.
const LINES: Text = Text {
    units: PACKETS / 100,
    say: |unit, out| {
        for at in unit * 100..(unit + 1) * 100 {
            out.extend(number(at));
            out.push(b'\n');
        }
    },
    counted: PACKETS as u64 * NUMBER as u64,
};

fn number(at: u32) -> [u8; NUMBER] {
    let mut digits = [b'0'; NUMBER];
    let mut left = at;
    for digit in digits.iter_mut().rev() {
        *digit += (left % 10) as u8;
        left /= 10;
    }
    digits
}

/// Nobody knows what is said to each, and the next peer is served as if nothing had been.
async fn survived(cell: Cell) {
    let served = cell.serve(|_| {});
    let mut conn = served.dial().await;
    let (mut sent, mut room) = (0, vec![0; 65_536]);
    poll_fn(|cx| {
        while conn.channel().poll_recv(cx, &mut room).is_ready() {}
        poll_offer(cx, &cell, &mut conn, &mut sent)
    })
    .await;
    drop(conn);
    served.survives().await;
}

/// Each is answered, and each answer is the one that is due.
async fn answered(cell: Cell) {
    let served = cell.serve(|_| {});
    let mut conn = served.dial().await;
    let mut room = vec![0; 65_536];
    if let Talk::Answers { greeting, .. } = cell.talk
        && cell.has_sessions
        && !greeting.is_empty()
    {
        let length = cell.within("a greeting", conn.recv(&mut room)).await;
        let length = length.expect("the peer is there").expect("it has not ended");
        cell.check(&[], &[room[..length].to_vec()]);
    }
    let mut asked = Asked { sent: 0, heard: 0, room };
    poll_fn(|cx| asked.poll(cx, &cell, &mut conn)).await;
    let room = &mut asked.room;
    cell.within("our end", conn.end()).await.expect("an end");
    if cell.has_ends {
        let end = cell.within("the end", conn.recv(room)).await;
        assert_eq!(end.expect("an end in order"), None, "{}", cell.name());
        let closed = served.closed(1).await;
        assert_eq!(closed.bytes_in, u64::from(PACKETS) * NUMBER as u64, "{}", cell.name());
    }
    drop(conn);
    assert_eq!(served.running.summary().dropped, 0, "{}", cell.name());
    served.survives().await;
}

/// Numbers that are asked, and answers that are heard.
struct Asked {
    sent: u32,
    heard: u32,
    room: Vec<u8>,
}

impl Asked {
    fn poll(&mut self, cx: &mut Context<'_>, cell: &Cell, conn: &mut Conn) -> Poll<()> {
        let is_narrow = !cell.has_ends && cell.transport.form == Form::SocketPath;
        let window = if is_narrow { NARROW } else { WINDOW };
        while self.heard < PACKETS {
            let before = (self.sent, self.heard);
            // Several at once, so that neither side is woken for each.
            let is_low = self.sent - self.heard <= window / 2;
            while is_low && self.sent < PACKETS.min(self.heard + window) {
                let asked = number(self.sent);
                let Poll::Ready(done) = conn.channel().poll_send(cx, &asked) else { break };
                done.unwrap_or_else(|error| panic!("{}: {error:?}", cell.name()));
                self.sent += 1;
            }
            let _ = conn.channel().poll_flush(cx).map(|done| done.expect("the peer is there"));
            while self.heard < self.sent {
                let Poll::Ready(length) = conn.channel().poll_recv(cx, &mut self.room) else {
                    break;
                };
                let length = length.unwrap_or_else(|error| panic!("{}: {error:?}", cell.name()));
                let length = length.unwrap_or_else(|| panic!("{}: an end", cell.name()));
                let checked = cell.talk.check_one(&number(self.heard), &self.room[..length]);
                let at = self.heard;
                checked.unwrap_or_else(|wrong| panic!("{}: at {at}: {wrong}", cell.name()));
                self.heard += 1;
            }
            if before == (self.sent, self.heard) {
                return Poll::Pending;
            }
        }
        Poll::Ready(())
    }
}

/// All that is said is taken, whether it is answered once, before that, or not at all; and then there is an end.
async fn offered(cell: Cell) {
    let served = cell.serve(|server| server.limits.linger = Duration::from_mins(2));
    let mut conn = served.dial().await;
    let mut sent = 0;
    poll_fn(|cx| poll_offer(cx, &cell, &mut conn, &mut sent)).await;
    cell.within("our end", conn.end()).await.expect("an end");
    let heard = cell.hear(&mut conn, 1).await;
    cell.check(&[b"any"], &heard);
    let closed = served.closed(1).await;
    assert_eq!(closed.reason, Reason::Eof, "{}: {:?}", cell.name(), closed.detail);
    assert_eq!(closed.bytes_in, u64::from(PACKETS) * NUMBER as u64, "{}", cell.name());
    drop(conn);
    served.survives().await;
}

fn poll_offer(cx: &mut Context<'_>, cell: &Cell, conn: &mut Conn, sent: &mut u32) -> Poll<()> {
    while *sent < PACKETS {
        let Poll::Ready(done) = conn.channel().poll_send(cx, &number(*sent)) else {
            return Poll::Pending;
        };
        done.unwrap_or_else(|error| panic!("{} at {sent}: {error:?}", cell.name()));
        *sent += 1;
    }
    Poll::Ready(())
}

/// What is only swallowed, where nobody is held back: the server's own count says when the next may go.
async fn swallowed(cell: Cell) {
    let served = cell.serve(|_| {});
    let mut conn = served.dial().await;
    for at in 0..PACKETS {
        if at.is_multiple_of(UNCOUNTED) {
            taken(&served, at).await;
        }
        conn.send(&number(at)).await.unwrap_or_else(|error| panic!("{}: {error:?}", cell.name()));
    }
    taken(&served, PACKETS).await;
    let summary = served.running.summary();
    let (bytes_in, packets) = (u64::from(PACKETS) * NUMBER as u64, u64::from(PACKETS));
    assert_eq!((summary.sessions, summary.bytes_in), (packets, bytes_in), "{}", cell.name());
    assert_eq!((summary.bytes_out, summary.dropped), (0, 0), "{}", cell.name());
    drop(conn);
    served.survives().await;
}

async fn taken(served: &Served, packets: u32) {
    let all = async {
        while served.running.summary().sessions < u64::from(packets) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    served.cell.within("the count", all).await;
}

/// What pours is numbered by itself. On UDP the kernel drops what a reader is too slow for, and tells how much.
async fn poured(cell: Cell) {
    let all = u64::from(PACKETS) * POURED as u64;
    let served = cell.serve(|server| {
        server.set("bytes", Some(&all.to_string())).expect("its own");
    });
    let mut conn = served.dial().await;
    let mut stream = Poured { cell: cell.clone(), heard: 0, next: 0, room: vec![0; 65_536] };
    cell.within("a wish", conn.send(b"more")).await.expect("the peer is there");
    let mut closed = std::pin::pin!(served.closed(1));
    let closed = loop {
        tokio::select! {
            closed = &mut closed => break closed,
            is_over = stream.hear(&mut conn) => if is_over { break closed.await },
        }
    };
    assert_eq!(closed.bytes_out, all, "{}: {:?}", cell.name(), closed.detail);
    let lost = if cell.has_ends { 0 } else { dropped(&conn) };
    while u64::from(stream.heard) + lost < u64::from(PACKETS) {
        assert!(!cell.within("the rest", stream.hear(&mut conn)).await, "{}", cell.name());
    }
    assert_eq!(u64::from(stream.heard) + lost, u64::from(PACKETS), "{}", cell.name());
    drop(conn);
    served.running.drain();
    cell.within("the drain", served.running.finished()).await;
}

struct Poured {
    cell: Cell,
    heard: u32,
    /// Where the next packet begins, or a later one where some may be lost.
    next: u64,
    room: Vec<u8>,
}

impl Poured {
    /// Hears one packet, and asks for more now and then. True: it is over.
    async fn hear(&mut self, conn: &mut Conn) -> bool {
        let name = || self.cell.name();
        let length = conn.recv(&mut self.room).await;
        let Some(length) = length.unwrap_or_else(|error| panic!("{}: {error:?}", name())) else {
            return true;
        };
        assert_eq!(length, POURED, "{}", name());
        let said = std::str::from_utf8(&self.room[..20]).ok().and_then(|said| said.parse().ok());
        let offset: u64 = said.unwrap_or_else(|| panic!("{}: no number", name()));
        let is_due = if self.cell.has_ends { offset == self.next } else { offset >= self.next };
        assert!(
            is_due && offset.is_multiple_of(POURED as u64),
            "{}: {offset} at {}",
            name(),
            self.next
        );
        for (at, line) in self.room[..length].chunks_exact(64).enumerate() {
            let checked = expected::check_line(offset + at as u64 * 64, line);
            checked.unwrap_or_else(|wrong| panic!("{}: {wrong}", name()));
        }
        (self.heard, self.next) = (self.heard + 1, offset + POURED as u64);
        // Not near the end: who asks when all was poured asks anew. No queue holds so many packets.
        let is_near = self.next + 10_000 * POURED as u64 > u64::from(PACKETS) * POURED as u64;
        if self.heard.is_multiple_of(1_000) && !is_near {
            conn.send(b"more").await.unwrap_or_else(|error| panic!("{}: {error:?}", name()));
        }
        false
    }
}

/// Packets that the kernel dropped at this socket, as it tells itself (proc(5), the last column of `/proc/net/udp`);
/// a Unix socket drops none.
fn dropped(conn: &Conn) -> u64 {
    let facts = conn.facts();
    let (Some(local), Some(peer)) = (facts.local.ip(), facts.peer.ip()) else { return 0 };
    let (local, peer) = (format!(":{:04X}", local.port()), format!(":{:04X}", peer.port()));
    let tables = ["/proc/net/udp", "/proc/net/udp6"].map(std::fs::read_to_string);
    let sockets = tables.iter().flatten().flat_map(|table| table.lines());
    let columns = sockets.map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
    let mut ours = columns.filter(|socket| {
        socket.len() > 3 && socket[1].ends_with(&local) && socket[2].ends_with(&peer)
    });
    let ours = ours.next().expect("the socket is open");
    ours.last().and_then(|drops| drops.parse().ok()).expect("a count")
}
