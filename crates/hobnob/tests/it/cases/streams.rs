//! Cases 6, 7 and 10 to 12: streams that break, stand still, or come in pieces.

use std::task::{Context, Poll, Waker};
use std::time::Duration;

use hobnob::codec::text::{Cutter, Rule};
use hobnob::conn::{Conn, memory};
use hobnob::engine::Server;
use hobnob::event::{By, Fact, How, Reason};
use hobnob::layer::{Role, Surroundings, lines};
use hobnob::spec::{Options, Shape};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::kernel::clog;
use crate::stage::child::Child;
use crate::stage::{Stage, ask, connect, hear, pour, reset, rest, soon};

/// No limit ends a session while a test runs: what ends it is what happened to it.
fn timeless(server: &mut Server) {
    let hour = Duration::from_hours(1);
    let limits = &mut server.limits;
    (limits.stall, limits.handshake, limits.linger, limits.grace) = (hour, hour, hour, hour);
}

#[tokio::test]
async fn case_06_a_reset_in_the_middle_releases_at_once() {
    for service in ["echo", "upper", "discard", "source", "hello", "ok", "temp"] {
        let mut stage = Stage::with(service, "tcp://127.0.0.1:0", timeless);
        let mut client = stage.connect().await;
        stage.opened().await;
        // Bytes in flight: unread answers this way where there are any, and the other way what still goes.
        client.write_all(&vec![b'\n'; 100_000]).await.expect("it is open");
        if service == "source" {
            client.read_u8().await.expect("it pours");
        }
        reset(client);
        let closed = stage.closed().await;
        assert_eq!(closed.reason, Reason::Reset, "{service}: {closed:?}");
        assert_eq!((closed.inward.by, closed.inward.how), (By::Peer, How::Rst), "{service}");
        stage.holds("it is released", |running| running.open() == 0).await;
    }
}

#[tokio::test]
async fn case_06_a_reset_is_noticed_while_an_answer_waits() {
    let mut stage = Stage::with("echo", "tcp://127.0.0.1:0", timeless);
    let mut client = stage.connect().await;
    clog(&mut client).await;
    reset(client);
    assert!(stage.closed_by(Reason::Reset).await.bytes_in > 0);
    let mut next = stage.connect().await;
    ask(&mut next, b"next", b"next").await;
}

#[tokio::test]
async fn case_07_nobody_else_notices_a_peer_that_stops_reading() {
    let stage = Stage::with("echo", "tcp://127.0.0.1:0", timeless);
    let mut other = stage.connect().await;
    ask(&mut other, b"before", b"before").await;
    let mut stuck = Vec::new();
    for _ in 0..8 {
        stuck.push(stage.connect().await);
        clog(stuck.last_mut().expect("just pushed")).await;
        ask(&mut other, b"meanwhile", b"meanwhile").await;
    }
    assert_eq!(stage.running.open(), 9, "one was cut, and held the other up until then");
}

#[tokio::test]
async fn case_07_a_peer_that_stops_reading_costs_little_and_is_cut() {
    let mut child = Child::serve("echo tcp://127.0.0.1:0 stall=1s").await;
    let mut other = connect(child.address).await;
    ask(&mut other, b"before", b"before").await;
    let before = child.resident();
    let mut stuck = Vec::new();
    for _ in 0..8 {
        stuck.push(pour(connect(child.address).await));
    }
    child.empties_but(1).await;
    let grown = child.peak().saturating_sub(before);
    println!("case 7: eight peers that do not read cost {grown} bytes");
    // What a session keeps of its answers is 256 KiB at most.
    assert!(grown < 8 * (512 << 10), "{grown} bytes for eight sessions");
    for client in stuck {
        // It pours until it is cut.
        soon("the cut", client).await.expect("no panic");
    }
    ask(&mut other, b"after", b"after").await;
}

#[tokio::test]
async fn case_07_a_stall_is_an_event_with_its_name() {
    for service in ["echo", "source", "upper"] {
        let mut stage = Stage::with(service, "tcp://127.0.0.1:0", |server| {
            server.limits.stall = Duration::from_millis(500);
        });
        let _pouring = pour(stage.connect().await);
        stage.closed_by(Reason::Timeout("stall")).await;
    }
}

const NAMES: &str = "你好 Zoë 😀 \u{10FFFF}é";

