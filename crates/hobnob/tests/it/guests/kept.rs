//! A subscriber that must not lose anything: its session waits for it, and nobody else does.

use hobnob::chunk::{Direction, Side};
use hobnob::engine::{Dialer, Server, parse};
use hobnob::event::Fact;

use crate::stage::soon;

const ROOM: usize = 8 * 1_024;
const ALL: usize = 4 * 1_024 * 1_024;

/// The byte at this place of what is sent.
fn expected(at: usize) -> u8 {
    u8::try_from((at / 1_024 * 7 + at % 1_024) % 251).expect("it is below 251")
}

#[tokio::test]
async fn a_sink_loses_nothing_and_slows_the_session_that_it_cannot_keep_up_with() {
    let mut server = Server::new("discard").expect("it is built in");
    // Small buffers of the kernel's, which do not grow: what is sent fits nowhere else.
    server.at("tcp://127.0.0.1:0,rcvbuf=64k").expect("it fits");
    let sink = server.sink(ROOM);
    let running = server.start().expect("it starts");
    let to =
        parse(&format!("tcp://{},sndbuf=64k", running.bound()[0].address)).expect("an endpoint");
    let mut client = Dialer::default().dial(&to).await.expect("it listens").conn;
    let pouring = async {
        for at in 0..ALL / 1_024 {
            let chunk: Vec<u8> = (0..1_024).map(|byte| expected(at * 1_024 + byte)).collect();
            client.send(&chunk).await.expect("it is open");
        }
        client.end().await.expect("it is open");
        client
    };
    tokio::pin!(pouring);
    // Nobody reads the sink: the kernel's buffers fill, and then the sender waits.
    let is_stuck = |running: &hobnob::engine::Running| {
        let sessions = running.control().sessions(0, 1);
        sessions.first().map_or(0, |session| session.bytes_in)
    };
    loop {
        let waited =
            tokio::time::timeout(std::time::Duration::from_millis(200), &mut pouring).await;
        assert!(waited.is_err(), "the session is slowed: all fits nowhere");
        if is_stuck(&running) > 0 {
            break;
        }
    }
    let most = ROOM + 64 * 1_024;
    assert!(is_stuck(&running) <= most as u64, "no more than its room and one receive");
    let heard = async {
        let (mut heard, mut ordinal, mut is_open) = (Vec::new(), 0, true);
        while is_open {
            let event = sink.next().await;
            match event.fact {
                Fact::Data(data) => {
                    assert_eq!((data.side, data.direction), (Side::Downstream, Direction::In));
                    ordinal += 1;
                    assert_eq!(data.ordinal, ordinal, "in order, none left out");
                    heard.extend_from_slice(&data.bytes);
                }
                Fact::Closed(closed) => {
                    assert_eq!(closed.bytes_in, ALL as u64);
                    is_open = false;
                }
                _ => {}
            }
        }
        heard
    };
    let (heard, _client) = soon("all of it", async { tokio::join!(heard, pouring) }).await;
    assert_eq!(heard.len(), ALL);
    assert!(heard.iter().enumerate().all(|(at, byte)| *byte == expected(at)));
}

#[tokio::test]
async fn a_sink_that_is_dropped_lets_its_sessions_go() {
    let mut server = Server::new("echo").expect("it is built in");
    server.at("memory:sink-dropped").expect("it fits");
    let sink = server.sink(1);
    let running = server.start().expect("it starts");
    let to = parse("memory:sink-dropped").expect("an endpoint");
    let mut client = Dialer::default().dial(&to).await.expect("it listens").conn;
    client.send(b"one").await.expect("room");
    let mut room = [0; 8];
    let waiting =
        tokio::time::timeout(std::time::Duration::from_millis(50), client.recv(&mut room));
    assert!(waiting.await.is_err(), "its answer waits for room");
    drop(sink);
    assert_eq!(soon("the answer", client.recv(&mut room)).await, Ok(Some(3)));
    drop(running);
}
