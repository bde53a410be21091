//! Echo requests: over both kinds of sockets, with what the kernel allows.

use hobnob::Dialer;
use hobnob::conn::Conn;
use hobnob::engine::parse;
use hobnob::error::Kind;

use crate::stage::nets::in_a_network;
use crate::stage::{skip, soon};

/// A conn, or the test is left out, because this machine allows neither kind of socket.
async fn dialled(name: &str, at: &str) -> Option<Conn> {
    let dialled = Dialer::default().dial(&parse(at).expect("an endpoint")).await;
    match dialled {
        Ok(dialled) => Some(dialled.conn),
        Err(error) if error.kind() == Kind::RawSocketDenied => {
            skip(name, "neither raw sockets nor net.ipv4.ping_group_range");
            None
        }
        Err(error) => panic!("{at}: {error:?}"),
    }
}

async fn echoes(conn: &mut Conn) {
    let mut room = vec![0; 65_536];
    for length in [0, 1, 56, 1_000, 9_001] {
        let sent: Vec<u8> = (0_u8..=255).cycle().take(length).collect();
        conn.send(&sent).await.expect("sent");
        let came = soon("a reply", conn.recv(&mut room)).await.expect("no error");
        assert_eq!(room.get(..came.expect("no end")), Some(sent.as_slice()));
    }
}

#[tokio::test]
async fn the_kernel_sends_back_what_a_request_carries() {
    for at in ["icmp://127.0.0.1", "icmp://::1", "icmp://127.0.0.1,source=127.0.0.2,ttl=1"] {
        let name = "icmp::the_kernel_sends_back_what_a_request_carries";
        let Some(mut conn) = dialled(name, at).await else { return };
        echoes(&mut conn).await;
        assert_eq!(conn.facts().peer.to_string(), at[7..].split(',').next().expect("a host"));
        assert_eq!(conn.facts().peer.ip().expect("an IP address").port(), 0);
        let error = conn.send(&vec![0; 70_000]).await.expect_err("too long");
        assert_eq!(error.kind(), Kind::MessageTooLong);
        assert!(error.reasons()[0].contains("65507 over IPv4"), "{error:?}");
        conn.send(b"the next is as good as ever").await.expect("sent");
    }
}

#[tokio::test]
async fn a_reply_to_somebody_else_is_not_taken() {
    let name = "icmp::a_reply_to_somebody_else_is_not_taken";
    let at = "icmp://127.0.0.1";
    let (Some(mut one), Some(mut other)) = (dialled(name, at).await, dialled(name, at).await)
    else {
        return;
    };
    one.send(b"one").await.expect("sent");
    other.send(b"other").await.expect("sent");
    let mut room = [0; 16];
    assert_eq!(soon("a reply", other.recv(&mut room)).await, Ok(Some(5)));
    assert_eq!(soon("a reply", one.recv(&mut room)).await, Ok(Some(3)));
    let mut packet = [0; 2];
    one.send(b"larger").await.expect("sent");
    let error = soon("a reply", one.recv(&mut packet)).await.expect_err("it does not fit");
    assert_eq!(error.kind(), Kind::MessageTooLong);
}

#[tokio::test]
async fn nobody_listens_on_icmp_but_the_kernel() {
    let error = hobnob::serve("echo", "icmp://127.0.0.1").err().expect("refused");
    assert_eq!(error.kind(), Kind::DoesNotFit);
    assert!(!error.hints().is_empty());
}

/// How many sockets a table of the kernel has (`/proc/net/icmp`, `/proc/net/raw`).
fn sockets_in(table: &str) -> usize {
    std::fs::read_to_string(format!("/proc/self/net/{table}"))
        .map_or(0, |text| text.lines().count() - 1)
}

#[test]
fn a_datagram_socket_is_taken_where_it_may_be_had_and_a_raw_one_otherwise() {
    const NAME: &str =
        "icmp::a_datagram_socket_is_taken_where_it_may_be_had_and_a_raw_one_otherwise";
    in_a_network(NAME, "ip link set lo up", || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            for (group, sockets) in [("1 0", [0, 1]), ("0 0", [1, 0])] {
                let set = std::fs::write("/proc/sys/net/ipv4/ping_group_range", group);
                if let Err(error) = set {
                    return skip(NAME, &format!("ping_group_range cannot be set: {error}"));
                }
                for (at, tables) in
                    [("icmp://127.0.0.1", ["icmp", "raw"]), ("icmp://::1", ["icmp6", "raw6"])]
                {
                    let Some(mut conn) = dialled(NAME, at).await else { return };
                    assert_eq!(tables.map(sockets_in), sockets, "{at} with {group}");
                    echoes(&mut conn).await;
                }
            }
        });
    });
}