#[tokio::test]
async fn case_10_a_character_split_anywhere_arrives_whole() {
    let mut stage = Stage::with("hello", "tcp://127.0.0.1:0", |server| {
        server.cutting.rule = Rule::Lines;
    });
    let line = format!("{NAMES}\n");
    for at in 1..line.len() {
        let mut client = stage.connect().await;
        hear(&mut client, b"Welcome!").await;
        let (first, second) = line.as_bytes().split_at(at);
        client.write_all(first).await.expect("it is open");
        // Another session in between: by then the server has read the first part alone.
        let mut other = stage.connect().await;
        ask(&mut other, b"A\n", b"Welcome!Hello, A!\n").await;
        ask(&mut client, second, format!("Hello, {NAMES}!\n").as_bytes()).await;
    }
    assert_eq!(stage.count(|fact| matches!(fact, Fact::Failed(_))), 0);
}

/// Without newlines what comes together is a message, so a pause between characters makes two; inside of one it
/// never loses anything.
#[tokio::test]
async fn case_10_without_newlines_nothing_is_lost_either() {
    let stage = Stage::serve("hello", "tcp://127.0.0.1:0");
    for at in 1..NAMES.len() {
        let mut client = stage.connect().await;
        hear(&mut client, b"Welcome!").await;
        let (first, second) = NAMES.as_bytes().split_at(at);
        client.write_all(first).await.expect("it is open");
        tokio::task::yield_now().await;
        client.write_all(second).await.expect("it is open");
        client.shutdown().await.expect("it is open");
        let (heard, _) = rest(&mut client).await;
        let heard = String::from_utf8_lossy(&heard).replace("!Hello, ", "");
        if heard.contains(char::REPLACEMENT_CHARACTER) {
            continue; // it took us more than 20 ms to send the second half
        }
        assert_eq!(heard, format!("Hello, {NAMES}!"), "split at {at}");
    }
}

#[test]
fn case_10_the_cut_does_not_depend_on_the_pieces() {
    let text = format!("{NAMES}\r\n\n\u{FEFF}\n").into_bytes();
    // Overlong, a surrogate, a lone continuation, a character that is cut off.
    let text = [&text[..], b"\xC0\xAF\n\xED\xA0\x80\n\x80\n\xF0\x9F\x98\n"].concat();
    let cut = |pieces: &[&[u8]]| {
        let mut cutter = Cutter::new(Rule::Lines, 64);
        let mut messages = Vec::new();
        for piece in pieces {
            let fed = cutter.feed(piece, |message| {
                messages.push((message.body.to_vec(), message.ending));
                std::ops::ControlFlow::Continue(())
            });
            assert_eq!(fed, Ok(piece.len()));
        }
        messages
    };
    let whole = cut(&[&text]);
    assert_eq!(whole.len(), 7);
    for one in 0..=text.len() {
        for two in one..=text.len() {
            assert_eq!(cut(&[&text[..one], &text[one..two], &text[two..]]), whole);
        }
    }
}

/// 100 MiB that never end a line; how much of it went before it was cut.
async fn flood(client: &mut TcpStream) -> usize {
    let (piece, mut sent) = (vec![b'x'; 1 << 20], 0);
    while sent < 100 << 20 {
        match soon("a write", client.write(&piece)).await {
            Ok(length) => sent += length,
            Err(_) => break,
        }
    }
    sent
}

#[tokio::test]
async fn case_11_a_line_without_end_is_cut_at_its_limit() {
    for (plan, says) in [
        (
            "hello tcp://127.0.0.1:0 framing=lines",
            &b"Welcome!a line holds at most 65536 bytes\n"[..],
        ),
        ("echo lines+tcp://127.0.0.1:0", b""),
    ] {
        let mut child = Child::serve(plan).await;
        let greeting = if says.is_empty() { &b""[..] } else { b"Welcome!" };
        let answer = if says.is_empty() { &b"A\n"[..] } else { b"Hello, A!\n" };
        let normal = async |child: &Child| {
            let mut client = connect(child.address).await;
            hear(&mut client, greeting).await;
            ask(&mut client, b"A\n", answer).await;
        };
        normal(&child).await;
        let before = child.resident();
        let mut client = connect(child.address).await;
        let sent = flood(&mut client).await;
        if !says.is_empty() && sent == 100 << 20 {
            assert_eq!(rest(&mut client).await.0, says);
        }
        drop(client);
        child.empties_but(0).await;
        let grown = child.peak().saturating_sub(before);
        println!("case 11: {plan}: {sent} bytes of one line cost {grown} bytes");
        assert!(grown < 1 << 20, "{plan}: {grown} bytes");
        normal(&child).await;
    }
}

