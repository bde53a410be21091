//! Relays under faults, on real sockets: the same table of faults over every transport and through TLS, and bytes that
//! come out as they went in.

mod budget;
mod bulk;
mod doors;
mod table;
mod telling;

use std::future::poll_fn;
use std::task::Poll;

use hobnob::conn::Conn;
use hobnob::engine::{Dialer, Server, parse};
use hobnob::spec::Shape;
use tempfile::TempDir;

use crate::stage::{Stage, soon};

/// A relay under faults with an echo behind it.
struct Bent {
    relay: Stage,
    _echo: Stage,
    to: String,
    _papers: TempDir,
}

impl Bent {
    /// `place` is where the relay listens: `tcp://127.0.0.1:0`, `tls://127.0.0.1:0`, `unixgram:/tmp/x`.
    fn new(place: &str, faults: &[&str]) -> Self {
        Self::with(place, |server| {
            for fault in faults {
                server.set("fault", Some(fault)).expect(fault);
            }
        })
    }

    fn with(place: &str, set: impl FnOnce(&mut Server)) -> Self {
        let papers = tempfile::tempdir().expect("a folder");
        let place = &*crate::places::anew(place);
        let is_bytes = parse(place).and_then(|at| hobnob::engine::resolve(&at)).expect(place).shape
            == Shape::Bytes;
        let behind = if is_bytes { "tcp://127.0.0.1:0" } else { "udp://127.0.0.1:0" };
        let echo = Stage::serve("echo", behind);
        let target = behind.replace(":0", &format!(":{}", echo.address().port()));
        let state = papers.path().display();
        let (listening, dialling) = if place.starts_with("tls") {
            (format!(",dev-ca={state}"), format!(",ca=dev,dev-ca={state}"))
        } else {
            (String::new(), String::new())
        };
        let relay = Stage::with("relay", &format!("{place}{listening}"), |server| {
            server.set("to", Some(&target)).expect("an endpoint");
            server.seed = Some(11);
            set(server);
        });
        let to = match relay.running.bound()[0].address.ip() {
            Some(ip) => place.replace(":0", &format!(":{}", ip.port())),
            None => place.to_owned(),
        };
        Bent { relay, _echo: echo, to: format!("{to}{dialling}"), _papers: papers }
    }

    async fn dial(&self) -> Conn {
        let to = parse(&self.to).expect("an endpoint");
        soon("a conn", Dialer::default().dial(&to)).await.expect("it listens").conn
    }

    fn turn(&self, faults: &[&str]) {
        self.relay.running.faults().expect("a relay has them").turn(faults).expect("they fit");
    }
}

/// Where a relay can stand, of each transport that this machine has for this shape.
fn places(shape: Shape) -> Vec<String> {
    let all = crate::places::all().into_iter().filter(|(row, _)| row.shape == shape);
    let mut places: Vec<_> = all.map(|(row, fresh)| fresh(row.spec.name)).collect();
    if shape == Shape::Bytes {
        places.push("tls://127.0.0.1:0".to_owned());
    } else {
        places.push("lines+tcp://127.0.0.1:0".to_owned());
    }
    places
}

/// One packet, or some bytes; none at the end, and after a reset.
async fn receive(conn: &mut Conn) -> Option<Vec<u8>> {
    let mut room = vec![0; 65_536];
    let length = soon("an answer", conn.recv(&mut room)).await.ok()??;
    room.truncate(length);
    Some(room)
}

/// Says `total` bytes of a pattern and hears them again, both at once; answers how many came back in their order.
async fn echoed(conn: &mut Conn, total: usize) -> usize {
    let pattern: Vec<u8> =
        (0..65_521_u32).map(|at| at.to_le_bytes()[0] ^ at.to_le_bytes()[1]).collect();
    let (mut sent, mut heard, mut has_ended) = (0, 0, false);
    let mut room = vec![0; 262_144];
    poll_fn(|cx| {
        loop {
            let mut has_moved = false;
            while sent < total {
                let from = sent % pattern.len();
                let part = &pattern[from..];
                let part = &part[..part.len().min(total - sent)];
                match conn.channel().poll_send(cx, part) {
                    Poll::Ready(taken) => sent += taken.expect("the relay stands"),
                    Poll::Pending => break,
                }
                has_moved = true;
            }
            if sent == total && !has_ended {
                has_ended = conn.channel().poll_end(cx).is_ready();
            } else {
                let _ = conn.channel().poll_flush(cx);
            }
            match conn.channel().poll_recv(cx, &mut room) {
                Poll::Ready(Ok(Some(length))) => {
                    let mut rest = &room[..length];
                    while !rest.is_empty() {
                        let due = &pattern[heard % pattern.len()..];
                        let (part, others) = rest.split_at(due.len().min(rest.len()));
                        if !due.starts_with(part) {
                            return Poll::Ready(());
                        }
                        heard += part.len();
                        rest = others;
                    }
                    has_moved = true;
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => {}
            }
            if !has_moved {
                return Poll::Pending;
            }
        }
    })
    .await;
    heard
}
