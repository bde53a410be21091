//! What `docs/reference/hardship.md` says of a relay.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::process::{Command, Stdio};

use super::{Nobody, echo, relay, target};
use crate::kit::hardship::{
    connect, ends_without_its_events, full, goes_on_without_its_log, is_light, reset, with_files,
};
use crate::kit::{Bounded, Lines, code, hobnob, launch, signal};

fn asks(peer: &mut TcpStream) {
    peer.write_all(b"hello").expect("it is open");
    let mut room = [0; 5];
    peer.read_exact(&mut room).expect("it answers");
    assert_eq!(&room, b"hello");
}

/// Sessions that are served, each of which has two descriptors.
const SERVED: usize = 3;

/// Leaves a running program so many descriptors: an odd number lets one side of a session in and not the other.
fn leave(id: u32, free: usize) {
    let open = std::fs::read_dir(format!("/proc/{id}/fd")).expect("it runs");
    let open: BTreeSet<String> =
        open.map(|file| file.expect("a name").file_name().into_string().expect("digits")).collect();
    let left = (0..).filter(|number: &usize| !open.contains(&number.to_string()));
    let highest = left.take(free).last().expect("at least one");
    let limit = format!("--nofile={0}:{0}", highest + 1);
    let done = Command::new("prlimit").args(["--pid", &id.to_string(), &limit]).status();
    assert!(done.expect("prlimit is there").success());
}

