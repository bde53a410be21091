//! Much of it: nothing is lost, repeated or moved.

use std::collections::HashSet;
use std::future::poll_fn;
use std::sync::LazyLock;
use std::sync::Mutex;
use std::task::{Context, Poll};

use hobnob::conn::Conn;
use hobnob::spec::Shape;

use super::cell::{self, Cell};
use super::expected::{Talk, check_line};

const MUCH: usize = 64 * 1_024 * 1_024;
const PACKETS: u32 = 100_000;
/// A prime, so that whatever moves by a power of two is seen.
const PERIOD: usize = 65_521;

static PATTERN: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let once = (0..=250).cycle().take(PERIOD).collect::<Vec<u8>>();
    once.repeat(2)
});

/// Once for each transport: with an IPv4 address, or a path.
fn is_first(cell: &Cell, seen: &Mutex<HashSet<&'static str>>) -> bool {
    seen.lock().expect("no panic").insert(cell.transport.spec.name)
}

#[test]
fn sixty_four_mebibytes_come_back_as_they_went() {
    let seen = Mutex::default();
    let is_echo = |cell: &Cell| cell.service.spec.name == "echo" && cell.shape == Shape::Bytes;
    cell::each(
        move |cell| is_echo(cell) && is_first(cell, &seen),
        async |cell: Cell| {
            let served = cell.serve(|_| {});
            let mut conn = served.dial().await;
            let (mut sent, mut heard) = (0, 0);
            let mut room = vec![0; PERIOD];
            cell.within(
                "64 MiB",
                poll_fn(|cx| poll_echo(cx, &mut conn, &mut sent, &mut heard, &mut room)),
            )
            .await;
            let end = cell.within("the end", conn.recv(&mut room)).await;
            assert_eq!(end.expect("an end in order"), None);
            let closed = served.closed(1).await;
            assert_eq!((closed.bytes_in, closed.bytes_out), (MUCH as u64, MUCH as u64));
            served.survives().await;
        },
    );
}

fn poll_echo(
    cx: &mut Context<'_>,
    conn: &mut Conn,
    sent: &mut usize,
    heard: &mut usize,
    room: &mut [u8],
) -> Poll<()> {
    loop {
        let mut is_moving = false;
        if *sent < MUCH {
            let from = *sent % PERIOD;
            let piece = &PATTERN[from..from + PERIOD.min(MUCH - *sent)];
            if let Poll::Ready(length) = conn.channel().poll_send(cx, piece) {
                *sent += length.expect("the peer is there");
                is_moving = true;
            }
        } else {
            let _ = conn.channel().poll_end(cx);
        }
        if let Poll::Ready(length) = conn.channel().poll_recv(cx, room) {
            let length = length.expect("the peer is there").expect("it has not ended");
            let at = *heard % PERIOD;
            assert!(room[..length] == PATTERN[at..at + length], "something moved after {heard}");
            *heard += length;
            is_moving = true;
        }
        if *heard == MUCH {
            return Poll::Ready(());
        }
        if !is_moving {
            return Poll::Pending;
        }
    }
}

#[test]
fn sixty_four_mebibytes_of_source_stand_where_they_should() {
    let seen = Mutex::default();
    let is_source = |cell: &Cell| matches!(cell.talk, Talk::Pours) && cell.shape == Shape::Bytes;
    cell::each(
        move |cell| is_source(cell) && is_first(cell, &seen),
        async |cell: Cell| {
            let served = cell.serve(|server| server.set("bytes", Some("64m")).expect("its option"));
            let mut conn = served.dial().await;
            let mut room = vec![0; 65_536];
            let (mut offset, mut held) = (0, 0);
            while let Some(length) =
                cell.within("lines", conn.recv(&mut room[held..])).await.expect("no reset")
            {
                held += length;
                let whole = held - held % 64;
                for line in room[..whole].chunks_exact(64) {
                    check_line(offset, line).expect("each line at its place");
                    offset += 64;
                }
                room.copy_within(whole..held, 0);
                held -= whole;
            }
            assert_eq!((offset, held), (MUCH as u64, 0), "{}", cell.name());
            drop(conn);
            assert_eq!(served.closed(1).await.bytes_out, MUCH as u64);
            served.running.drain();
            cell.within("the drain", served.running.finished()).await;
        },
    );
}

#[test]
fn a_mebibyte_that_is_swallowed_is_counted() {
    let is_silent = |cell: &Cell| matches!(cell.talk, Talk::Silent) && cell.has_ends;
    cell::each(is_silent, async |cell: Cell| {
        let served = cell.serve(|_| {});
        let mut conn = served.dial().await;
        for _ in 0..1_024 {
            cell.within("a send", conn.send(&[b'x'; 1_024])).await.expect("the peer is there");
        }
        cell.within("our end", conn.end()).await.expect("an end");
        let closed = served.closed(1).await;
        assert_eq!((closed.bytes_in, closed.bytes_out), (1_048_576, 0), "{}", cell.name());
        drop(conn);
        served.survives().await;
    });
}

/// No more are on their way than the smallest queue holds: a Unix datagram socket's, of 10 (`max_dgram_qlen`). So
/// nothing may be lost, on media that are free to lose too.
#[test]
fn a_hundred_thousand_numbered_packets_come_back_in_order() {
    let seen = Mutex::default();
    let is_echo = |cell: &Cell| cell.service.spec.name == "echo" && cell.shape == Shape::Packets;
    cell::each(
        move |cell| is_echo(cell) && is_first(cell, &seen),
        async |cell: Cell| {
            let served = cell.serve(|_| {});
            let mut conn = served.dial().await;
            let (mut sent, mut heard) = (0, 0);
            let mut room = [0; 64];
            while heard < PACKETS {
                while sent < PACKETS.min(heard + 8) {
                    let number = format!("{sent:08}");
                    cell.within("a send", conn.send(number.as_bytes()))
                        .await
                        .expect("the peer is there");
                    sent += 1;
                }
                let length = cell.within("an answer", conn.recv(&mut room)).await;
                let length = length.expect("the peer is there").expect("it has not ended");
                assert_eq!(room[..length], *format!("{heard:08}").as_bytes(), "{}", cell.name());
                heard += 1;
            }
            drop(conn);
            served.survives().await;
        },
    );
}
