//! A server where nothing happens does nothing.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Stdio;
use std::time::Duration;

use crate::kit::{Bounded, hobnob, serve};

/// How often the threads of a process have gone to sleep so far: as often as they were woken (proc(5)).
fn wakes(id: u32) -> u64 {
    let tasks = std::fs::read_dir(format!("/proc/{id}/task")).expect("it lives");
    let count = |task: std::io::Result<std::fs::DirEntry>| {
        let status = std::fs::read_to_string(task.ok()?.path().join("status")).ok()?;
        let mut lines = status.lines();
        let count = lines.find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
        count.trim().parse::<u64>().ok()
    };
    tasks.filter_map(count).sum()
}

#[expect(clippy::disallowed_methods, reason = "what does not happen cannot be awaited")]
fn sleeps(id: u32) {
    // Until it has done what it had to do.
    let mut last = wakes(id);
    for _ in 0..50 {
        std::thread::sleep(Duration::from_millis(200));
        let now = wakes(id);
        if now == last {
            break;
        }
        last = now;
    }
    std::thread::sleep(Duration::from_secs(3));
    let woken = wakes(id) - last;
    assert!(woken <= 3, "woken {woken} times in three seconds in which nothing happened");
}

#[test]
fn a_server_that_is_idle_is_not_woken() {
    for words in [
        &["echo", "tcp://127.0.0.1:0"][..],
        &["echo", "udp://127.0.0.1:0"],
        &["echo", "tcp://127.0.0.1:0", "--json"],
        &["relay", "tcp://127.0.0.1:0", "--to", "tcp://127.0.0.1:9"],
    ] {
        let served = serve(words);
        sleeps(served.child.id());
        assert_eq!(served.stop("TERM").0, 0, "{words:?}");
    }
}

/// Talk watches for the reader of its stdout to leave: it is told of that, and of nothing else.
#[test]
fn a_conversation_that_is_idle_is_not_woken() {
    let served = serve(&["echo", "127.0.0.1:0"]);
    let mut command = hobnob(&["talk", &served.address]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("the binary is there");
    let mut input = child.stdin.take().expect("it is piped");
    let mut out = child.stdout.take().expect("it is piped");
    let child = Bounded::of(child);
    input.write_all(b"hi").expect("it reads");
    out.read_exact(&mut [0; 2]).expect("the echo comes back");
    sleeps(child.id());
    drop((input, out));
    child.wait();
}

/// Time on a processor so far (proc(5): utime and stime are the 14th and 15th field).
fn worked(id: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).expect("it lives");
    let fields: Vec<_> = stat.rsplit_once(") ").expect("a name").1.split(' ').collect();
    let ticks = fields[11..13].iter().map(|ticks| ticks.parse::<u64>().expect("ticks"));
    Duration::from_millis(ticks.sum::<u64>() * 10)
}

#[test]
#[expect(clippy::disallowed_methods, reason = "what does not happen cannot be awaited")]
fn a_datagram_peer_that_reads_nothing_costs_no_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let place = |name: &str| format!("unixgram:{}", path(name).display());
    let (echo, relay, chat) = (place("echo"), place("relay"), place("chat"));
    let served = [
        serve(&["echo", &echo]),
        serve(&["relay", &relay, "--to", &echo]),
        serve(&["chat", "--no-names", &chat]),
    ];
    let deaf = std::os::unix::net::UnixDatagram::bind(path("deaf")).expect("a free path");
    for to in ["echo", "relay", "chat"] {
        for _ in 0..100 {
            deaf.send_to(b"/who", path(to)).expect("it listens");
        }
    }
    // Until they have tried what they can try at once.
    std::thread::sleep(Duration::from_millis(500));
    let before: Vec<_> = served.iter().map(|served| worked(served.child.id())).collect();
    std::thread::sleep(Duration::from_secs(1));
    for (served, before) in served.iter().zip(before) {
        let worked = worked(served.child.id()).saturating_sub(before);
        assert!(worked < Duration::from_millis(150), "{}: {worked:?} of 1 s", served.address);
    }
}

#[test]
fn a_server_tells_what_happens_after_a_long_sleep_and_sleeps_again() {
    let served = serve(&["echo", "127.0.0.1:0"]);
    sleeps(served.child.id());
    let mut peer = TcpStream::connect(&served.address).expect("it listens");
    peer.write_all(b"good morning\n").expect("it is open");
    served.err.until("good morning");
    let mut room = [0; 64];
    assert!(peer.read(&mut room).expect("an answer") > 0);
    drop(peer);
    sleeps(served.child.id());
    assert_eq!(served.stop("TERM").0, 0);
}
