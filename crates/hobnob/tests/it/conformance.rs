//! Every transport of the table keeps what a channel promises.

use std::future::Future;

use hobnob::address::Address;
use hobnob::engine::{Dialer, parse};
use hobnob::error::Kind;
use hobnob::socket::{AsyncSocket, Family, Flags, Socket, Type};
use hobnob::spec::Shape;
use hobnob::testing::promise::{self, Sight};
use hobnob::testing::{Medium, Pair};

use crate::places;
use crate::stage::alone::{self, Wiring};

/// Runs a check on every medium; a failure is told with its name.
///
/// Standard input and output are a medium too. A process has them once, so each of their parts is this test again, in
/// a child, where it is asked about that part alone.
fn on_every_medium<T>(check: &impl AsyncFn(&Medium) -> T) -> Vec<(Medium, T)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let (mut media, mut children) = (Vec::new(), Vec::new());
    if let Some(part) = alone::part() {
        media.extend(Part::all().filter(|ours| ours.name() == part).map(Part::medium));
    } else {
        children.extend(Part::all().map(|part| alone::play(&alone::test(), &part.name())));
        media.extend([Shape::Bytes, Shape::Packets].map(Medium::memory));
        for (row, fresh) in places::all() {
            media.push(Medium::new(move || fresh(row.spec.name)).expect("an endpoint"));
        }
    }
    let results = media
        .into_iter()
        .map(|medium| {
            let told = medium_and(&medium, check(&medium));
            let result = runtime.block_on(told);
            (medium, result)
        })
        .collect();
    alone::give_back();
    for child in children {
        child.finish().unwrap_or_else(|said| panic!("on standard input and output: {said}"));
    }
    results
}

/// What standard input and output are, and which end of the pair they are.
struct Part {
    wiring: Wiring,
    is_dialled: bool,
}

impl Part {
    fn all() -> impl Iterator<Item = Part> {
        let both = |wiring| [true, false].map(|is_dialled| Part { wiring, is_dialled });
        Wiring::ALL.into_iter().flat_map(both)
    }

    fn name(&self) -> String {
        let side = if self.is_dialled { "dialled" } else { "accepted" };
        format!("{side} over {:?}", self.wiring)
    }

    fn medium(self) -> Medium {
        let (row, at) = (&hobnob::transport::stdio::ROW, "-");
        let Part { wiring, is_dialled } = self;
        Medium::made(row.spec.name, row.shape, move || {
            Box::pin(async move {
                let (peer, at) = (alone::take_over(wiring), parse(at)?);
                let dialler = Dialer::default();
                if is_dialled {
                    let ours = dialler.dial(&at).await?.conn;
                    let bound = ours.facts().peer.clone();
                    return Ok(Pair::new(ours, peer, bound));
                }
                let waiting = dialler.listen(&at).await?;
                let bound = waiting.bound().swap_remove(0).address;
                Ok(Pair::new(peer, waiting.accept().await?.0, bound))
            })
        })
    }
}

async fn medium_and<T>(medium: &Medium, check: impl Future<Output = T>) -> T {
    struct Told<'a>(&'a Medium);
    impl Drop for Told<'_> {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("on {} with {}", self.0.name(), self.0.shape());
            }
        }
    }
    let _told = Told(medium);
    check.await
}

#[test]
fn both_directions_carry_and_packets_keep_their_borders() {
    on_every_medium(&promise::both_directions);
}

#[test]
fn a_packet_larger_than_the_buffer_is_an_error_and_the_conn_goes_on() {
    on_every_medium(&promise::larger_than_the_buffer);
}

#[test]
fn one_direction_ends_and_the_other_goes_on() {
    on_every_medium(&promise::half_close);
}

#[test]
fn an_abort_is_seen_as_its_medium_has_it() {
    for (medium, sight) in on_every_medium(&promise::abort) {
        let documented = match medium.name() {
            "tcp" | "memory" => Sight::Reset,
            // The kernel makes a Unix reset only of bytes that were left unread.
            // A pipe has none at all.
            "unix" | "unixseq" | "stdio" => Sight::End,
            "udp" | "unixgram" => Sight::Nothing,
            _ => sight,
        };
        assert_eq!(sight, documented, "{}", medium.name());
    }
}

#[test]
fn a_peer_that_goes_with_bytes_unread_is_a_reset_after_its_last_words() {
    for (medium, (sight, were_heard)) in on_every_medium(&promise::last_words) {
        // The kernel's datagram code, which seqpacket uses, tells an error before it looks at its queue.
        assert_eq!(were_heard, medium.name() != "unixseq", "{}", medium.name());
        match medium.name() {
            "udp" | "unixgram" => assert_eq!(sight, Sight::Nothing, "{}", medium.name()),
            // A pipe has none: only who goes on sending hears of it.
            "stdio" => assert_ne!(sight, Sight::Nothing),
            name => assert_eq!(sight, Sight::Reset, "{name}"),
        }
    }
}

#[test]
fn every_poll_may_be_given_up() {
    on_every_medium(&promise::cancel_safe);
}

#[test]
fn a_clogged_medium_goes_on_when_it_is_drained() {
    for (medium, can_clog) in on_every_medium(&promise::clogged) {
        // A listener that deals one socket's datagrams out drops, and counts, what a session does not fetch.
        let is_dealt = ["udp", "unixgram"].contains(&medium.name());
        assert_eq!(can_clog, !is_dealt, "{}", medium.name());
    }
}

#[test]
fn who_polled_last_is_woken() {
    on_every_medium(&promise::the_last_waker_counts);
}

#[test]
fn facts_tell_the_truth() {
    for (medium, pair) in on_every_medium(&promise::facts) {
        let (name, vouched) = (medium.name(), pair.accepted.facts().credentials());
        let has_vitals = pair.dialled.vitals().is_some() && pair.accepted.vitals().is_some();
        assert_eq!(has_vitals, name == "tcp", "{name}");
        match vouched {
            Some(process) => {
                let us = i32::try_from(std::process::id()).expect("small");
                assert_eq!(process.pid, us, "{name}");
                assert_eq!(pair.dialled.facts().credentials().map(|them| them.pid), Some(us));
            }
            None => assert!(!["unix", "unixseq"].contains(&name), "{name} has credentials"),
        }
    }
}

// safety.md 22
#[tokio::test]
async fn case_22_a_full_unix_peer_does_not_make_the_socket_full_for_others() {
    let place = |name: &str| {
        Address::Abstract(format!("hobnob-it-22-{}-{name}", std::process::id()).as_bytes().into())
    };
    let open = |name: &str| {
        let socket = Socket::open(Family::Unix, Type::Datagram, 0, None).expect("a socket");
        socket.bind(&place(name)).expect("a free name");
        socket
    };
    let (_deaf, other) = (open("deaf"), open("other"));
    let server = AsyncSocket::new(open("server")).expect("a runtime");
    server.writable().await.expect("nothing was sent");
    let full = loop {
        if let Err(error) = server.try_send_to(b"x", &place("deaf")) {
            break error;
        }
    };
    assert_eq!(full.kind(), Kind::WouldBlock);
    assert_eq!(server.try_send_to(b"heard", &place("other")), Ok(5));
    assert_eq!(other.recv(&mut [0; 8], Flags::NONE), Ok(5));
}
