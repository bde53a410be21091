//! Much at once: through the kernel where nobody looks, through memory where somebody does, and never more in memory
//! than is said.

use std::cell::Cell;
use std::time::Duration;

use hobnob::bus::Wish;
use hobnob::chunk::Direction;
use hobnob::event::Fact;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{accept, relay, target};
use crate::stage::child::Child;
use crate::stage::{ask, connect, pour, soon};

/// Bytes of a transfer.
const MUCH: usize = 64 << 20;

fn text(at: usize, length: usize) -> Vec<u8> {
    let word = |at: u64| at.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes();
    (at as u64 / 8..(at + length) as u64 / 8).flat_map(word).collect()
}

/// Says so much at one end, and compares what comes at the other.
async fn transfer(from: &mut TcpStream, to: &mut TcpStream, much: usize) {
    let (mut said, mut heard) = (0, 0);
    let mut room = vec![0; 1 << 20];
    let saying = async {
        while said < much {
            from.write_all(&text(said, 1 << 18)).await.expect("it is open");
            said += 1 << 18;
        }
    };
    let hearing = async {
        while heard < much {
            let most = room.len().min(much - heard);
            let length = to.read(&mut room[..most]).await.expect("it is open");
            assert!(length > 0, "an end after {heard} bytes");
            let begins = heard - heard % 8;
            let due = text(begins, (heard - begins + length).next_multiple_of(8));
            assert!(room[..length] == due[heard - begins..][..length], "wrong at {heard}");
            heard += length;
        }
    };
    soon("all of it", async { tokio::join!(saying, hearing) }).await;
}

/// A relay in a process of its own, with a client of it and its conn behind it.
async fn apart(words: &str) -> (Child, TcpStream, TcpStream, tokio::net::TcpListener) {
    let (target, to) = target().await;
    let child = Child::serve(&format!("relay tcp://127.0.0.1:0 to={to}{words}")).await;
    let client = connect(child.address).await;
    let server = accept(&target).await;
    (child, client, server, target)
}

#[tokio::test]
async fn bulk_goes_through_a_kernel_pipe_and_talk_does_not() {
    let (child, mut client, mut server, _target) = apart(" stall=1h").await;
    let given = child.pipes();
    for _ in 0..100 {
        client.write_all(b"a question").await.expect("it is open");
        ask(&mut server, b"an answer", b"a question").await;
        ask(&mut client, b"", b"an answer").await;
    }
    assert_eq!(child.pipes(), given, "small words need no pipe");
    transfer(&mut client, &mut server, MUCH).await;
    transfer(&mut server, &mut client, MUCH).await;
    // It keeps what it has opened, for the next.
    let kept = child.pipes() - given;
    assert!(kept == 2 || kept == 4, "{kept} ends of pipes for two directions");
    transfer(&mut client, &mut server, MUCH).await;
    transfer(&mut server, &mut client, MUCH).await;
    assert!(child.pipes() - given <= 4, "they are used again");
}

#[tokio::test]
async fn who_looks_sees_all_bytes_from_then_on_and_none_is_lost() {
    let (target, to) = target().await;
    let mut stage = relay("tcp://127.0.0.1:0", &to, |_| {});
    let mut client = stage.connect().await;
    let mut server = accept(&target).await;
    let session = stage.opened().await;
    for (direction, is_up) in [(Direction::In, true), (Direction::Out, false)] {
        let (from, to) =
            if is_up { (&mut client, &mut server) } else { (&mut server, &mut client) };
        let is_over = Cell::new(false);
        let looking = async {
            let mut looks = 0;
            // Begins and ceases to look in the middle, again and again; each time for as long as it takes to see any.
            while looks < 40 && !is_over.get() {
                let mut events = Vec::new();
                let look = stage.running.subscribe(Wish {
                    data: true,
                    upstream: false,
                    snap: 0,
                    capacity: 1 << 16,
                });
                let mut seen = Vec::new();
                while seen.len() < 5 && !is_over.get() {
                    tokio::task::yield_now().await;
                    look.pull(&mut events);
                    let ours = events.drain(..).filter(|event| event.session == session);
                    seen.extend(ours.filter_map(|event| match event.fact {
                        Fact::Data(data) if data.direction == direction => Some(data.ordinal),
                        _ => None,
                    }));
                }
                let is_next = |pair: &[u64]| pair[1] == pair[0] + 1;
                assert!(seen.windows(2).all(is_next), "one is missing: {seen:?}");
                looks += usize::from(!seen.is_empty());
            }
            looks
        };
        let transfer = async {
            transfer(from, to, MUCH).await;
            is_over.set(true);
        };
        let ((), looks) = tokio::join!(transfer, looking);
        assert!(looks > 0, "it looked and saw nothing");
    }
    // And one that stays sees each byte.
    let look =
        stage.running.subscribe(Wish { data: true, upstream: false, snap: 0, capacity: 1 << 16 });
    transfer(&mut client, &mut server, 1 << 20).await;
    let mut events = Vec::new();
    assert_eq!(look.pull(&mut events), 0, "too slow");
    let length = |event: &hobnob::event::Event| match &event.fact {
        Fact::Data(data) if data.direction == Direction::In => data.length,
        _ => 0,
    };
    assert_eq!(events.iter().map(length).sum::<usize>(), 1 << 20);
    drop((client, server));
    let closed = stage.closed().await;
    assert_eq!((closed.bytes_in, closed.bytes_out), ((MUCH + (1 << 20)) as u64, MUCH as u64));
}