#[tokio::test]
async fn case_11_the_limit_is_named() {
    let mut stage = Stage::with("hello", "tcp://127.0.0.1:0", |server| server.cutting.line = 10);
    let mut client = stage.connect().await;
    ask(&mut client, b"0123456789\n", b"Welcome!Hello, 0123456789!\n").await;
    ask(&mut client, b"0123456789x", b"a line holds at most 10 bytes\n").await;
    drop(client);
    let closed = stage.closed().await;
    assert_eq!(closed.reason, Reason::Limit("line"));
    assert_eq!(closed.detail.as_deref(), Some("a line of more than 10 bytes"));
}

fn now() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

#[test]
fn case_12_short_sends_and_pauses_never_shift_a_stream() {
    let frame: Vec<u8> = (0..1_u32 << 18).flat_map(u32::to_le_bytes).collect();
    for capacity in [1, 2, 3, 7, 64] {
        let (mut here, mut there) = memory::pair_holding(Shape::Bytes, capacity);
        let (mut sent, mut heard, mut room) = (0, Vec::new(), [0; 48]);
        while heard.len() < frame.len() {
            // As a branch of a select that is dropped and made anew: each poll stands alone.
            while let Poll::Ready(taken) = here.channel().poll_send(&mut now(), &frame[sent..]) {
                sent += taken.expect("it is open");
                if sent == frame.len() {
                    break;
                }
            }
            if let Poll::Ready(got) = there.channel().poll_recv(&mut now(), &mut room) {
                heard.extend_from_slice(&room[..got.expect("it is open").expect("no end")]);
            }
        }
        assert_eq!((sent, heard == frame), (frame.len(), true), "capacity {capacity}");
    }
}

async fn lined(conn: Conn) -> Conn {
    let make = lines::ROW.make.expect("it is built in");
    let layer = make(&Options::of(lines::ROW.spec.options)).expect("its defaults");
    layer
        .wrap(&Surroundings::alone(Role::Server), conn)
        .await
        .expect("no handshake")
        .into_conn()
        .expect("a conn")
}

#[tokio::test]
async fn case_12_a_cancelled_send_or_receive_of_a_layer_loses_and_repeats_nothing() {
    for capacity in [1, 2, 3, 5, 64] {
        let (here, there) = memory::pair_holding(Shape::Bytes, capacity);
        let (mut here, mut there) = (lined(here).await, lined(there).await);
        let lines: Vec<Vec<u8>> = (0..200_u8).map(|n| vec![b'a' + n % 26; n.into()]).collect();
        let (mut next, mut heard, mut room) = (0, Vec::new(), vec![0; 1_024]);
        while heard.len() < lines.len() {
            // Both futures are dropped after one poll, wherever they stand.
            if next < lines.len() {
                let sending = here.channel().poll_send(&mut now(), &lines[next]);
                next += usize::from(sending.map(|sent| sent.expect("it is open")).is_ready());
            } else {
                let _ = here.channel().poll_flush(&mut now());
            }
            tokio::select! {
                biased;
                got = there.recv(&mut room) => {
                    let length = got.expect("it is open").expect("no end");
                    heard.push(room[..length].to_vec());
                }
                () = std::future::ready(()) => {}
            }
        }
        assert_eq!(heard, lines, "capacity {capacity}");
    }
}

#[tokio::test]
async fn case_12_a_slow_reader_hears_a_megabyte_as_it_was_said() {
    let said: Vec<u8> = (0..1_u32 << 18).flat_map(u32::to_le_bytes).collect();
    let stage = Stage::serve("echo", "tcp://127.0.0.1:0,sndbuf=4k,rcvbuf=4k");
    let (mut reads, mut writes) = stage.connect().await.into_split();
    let saying = said.clone();
    let writing = tokio::spawn(async move {
        writes.write_all(&saying).await.expect("it is open");
        writes.shutdown().await.expect("it is open");
    });
    let (mut heard, mut room) = (Vec::new(), [0; 777]);
    loop {
        match soon("more", reads.read(&mut room)).await.expect("it is open") {
            0 => break,
            length => heard.extend_from_slice(&room[..length]),
        }
    }
    writing.await.expect("all was said");
    assert!(heard == said, "{} bytes of {}", heard.len(), said.len());
}
