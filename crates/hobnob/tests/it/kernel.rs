//! What the kernel shows of TCP sockets in `/proc/net/tcp` (proc(5), and `networking/proc_net_tcp` of its own pages).
//! It wakes nobody, so whoever waits for it looks again and again.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::stage::soon;

/// Waits until nobody waits in the backlog of this port: a listening socket shows that as its receive queue.
pub(crate) async fn accepted(port: u16) {
    let local = shown(SocketAddr::from(([127, 0, 0, 1], port)));
    // State 0A is listening; the queues are sent and received.
    until("the accept", |line| {
        line[1] == local && line[3] == "0A" && line[4].ends_with(":00000000")
    })
    .await;
}

/// Writes, reads nothing, and returns when neither direction goes on: each end has bytes that the other has no room
/// for, and its kernel asks from time to time whether there is room now.
pub(crate) async fn clog(client: &mut TcpStream) {
    let here = shown(client.local_addr().expect("it is bound"));
    let there = shown(client.peer_addr().expect("it is connected"));
    let asks = |from: &str, to: &str, line: &[&str]| {
        // Timer 04 probes a window of zero.
        line[1] == from && line[2] == to && line[5].starts_with("04:")
    };
    let lines = [&[b'x'; 1_023][..], b"\n"].concat().repeat(64);
    let pouring = async { while client.write_all(&lines).await.is_ok() {} };
    let clogged = async {
        until("answers without room", |line| asks(&there, &here, line)).await;
        until("questions without room", |line| asks(&here, &there, line)).await;
    };
    tokio::select! {
        () = pouring => panic!("it was cut before it stood still"),
        () = clogged => {}
    }
}

async fn until(what: &str, is_it: impl Fn(&[&str]) -> bool) {
    let looking = async {
        loop {
            let sockets = std::fs::read_to_string("/proc/net/tcp").expect("Linux has it");
            // Number, local and peer address, state, queues, timer, and more.
            if sockets.lines().any(|line| is_it(&line.split_whitespace().collect::<Vec<_>>())) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    soon(what, looking).await;
}

fn shown(address: SocketAddr) -> String {
    let SocketAddr::V4(address) = address else { panic!("IPv6 is in another file") };
    // As the number that these four bytes are in memory.
    format!("{:08X}:{:04X}", u32::from_ne_bytes(address.ip().octets()), address.port())
}