/// With the last descriptor taken there is no pipe, and bulk is copied.
#[tokio::test]
async fn without_a_descriptor_for_a_pipe_bulk_is_copied() {
    let (child, client, server, _target) = apart("").await;
    let given = child.pipes();
    // With one session there is one left, and a pipe has two ends.
    let words = format!(" max-conns=9 nofile={}", child.limit_with_one_left());
    drop((child, client, server));
    let (child, mut client, mut server, _target) = apart(&words).await;
    transfer(&mut client, &mut server, MUCH / 4).await;
    transfer(&mut server, &mut client, MUCH / 4).await;
    assert_eq!(child.pipes(), given);
}

/// Of the 100 descriptors that are not kept back, 37 sessions take 74, and 13 pipes the rest.
#[tokio::test]
async fn pipes_of_sessions_that_stand_still_leave_descriptors_for_others() {
    let (target, to) = target().await;
    let plan = format!("relay tcp://127.0.0.1:0,rcvbuf=128k to={to} stall=1h nofile=164");
    let child = Child::serve(&plan).await;
    let given = child.pipes();
    let mut still = Vec::new();
    for _ in 0..36 {
        let client = connect(child.address).await;
        let deaf = accept(&target).await;
        still.push((pour(client), deaf));
    }
    // Until all of them stand still: the server has nothing to do, and did not have for a while.
    let (mut worked, mut looks) = (child.worked(), 0);
    while looks < 20 || child.pipes() == given {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let now = child.worked();
        looks = if now == worked { looks + 1 } else { 0 };
        worked = now;
    }
    // One more may come, and is served; the next waits until somebody leaves.
    let mut client = connect(child.address).await;
    let mut server = accept(&target).await;
    client.write_all(b"a question").await.expect("it is open");
    ask(&mut server, b"an answer", b"a question").await;
    ask(&mut client, b"", b"an answer").await;
    let mut late = connect(child.address).await;
    late.write_all(b"late").await.expect("it is open");
    let (pouring, deaf) = still.pop().expect("36 stand still");
    pouring.abort();
    drop(deaf);
    let mut server = accept(&target).await;
    ask(&mut server, b"you are in", b"late").await;
    ask(&mut late, b"", b"you are in").await;
    assert!(child.pipes() <= given + 26, "{} ends of pipes", child.pipes() - given);
    for (pouring, _) in &still {
        pouring.abort();
    }
}

/// A session of a relay takes two descriptors: as many as may come can all be dialled for.
#[tokio::test]
async fn as_many_may_come_as_there_are_descriptors_for_both_sides() {
    let echo = crate::stage::Stage::serve("echo", "tcp://127.0.0.1:0");
    let mut child =
        Child::serve(&format!("relay tcp://127.0.0.1:0 to=tcp://{} nofile=164", echo.address()))
            .await;
    let mut clients = Vec::new();
    for _ in 0..120 {
        clients.push(connect(child.address).await);
    }
    // Each is served, the later ones when earlier ones have left.
    for mut client in clients {
        ask(&mut client, b"hello", b"hello").await;
    }
    child.empties_but(0).await;
}

#[tokio::test]
async fn a_side_that_does_not_read_costs_little() {
    for client_is_deaf in [false, true] {
        let (child, first, behind, target) = apart(" stall=1h").await;
        // What is there once for each thread is there now.
        let (mut client, mut server) = (first, behind);
        transfer(&mut client, &mut server, 8 << 20).await;
        transfer(&mut server, &mut client, 8 << 20).await;
        let before = child.resident();
        let mut held = Vec::new();
        for _ in 0..8 {
            let client = connect(child.address).await;
            let server = accept(&target).await;
            let (pours, deaf) = if client_is_deaf { (server, client) } else { (client, server) };
            held.push((pour(pours), deaf));
        }
        // Others are served while those stand still.
        for _ in 0..20 {
            transfer(&mut client, &mut server, 1 << 20).await;
        }
        let grown = child.peak().saturating_sub(before);
        println!("eight sessions whose other side does not read cost {grown} bytes");
        assert!(grown < 8 * (512 << 10), "{grown} bytes for eight sessions");
        for (pouring, _) in &held {
            pouring.abort();
        }
    }
}
