//! What `docs/reference/hardship.md` says of a relay under faults.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use super::{echo, relay, target};
use crate::kit::{BOUND, code, signal};

fn connect(address: &str) -> TcpStream {
    let peer = TcpStream::connect(address).expect("it listens");
    peer.set_read_timeout(Some(BOUND)).expect("a timeout");
    peer
}

#[test]
fn a_signal_lets_what_is_held_arrive() {
    let (_echo, at) = echo("tcp://127.0.0.1:0");
    let served = relay(&["127.0.0.1:0", &at, "--json", "--fault", "latency=100ms"]);
    let mut client = connect(&served.address);
    client.write_all(b"on its way").expect("it is open");
    served.out.until(r#""type":"dialed""#);
    signal(served.child.id(), "TERM");
    let mut heard = Vec::new();
    client.read_to_end(&mut heard).expect("an end in order");
    assert_eq!(heard, b"on its way");
    assert_eq!(code(served.child.wait()), 0);
}

#[test]
fn a_second_signal_cuts_what_is_held_for_good() {
    let (target, at) = target();
    let served = relay(&["127.0.0.1:0", &at, "--json", "--fault", "stall"]);
    let mut client = connect(&served.address);
    client.write_all(b"into silence").expect("it is open");
    let mut server = target.accept().expect("a session").0;
    served.out.until(r#""type":"data""#);
    signal(served.child.id(), "TERM");
    served.out.until("draining");
    signal(served.child.id(), "TERM");
    let error = server.read(&mut [0; 8]).expect_err("not an end: it was cut short");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    let close = served.out.until(r#""type":"close""#);
    assert!(close.contains(r#""reason":"stopped""#), "{close}");
    assert_eq!(code(served.child.wait()), 0);
}

/// What is held for an hour is not waited for when there is nobody any more.
#[test]
fn a_reset_of_either_side_goes_past_what_is_held() {
    let (target, at) = target();
    let served = relay(&["127.0.0.1:0", &at, "--json", "--fault", "latency=1h"]);
    for client_resets in [true, false] {
        let mut client = connect(&served.address);
        let mut server = target.accept().expect("a session").0;
        client.write_all(b"for later").expect("it is open");
        server.write_all(b"for later").expect("it is open");
        served.out.until(r#""type":"data""#);
        let (resets, mut other) = if client_resets { (client, server) } else { (server, client) };
        let resets = socket2::Socket::from(resets);
        resets.set_linger(Some(Duration::ZERO)).expect("it is open");
        drop(resets);
        let error = other.read(&mut [0; 8]).expect_err("a reset");
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        let close = served.out.until(r#""type":"close""#);
        assert!(close.contains(r#""reason":"reset""#), "{close}");
    }
}

/// One direction holds what its fault may, and asks for no more.
#[test]
fn a_side_that_is_stalled_holds_up_nobody_else() {
    let (target, at) = target();
    let served = relay(&[
        "127.0.0.1:0",
        &at,
        "--json",
        "-q",
        "--fault",
        "down:stall,when=50%",
        "--seed",
        "1",
    ]);
    let mut stalled = Vec::new();
    let mut is_served = false;
    // By this seed some are stalled, and some are not.
    for _ in 0..8 {
        let mut client = connect(&served.address);
        let mut server = target.accept().expect("a session").0;
        server.set_nonblocking(true).expect("set");
        let pouring = vec![b'x'; 1 << 16];
        while server.write(&pouring).is_ok() {}
        client.set_read_timeout(Some(Duration::from_millis(300))).expect("a timeout");
        is_served |= client.read_exact(&mut vec![0; 1 << 16]).is_ok();
        stalled.push((client, server));
    }
    assert!(is_served, "nobody was");
    let status = std::fs::read_to_string(format!("/proc/{}/statm", served.child.id()));
    let status = status.expect("it runs");
    let resident: u64 = status.split(' ').nth(1).and_then(|n| n.parse().ok()).expect("a number");
    assert!(resident * 4_096 < 128 << 20, "{resident} pages");
    drop(stalled);
    assert_eq!(served.stop("INT").0, 0);
}

#[test]
fn who_fills_a_stalled_direction_and_resets_is_gone() {
    let (target, at) = target();
    let served = relay(&["127.0.0.1:0", &at, "--json", "--fault", "stall"]);
    let mut client = connect(&served.address);
    let mut server = target.accept().expect("a session").0;
    served.out.until(r#""type":"dialed""#);
    client.set_nonblocking(true).expect("a socket");
    let mut said = 0;
    while said < 300_000
        && let Ok(length) = client.write(&vec![b'x'; 65_536])
    {
        said += length;
    }
    let client = socket2::Socket::from(client);
    client.set_linger(Some(Duration::ZERO)).expect("a socket");
    drop(client);
    let error = server.read(&mut [0; 8]).expect_err("a reset");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    let close = served.out.until(r#""type":"close""#);
    assert!(close.contains(r#""reason":"reset""#), "{close}");
}