#[test]
fn too_few_descriptors_for_both_sides() {
    let (_echo, at) = echo("tcp://127.0.0.1:0");
    // At the start.
    let done = launch(with_files(8, &["relay", "127.0.0.1:0", &at]));
    assert_eq!(code(done.child.wait()), 3);
    assert!(done.err.rest().join("\n").contains("error[too-many-files]"));
    // Later: more may not come than can be dialled for, unless somebody says so.
    let served = relay(&["127.0.0.1:0", &at, "--max-conns", "100", "--json"]);
    // A thread has a descriptor of its own once it has had a session: each has one here, before they are counted.
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut kept: Vec<_> = (0..cores).map(|_| connect(&served.address)).collect();
    kept.iter_mut().for_each(asks);
    kept.truncate(1);
    for _ in kept.len()..cores {
        served.out.until(r#""type":"close""#);
    }
    leave(served.child.id(), 2 * (SERVED - 1) + 1);
    kept.extend((1..SERVED).map(|_| connect(&served.address)));
    kept.iter_mut().for_each(asks);
    let gone = connect(&served.address).read(&mut [0; 8]);
    assert_eq!(gone.expect_err("nobody dialled for it").kind(), ErrorKind::ConnectionReset);
    let close = served.out.until(r#""reason":"error""#);
    assert!(close.contains("open files"), "{close}");
    // Who is served stays served; and when somebody leaves, others come.
    kept.iter_mut().for_each(asks);
    kept.truncate(1);
    for _ in kept.len()..SERVED {
        served.out.until(r#""type":"close""#);
    }
    asks(&mut connect(&served.address));
    asks(&mut kept[0]);
    drop(kept);
    let (code, _) = served.stop("TERM");
    assert_eq!(code, 0);
}

#[test]
fn a_full_disk_ends_it_only_under_its_events() {
    let (_echo, at) = echo("tcp://127.0.0.1:0");
    ends_without_its_events(hobnob(&["relay", "127.0.0.1:0", &at, "--json"]));
    let folder = crate::kit::folder();
    let path = folder.path().join("x.sock").to_string_lossy().into_owned();
    goes_on_without_its_log(hobnob(&["relay", &path, &at]), &path);
}

/// A file that may not grow is as a disk that is full; the shell says so to what it becomes.
#[test]
fn a_full_disk_under_decisions_is_told_counted_and_ends_nothing() {
    let (_echo, at) = echo("tcp://127.0.0.1:0");
    let folder = crate::kit::folder();
    let start = |flag: &str| {
        let path = folder.path().join(format!("decisions{flag}.jsonl"));
        let mut command = std::process::Command::new("sh");
        command.args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$0\" \"$@\""]);
        command.arg(env!("CARGO_BIN_EXE_hobnob")).args(["relay", "127.0.0.1:0", &at, flag]);
        command.args(["--fault", "down:close-after=2", "--decisions"]).arg(&path);
        (crate::kit::serve_with(command), path)
    };
    let ask = |served: &crate::kit::Served| {
        let done = crate::kit::run(&["talk", &served.address, "hello"]);
        assert_eq!((done.code, done.out.as_str()), (0, "he"), "{}", done.err);
    };
    let (served, path) = start("--json");
    ask(&served);
    served.out.until("decisions are lost, and the sessions go on");
    for _ in 0..2 {
        served.out.until(r#""what":"dropped","limit":"decisions","count":1"#);
        ask(&served);
    }
    signal(served.child.id(), "TERM");
    let summary = served.out.rest().pop().expect("a summary");
    assert!(summary.contains(r#""dropped":3"#), "{summary}");
    assert_eq!(std::fs::metadata(path).expect("it was made").len(), 0);

    let (served, _) = start("-v");
    ask(&served);
    served.err.until("decisions are lost, and the sessions go on");
    served.err.until("dropped by decisions: 1");
    let (code, rest) = served.stop("TERM");
    assert_eq!(code, 0);
    assert!(rest.iter().any(|line| line.ends_with(", 1 dropped")), "{rest:?}");
}

/// As the target of a file that cannot be written: the session ends, and says why.
#[test]
fn a_full_disk_under_standard_output_is_told() {
    let (target, at) = target();
    let mut command = hobnob(&["relay", "-", &at]);
    command.stdin(Stdio::piped()).stdout(full()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary is there");
    let err = Lines::of(child.stderr.take().expect("it is piped"));
    let input = child.stdin.take();
    let child = Bounded::of(child);
    let mut server = target.accept().expect("a session").0;
    server.write_all(b"an answer").expect("it is open");
    let said = err.rest().join("\n");
    assert!(said.contains("   no space left on device"), "{said}");
    child.wait();
    drop(input);
}

#[test]
fn the_first_signal_closes_and_the_second_drops() {
    // A terminal that is closed asks once, whoever says so how often.
    for (name, again) in [("TERM", "TERM"), ("INT", "INT"), ("HUP", "TERM")] {
        let (target, at) = target();
        let served = relay(&["127.0.0.1:0", &at]);
        let mut client = connect(&served.address);
        let mut server = target.accept().expect("a session").0;
        client.write_all(b"question").expect("it is open");
        server.read_exact(&mut [0; 8]).expect("it comes");
        let id = served.child.id();
        signal(id, name);
        served.err.until("closing 1 session");
        // The target hears an end in order, and its answer still arrives.
        assert_eq!(server.read(&mut [0; 8]).expect("an end in order"), 0, "{name}");
        server.write_all(b"answer").expect("it is open");
        client.read_exact(&mut [0; 6]).expect("it comes");
        signal(id, again);
        client.read(&mut [0; 8]).expect_err("a reset");
        assert_eq!(code(served.child.wait()), 0, "{name}");
    }
}

/// A transfer that is under way when the signal comes is not cut short.
#[test]
fn a_signal_in_the_middle_of_a_transfer_cuts_nothing_short() {
    const MUCH: usize = 64 << 20;
    let (target, at) = target();
    let served = relay(&["127.0.0.1:0", &at]);
    let mut client = connect(&served.address);
    let mut server = target.accept().expect("a session").0;
    let pouring = std::thread::spawn(move || {
        server.write_all(&vec![b'x'; MUCH]).expect("it is open");
        server.shutdown(Shutdown::Write).expect("it is open");
        server.read_to_end(&mut Vec::new()).expect("an end in order");
    });
    let mut room = vec![0; 1 << 20];
    client.read_exact(&mut room).expect("it comes");
    signal(served.child.id(), "TERM");
    served.err.until("closing 1 session");
    let mut heard = room.len();
    loop {
        match client.read(&mut room).expect("an end in order") {
            0 => break,
            length => heard += length,
        }
    }
    assert_eq!(heard, MUCH);
    drop(client);
    pouring.join().expect("no panic");
    assert_eq!(code(served.child.wait()), 0);
}

/// Who waits for a target, or for both, can still be ended.
#[test]
fn a_relay_that_waits_for_its_targets_ends_when_it_is_asked_to() {
    let (one, other) = (Nobody::new(), Nobody::new());
    for name in ["TERM", "INT"] {
        let words = ["relay", &one.address(), &other.address(), "--both-dial", "--retry"];
        let launched = launch(hobnob(&words));
        launched.err.until("Ctrl-C stops it.");
        let (code, _) = launched.stop(name);
        assert_eq!(code, 0, "{name}");
        let served = relay(&["127.0.0.1:0", &other.address(), "--retry"]);
        let _waits = connect(&served.address);
        served.err.until("  in");
        signal(served.child.id(), name);
        served.err.until("closing 1 session");
        let (code, _) = served.stop(name);
        assert_eq!(code, 0, "{name}");
    }
}

#[test]
fn a_side_that_does_not_read_holds_up_nobody_else() {
    let (target, at) = target();
    let served = relay(&["127.0.0.1:0", &at, "--json"]);
    let deaf = connect(&served.address);
    let mut pours = target.accept().expect("a session").0;
    let pouring =
        std::thread::spawn(move || while pours.write_all(&vec![b'x'; 1 << 16]).is_ok() {});
    let mut other = connect(&served.address);
    let mut server = target.accept().expect("a session").0;
    for _ in 0..100 {
        other.write_all(b"hello").expect("it is open");
        server.read_exact(&mut [0; 5]).expect("it is served all the same");
        server.write_all(b"hello").expect("it is open");
        other.read_exact(&mut [0; 5]).expect("it is served all the same");
    }
    is_light(served.child.id());
    drop((deaf, other, server));
    pouring.join().expect("no panic");
    let (code, _) = served.stop("INT");
    assert_eq!(code, 0);
}

#[test]
fn a_reset_of_either_side_is_a_reset_for_the_other() {
    let (target, at) = target();
    let served = relay(&["127.0.0.1:0", &at, "--json"]);
    for client_resets in [true, false] {
        let mut client = connect(&served.address);
        let mut server = target.accept().expect("a session").0;
        client.write_all(b"x").expect("it is open");
        server.read_exact(&mut [0]).expect("it comes");
        let (resets, mut other) = if client_resets { (client, server) } else { (server, client) };
        reset(resets);
        let error = other.read(&mut [0; 8]).expect_err("a reset");
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        let close = served.out.until(r#""type":"close""#);
        assert!(close.contains(r#""reason":"reset""#), "{close}");
        let by = if client_resets { r#""by":"peer""# } else { r#""by":"upstream""# };
        assert!(close.contains(by), "{close}");
    }
}
