//! What passes: everything, in order, with its borders and ends, whatever pace either side keeps.

use std::future::poll_fn;
use std::task::{Context, Poll};

use hobnob::conn::Conn;
use hobnob::event::{By, End, How, Reason};
use hobnob::spec::Shape;

use super::pair::{self, FIRST, Pair, Relayed, SMALL};
use crate::stage::{own, soon};

/// Bytes of a conversation, each way.
const MUCH: usize = 2 << 20;
/// Packets of a conversation, each way.
const PACKETS: u32 = 400;
/// Packets on their way: fewer than the queue of a Unix datagram socket has room for (`max_dgram_qlen`).
const WINDOW: u32 = 8;
/// Sessions at once.
const CROWD: usize = 200;

/// Bytes that stand nowhere else: each eight say where they are, and in which conversation.
fn text(length: usize, seed: u64) -> Vec<u8> {
    let word = |at: u64| (at ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes();
    (0..length as u64 / 8).flat_map(word).collect()
}

#[test]
fn bytes_pass_both_ways_at_once_and_stand_where_they_should() {
    pair::each(
        |pair| pair.shape() == Shape::Bytes,
        async |pair: &Pair| {
            let mut relayed = pair.relay("");
            let (client, server) = relayed.meet().await;
            let mut up = Flow::new(client, text(MUCH, 1));
            let mut down = Flow::new(server, text(MUCH, 2));
            both(&relayed, &mut up, &mut down).await;
            assert!(up.heard == text(MUCH, 2), "{}: down {}", pair.name(), up.heard.len());
            assert!(down.heard == text(MUCH, 1), "{}: up {}", pair.name(), down.heard.len());
            let closed = relayed.stage.closed().await;
            assert_eq!(closed.reason, Reason::Eof, "{}: {:?}", pair.name(), closed.detail);
            let expected = ((MUCH + FIRST.len()) as u64, MUCH as u64);
            assert_eq!((closed.bytes_in, closed.bytes_out), expected, "{}", pair.name());
        },
    );
}

/// One side: says all and its end, and hears the other's.
struct Flow {
    conn: Conn,
    saying: Vec<u8>,
    sent: usize,
    has_ended: bool,
    is_over: bool,
    heard: Vec<u8>,
    room: Vec<u8>,
}

impl Flow {
    fn new(conn: Conn, saying: Vec<u8>) -> Self {
        let (heard, room) = (Vec::new(), vec![0; 65_536]);
        Flow { conn, saying, sent: 0, has_ended: false, is_over: false, heard, room }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<hobnob::Result<()>> {
        loop {
            let mut is_moving = false;
            if self.sent < self.saying.len() {
                if let Poll::Ready(sent) =
                    self.conn.channel().poll_send(cx, &self.saying[self.sent..])
                {
                    self.sent += sent?;
                    is_moving = true;
                }
            } else if !self.has_ended && self.conn.channel().poll_end(cx)?.is_ready() {
                (self.has_ended, is_moving) = (true, true);
            }
            if !self.is_over
                && let Poll::Ready(came) = self.conn.channel().poll_recv(cx, &mut self.room)
            {
                match came? {
                    Some(length) => self.heard.extend_from_slice(&self.room[..length]),
                    None => self.is_over = true,
                }
                is_moving = true;
            }
            if self.has_ended && self.is_over {
                return Poll::Ready(Ok(()));
            }
            if !is_moving {
                return Poll::Pending;
            }
        }
    }
}

/// Lets both say and hear all.
async fn both(relayed: &Relayed, up: &mut Flow, down: &mut Flow) {
    let done = poll_fn(|cx| {
        let (one, two) = (up.poll(cx)?, down.poll(cx)?);
        if one.is_ready() && two.is_ready() { Poll::Ready(Ok(())) } else { Poll::Pending }
    });
    let done: hobnob::Result<()> = soon(&relayed.pair.name(), done).await;
    done.unwrap_or_else(|error| panic!("{}: {error:?}", relayed.pair.name()));
}

/// A number, behind which a packet is as long as its number says.
fn packet(number: u32) -> Vec<u8> {
    let mut packet = format!("{number:08} ").into_bytes();
    packet.resize(9 + (number as usize * 7) % 1_100, b'a' + (number % 26) as u8);
    packet
}

#[test]
fn packets_pass_in_order_with_their_borders() {
    pair::each_of(
        16,
        |pair| pair.shape() == Shape::Packets,
        async |pair: &Pair| {
            let mut relayed = pair.relay("");
            let (mut client, mut server) = relayed.meet().await;
            for first in (0..PACKETS).step_by(WINDOW as usize) {
                for (from, to) in [(&mut client, &mut server)] {
                    for number in first..first + WINDOW {
                        relayed.say(from, &packet(number)).await;
                    }
                    for number in first..first + WINDOW {
                        relayed.hear(to, &packet(number)).await;
                        relayed.say(to, &packet(number + 1)).await;
                        relayed.hear(from, &packet(number + 1)).await;
                    }
                }
            }
            assert_eq!(relayed.stage.running.summary().dropped, 0, "{}", pair.name());
            relayed.end(&mut client).await;
            if pair.client.has_ends {
                relayed.end(&mut server).await;
                relayed.hear_end(&mut client).await;
                assert_eq!(relayed.stage.closed().await.reason, Reason::Eof, "{}", pair.name());
            }
        },
    );
}

#[test]
fn an_empty_packet_is_a_packet() {
    pair::each(
        |pair| pair.shape() == Shape::Packets,
        async |pair: &Pair| {
            let relayed = pair.relay("");
            // The first of all may be empty too.
            let mut client = relayed.dial().await;
            relayed.say(&mut client, b"").await;
            let mut server = relayed.arrived().await;
            relayed.hear(&mut server, b"").await;
            for (from, to) in [(&mut client, &mut server)] {
                for words in [&b""[..], b"", b"between", b""] {
                    relayed.say(from, words).await;
                    relayed.hear(to, words).await;
                    relayed.say(to, words).await;
                    relayed.hear(from, words).await;
                }
            }
        },
    );
}

#[test]
fn who_has_said_all_still_hears_the_answer() {
    pair::each(Pair::have_ends, async |pair: &Pair| {
        let mut relayed = pair.relay("");
        let answer = b"an answer ".repeat(50);
        for client_is_first in [true, false] {
            let (mut client, mut server) = relayed.meet().await;
            let target = server.facts().local.clone();
            {
                let (first, second) = if client_is_first {
                    (&mut client, &mut server)
                } else {
                    (&mut server, &mut client)
                };
                relayed.say(first, b"all").await;
                relayed.end(first).await;
                relayed.hear(second, b"all").await;
                relayed.hear_end(second).await;
                for _ in 0..100 {
                    relayed.say(second, &answer).await;
                    relayed.hear(first, &answer).await;
                }
                relayed.end(second).await;
                relayed.hear_end(first).await;
            }
            let closed = relayed.stage.closed().await;
            assert_eq!(closed.reason, Reason::Eof, "{}: {:?}", pair.name(), closed.detail);
            let fin = |by| End { by, how: How::Fin };
            assert_eq!(
                (closed.inward, closed.outward),
                (fin(By::Peer), fin(By::Upstream)),
                "{}",
                pair.name()
            );
            let upstream = closed.upstream.expect("it had dialled");
            assert_eq!(upstream.peer, target, "{}", pair.name());
        }
        relayed.serves().await;
    });
}

/// Where one side cannot be told of an end, silence is the end: nobody waits for what will not come.
#[test]
fn an_end_that_cannot_be_passed_on_is_the_end_after_a_silence() {
    // They do little but wait.
    pair::each_of(
        128,
        |pair| pair.client.has_ends != pair.server.has_ends,
        async |pair: &Pair| {
            let mut relayed = pair.relay("");
            let (mut client, mut server) = relayed.meet().await;
            let (ends, other) = if pair.client.has_ends {
                (&mut client, &mut server)
            } else {
                (&mut server, &mut client)
            };
            relayed.end(ends).await;
            relayed.say(other, b"what was under way").await;
            relayed.hear(ends, b"what was under way").await;
            relayed.hear_end(ends).await;
            assert_eq!(relayed.stage.closed().await.reason, Reason::Eof, "{}", pair.name());
            relayed.serves().await;
        },
    );
}

#[test]
fn one_byte_at_a_time_passes_as_it_comes() {
    pair::each(
        |pair| pair.shape() == Shape::Bytes || pair.client.layer == "lines+",
        async |pair: &Pair| {
            let relayed = pair.relay("");
            let layer = if pair.shape() == Shape::Bytes { pair.client.layer } else { "" };
            let mut client = relayed.dial_through(layer).await;
            relayed.say(&mut client, b"x").await;
            if pair.shape() == Shape::Packets {
                for byte in [b'y', b'z', b'\n'] {
                    relayed.say(&mut client, &[byte]).await;
                }
                let mut server = relayed.arrived().await;
                relayed.hear(&mut server, b"xyz").await;
                relayed.say(&mut server, b"abc").await;
                return relayed.hear(&mut client, b"abc\n").await;
            }
            let mut server = relayed.arrived().await;
            relayed.hear(&mut server, b"x").await;
            for byte in 0..=255 {
                relayed.say(&mut client, &[byte]).await;
                relayed.hear(&mut server, &[byte]).await;
                relayed.say(&mut server, &[!byte]).await;
                relayed.hear(&mut client, &[!byte]).await;
            }
        },
    );
}

/// Bytes that no relay holds, whatever its buffers, its pipe and the kernel's on both sides.
const TOO_MUCH: usize = 4 << 20;

#[test]
fn a_reader_that_stalls_holds_its_sender_back_and_nobody_else() {
    pair::each_of(
        32,
        |pair| pair.shape() == Shape::Bytes,
        async |pair: &Pair| {
            let relayed = pair.relay(SMALL);
            for client_is_deaf in [true, false] {
                let (client, server) = relayed.meet().await;
                let (mut deaf, pours) =
                    if client_is_deaf { (client, server) } else { (server, client) };
                let mut flow = Flow::new(pours, text(TOO_MUCH, 3));
                stand_still(&mut flow).await;
                assert!(flow.sent < TOO_MUCH, "{}: it took all", pair.name());
                // Others are served meanwhile, and nothing more of it is taken.
                relayed.serves().await;
                let mut hears = Flow::new(deaf_no_more(&mut deaf), Vec::new());
                both(&relayed, &mut flow, &mut hears).await;
                assert!(hears.heard == text(TOO_MUCH, 3), "{}", pair.name());
            }
        },
    );
}

fn deaf_no_more(conn: &mut Conn) -> Conn {
    conn.take()
}

/// Says what is taken until, after others had their turns again and again, nothing more is.
async fn stand_still(flow: &mut Flow) {
    let mut turns_without = 0;
    while turns_without < 200 && flow.sent < flow.saying.len() {
        let before = flow.sent;
        poll_fn(|cx| {
            while let Poll::Ready(sent) =
                flow.conn.channel().poll_send(cx, &flow.saying[flow.sent..])
            {
                flow.sent += sent.expect("the relay is there");
                if flow.sent == flow.saying.len() {
                    break;
                }
            }
            Poll::Ready(())
        })
        .await;
        turns_without = if flow.sent == before { turns_without + 1 } else { 0 };
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
}

#[test]
fn two_hundred_sessions_at_once_each_have_their_own() {
    let files = hobnob::socket::raise_open_files().expect("up to the hard limit anybody may");
    // Each session has four, and other tests run beside this one.
    let at_once = usize::try_from(files).map_or(6, |files| (files / 4 / (4 * CROWD)).clamp(1, 6));
    pair::each_of(
        at_once,
        |_| true,
        async |pair: &Pair| {
            let mut relayed = pair.relay_to(own::echo_sessions(), "", None);
            let mut clients = Vec::new();
            for number in 0..CROWD {
                let mut client = relayed.dial().await;
                relayed.say(&mut client, format!("{number:05}").as_bytes()).await;
                clients.push(client);
            }
            for (number, client) in clients.iter_mut().enumerate() {
                relayed.hear(client, format!("{number:05}").as_bytes()).await;
            }
            assert_eq!(relayed.stage.running.open(), CROWD as u64, "{}", pair.name());
            for (number, client) in clients.iter_mut().enumerate().rev() {
                relayed.say(client, format!("again {number:05}").as_bytes()).await;
                relayed.hear(client, format!("again {number:05}").as_bytes()).await;
                relayed.end(client).await;
            }
            if pair.client.has_ends {
                for client in &mut clients {
                    relayed.hear_end(client).await;
                }
                relayed.stage.holds("all are over", |running| running.open() == 0).await;
            }
            assert_eq!(relayed.stage.running.summary().sessions, CROWD as u64, "{}", pair.name());
            assert_eq!(relayed.stage.running.summary().dropped, 0, "{}", pair.name());
        },
    );
}
