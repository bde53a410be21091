//! The same faults over every transport, with what a client sees of each.

use std::future::poll_fn;
use std::task::Poll;

use hobnob::conn::Conn;
use hobnob::event::Reason;
use hobnob::spec::Shape;

use super::{Bent, places, receive};
use crate::stage::soon;

/// What a client hears that says these, one after the other.
async fn hears(place: &str, fault: &str, says: &[&str], count: usize) -> (Vec<String>, Conn) {
    let bent = Bent::new(place, &[fault]);
    let mut conn = bent.dial().await;
    for text in says {
        // A fault may have ended it meanwhile.
        let _ = soon("room", conn.send(text.as_bytes())).await;
    }
    let mut heard = Vec::new();
    while heard.len() < count
        && let Some(packet) = receive(&mut conn).await
    {
        heard.push(String::from_utf8_lossy(&packet).into_owned());
    }
    drop(bent);
    (heard, conn)
}

#[tokio::test]
async fn packets_suffer_alike_over_every_transport() {
    let says = ["one", "two", "three", "four"];
    let table: &[(&str, &[&str])] = &[
        ("latency=5ms", &says),
        ("jitter=5ms", &says),
        ("rate=10k", &says),
        ("stall=30ms", &says),
        ("slow-accept=20ms", &says),
        ("up:slice=2,gap=0s", &["on", "e", "tw", "o", "th", "re", "e", "fo", "ur"]),
        ("up:loss=100%,for=2pkt", &["three", "four"]),
        ("up:loss=100%,on=/^t/,for=1pkt", &["one", "three", "four"]),
        ("down:dup=100%,after=3pkt", &["one", "two", "three", "four", "four"]),
        ("up:reorder=100%,for=1pkt,gap=300ms", &["two", "three", "four", "one"]),
        ("down:close-after=6", &["one", "two"]),
    ];
    let at_each = async |place: String| {
        for (fault, expected) in table {
            let (heard, _) = hears(&place, fault, &says, expected.len()).await;
            // A packet that arrives again behind the end of a session begins another.
            assert_eq!(heard, *expected, "{fault} at {place}");
        }
        let (heard, _) = hears(&place, "up:corrupt=100%", &["AAAA"], 1).await;
        let bits: u32 = heard[0].bytes().map(|byte| (byte ^ b'A').count_ones()).sum();
        assert!(heard[0].len() != 4 || bits == 1, "{heard:?} at {place}");
        // A reset may overtake what came before it, so that is heard first.
        let mut bent = Bent::new(&place, &["down:reset,after=1pkt"]);
        let mut conn = bent.dial().await;
        soon("room", conn.send(b"one")).await.expect("it is open");
        assert_eq!(receive(&mut conn).await.as_deref(), Some(&b"one"[..]), "{place}");
        // It may be over by now.
        let _ = soon("room", conn.send(b"two")).await;
        bent.relay.closed_by(Reason::Fault("reset")).await;
    };
    // They do little but wait.
    let mut waiting: Vec<_> =
        places(Shape::Packets).into_iter().map(|place| Some(Box::pin(at_each(place)))).collect();
    poll_fn(|cx| {
        for one in &mut waiting {
            one.take_if(|one| one.as_mut().poll(cx).is_ready());
        }
        if waiting.iter().all(Option::is_none) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

#[tokio::test]
async fn bytes_suffer_alike_over_every_transport() {
    let table: &[(&str, &str)] = &[
        ("latency=5ms", "one two three"),
        ("jitter=5ms", "one two three"),
        ("rate=1k", "one two three"),
        ("slice=2", "one two three"),
        ("stall=30ms,after=4", "one two three"),
        ("slow-accept=20ms", "one two three"),
        ("down:close-after=4", "one "),
        ("up:close-after=4", ""),
    ];
    for place in places(Shape::Bytes) {
        for (fault, expected) in table {
            let bent = Bent::new(&place, &[fault]);
            let mut conn = bent.dial().await;
            // The close may come first.
            let _ = soon("room", conn.send(b"one two three")).await;
            let _ = soon("an end", conn.end()).await;
            let mut heard = Vec::new();
            let mut room = vec![0; 4_096];
            let ended = loop {
                match soon("more", conn.recv(&mut room)).await {
                    Ok(Some(length)) => heard.extend_from_slice(&room[..length]),
                    Ok(None) => break true,
                    Err(_) => break false,
                }
            };
            let heard = String::from_utf8_lossy(&heard);
            let what = format!("{fault} at {place}");
            if fault.starts_with("up:") {
                // What was on its way back may be cut.
                assert!("one ".starts_with(&*heard), "{what}: {heard}");
            } else {
                assert_eq!((&*heard, ended), (*expected, true), "{what}");
            }
        }
    }
}

#[tokio::test]
async fn a_reset_is_a_reset_for_both_sides() {
    for place in places(Shape::Bytes).into_iter().filter(|place| !place.starts_with("memory")) {
        let bent = Bent::new(&place, &["down:reset,on=/two/"]);
        let mut conn = bent.dial().await;
        soon("room", conn.send(b"one two three")).await.expect("it is open");
        let mut heard = Vec::new();
        let mut room = vec![0; 4_096];
        let error = loop {
            match soon("more", conn.recv(&mut room)).await {
                Ok(Some(length)) => heard.extend_from_slice(&room[..length]),
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        assert!("one two".as_bytes().starts_with(&heard), "{place}: {}", heard.escape_ascii());
        // A Unix socket has no reset of its own: there it is an end.
        assert!(error.is_some() || place.starts_with("unix"), "{place} ended in order");
    }
}

#[tokio::test]
async fn what_loses_packets_is_refused_where_there_are_none() {
    for place in places(Shape::Bytes) {
        for fault in ["loss=1%", "dup=1%", "reorder=1%", "latency=1s,for=3pkt"] {
            let mut server = hobnob::engine::Server::new("relay").expect("built in");
            server.set("to", Some("tcp://127.0.0.1:1")).expect("an endpoint");
            server.set("fault", Some(fault)).expect("it is spelt well");
            server.on(&hobnob::engine::parse(&place).expect("an endpoint")).expect("it fits");
            let error = server.start().err().expect(fault);
            assert_eq!(error.kind(), hobnob::error::Kind::FaultNeedsDatagrams, "{place} {fault}");
            assert_eq!(error.span().expect("a caret").text, fault);
        }
    }
}
