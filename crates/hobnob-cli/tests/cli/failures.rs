//! What goes wrong on the way and at the limits, each made to happen.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::process::{Command, Stdio};

use crate::kit::{BOUND, Done, Lines, finish, folder, hobnob, run, run_with, serve, skip};

const BINARY: &str = env!("CARGO_BIN_EXE_hobnob");

fn is(done: &Done, slug: &str, code: i32) {
    assert!(done.err.contains(&format!("error[{slug}]")), "{slug}: {}{}", done.out, done.err);
    assert_eq!(done.code, code, "{slug}: {}", done.err);
    assert!(done.err.contains("\n  try    "), "{}", done.err);
}

#[test]
fn a_network_without_a_way_there() {
    let is_possible = Command::new("unshare").args(["-n", "true"]).output();
    if !is_possible.is_ok_and(|done| done.status.success()) {
        return skip("a_network_without_a_way_there", "needs root and unshare");
    }
    for address in ["203.0.113.9:80", "udp://203.0.113.9:80"] {
        let mut command = Command::new("unshare");
        command.args(["-n", BINARY, "talk", address, "x"]);
        let done = finish(command, b"");
        is(&done, "unreachable", 5);
        assert!(done.err.contains("-> ENETUNREACH (101)"), "{}", done.err);
    }
}

#[test]
fn a_host_that_does_not_answer() {
    // A full queue answers no more SYN. Here an answer is there before connect() returns, so no machine is too slow for
    // the pause that shows its absence.
    let listener = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
    let listener = listener.expect("a socket");
    let any = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    listener.bind(&any.into()).expect("a port");
    listener.listen(0).expect("it listens");
    let at = listener.local_addr().expect("it is bound").as_socket().expect("an IP address");
    let fill = || {
        let peer = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
        peer.connect_timeout(&at.into(), std::time::Duration::from_millis(100)).map(|()| peer)
    };
    let mut queued = Vec::new();
    while let Ok(peer) = fill() {
        queued.push(peer);
    }
    let done = run(&["talk", &at.to_string(), "--timeout", "100ms"]);
    is(&done, "connect-timeout", 6);
    assert!(done.err.contains(&format!("{at} did not answer within 100ms")), "{}", done.err);
    assert!(done.err.contains(&format!("hobnob talk {at} --timeout 60s")), "{}", done.err);
}

#[test]
fn parts_that_do_not_fit() {
    is(&run(&["talk", "lines+udp://127.0.0.1:9", "x"]), "does-not-fit", 2);
    is(&run(&["serve", "source", "udp://0.0.0.0:0", "--for", "1ms"]), "does-not-fit", 2);
    let folder = folder();
    let path = folder.path().join("x.sock");
    let _datagrams = UnixDatagram::bind(&path).expect("a socket");
    let done = run(&["talk", &path.to_string_lossy(), "x"]);
    is(&done, "does-not-fit", 2);
    assert!(done.err.contains("is a socket of another type"), "{}", done.err);
}

#[test]
fn a_frame_that_is_too_long() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("it is bound").to_string();
    let peer = std::thread::spawn(move || {
        let (mut peer, _) = listener.accept().expect("a peer");
        let _ = peer.write_all(&vec![b'x'; 70_000]);
        let _ = peer.read_to_end(&mut Vec::new());
    });
    let done = run(&["talk", &format!("lines+tcp://{address}"), "--no-half-close"]);
    is(&done, "bad-frame", 10);
    peer.join().expect("the peer does not panic");
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = silent.local_addr().expect("it is bound").to_string();
    let done = run(&["talk", &format!("lines+tcp://{address}"), "two\nlines"]);
    is(&done, "bad-frame", 10);
}

#[test]
fn a_limit_that_cuts_is_named() {
    let served = serve(&["ok", "127.0.0.1:0", "--json", "--once"]);
    let mut peer = TcpStream::connect(&served.address).expect("it listens");
    peer.write_all(b"first\n").expect("it is open");
    let _ = peer.write_all(&vec![b'x'; 100_000]);
    let close = served.out.until(r#""type":"close""#);
    let close: serde_json::Value = serde_json::from_str(&close).expect("JSON");
    assert_eq!(close["reason"], "limit", "{close}");
    assert!(close["detail"].as_str().is_some_and(|text| text.contains("65536")), "{close}");
}

#[test]
fn a_peer_that_goes_in_the_middle() {
    // Reset: closed with bytes unread. Over tcp while we listen, over unix while we send.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("it is bound").to_string();
    let peer = std::thread::spawn(move || {
        let (mut peer, _) = listener.accept().expect("a peer");
        peer.write_all(b"part of an answer").expect("it is open");
        peer.read_exact(&mut [0; 1]).expect("a byte");
    });
    let done = run_with(&["talk", &address], b"a question");
    is(&done, "connection-reset", 5);
    peer.join().expect("the peer does not panic");

    let folder = folder();
    let path = folder.path().join("x.sock");
    let listener = UnixListener::bind(&path).expect("a socket");
    let peer = std::thread::spawn(move || {
        let (mut peer, _) = listener.accept().expect("a peer");
        peer.read_exact(&mut [0; 1]).expect("a byte");
    });
    let done = run_with(&["talk", &path.to_string_lossy()], &vec![b'x'; 4 << 20]);
    is(&done, "connection-reset", 5);
    peer.join().expect("the peer does not panic");
}

#[test]
fn a_record_that_is_not_read_is_a_reset_that_explains_itself() {
    let folder = folder();
    let path = format!("unixseq:{}", folder.path().join("x.sock").display());
    let served = serve(&["echo", &path]);
    let script = "import socket,sys\ns = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)\n\
                  s.connect(sys.argv[1])\ns.send(b'ask')\n\
                  import select\nselect.select([s], [], [])\ns.close()\n";
    let asked = Command::new("python3").args(["-c", script, &path["unixseq:".len()..]]).status();
    assert!(asked.is_ok_and(|status| status.success()), "python3 asks");
    let line = served.err.until("  out after");
    assert!(line.ends_with("reset: the peer left, perhaps with our answer unread"), "{line}");
}

#[test]
fn the_longest_datagram() {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let address = format!("udp://{}", socket.local_addr().expect("it is bound"));
    let done = run_with(&["talk", &address], &vec![b'x'; 65_508]);
    is(&done, "message-too-long", 10);
    assert!(done.err.contains("65,508 bytes do not fit into one datagram"), "{}", done.err);
    assert!(done.err.contains("-> EMSGSIZE (90)"), "{}", done.err);
    let done = run_with(&["talk", &address, "--wait", "1ms"], &vec![b'x'; 65_507]);
    assert_eq!(done.code, 6, "it was sent, and nobody answers: {}", done.err);
    socket.set_read_timeout(Some(BOUND)).expect("a timeout");
    let mut room = vec![0; 70_000];
    assert_eq!(socket.recv(&mut room).expect("it came"), 65_507);
}

#[test]
fn names_in_the_file_system() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let listen = |path: &str| run(&["serve", "echo", path, "--for", "1ms"]);

    let live = UnixListener::bind(at("live")).expect("a socket");
    is(&listen(&at("live")), "socket-file-exists", 3);
    UnixStream::connect(at("live")).expect("it was not stolen");
    drop(live);

    std::fs::write(at("file"), "precious").expect("a file");
    is(&listen(&at("file")), "socket-file-exists", 3);
    assert_eq!(std::fs::read_to_string(at("file")).expect("it is kept"), "precious");

    std::os::unix::fs::symlink(at("file"), at("link")).expect("a link");
    is(&listen(&at("link")), "socket-file-exists", 3);
    std::os::unix::fs::symlink(at("nowhere"), at("dangling")).expect("a link");
    is(&listen(&at("dangling")), "socket-file-exists", 3);
    assert!(std::fs::symlink_metadata(at("dangling")).is_ok_and(|link| link.is_symlink()));
    assert!(std::fs::symlink_metadata(at("nowhere")).is_err(), "nothing was made behind it");

    is(&listen(folder.path().to_str().expect("UTF-8")), "socket-file-exists", 3);
    is(&listen(&format!("/tmp/{}", "x".repeat(103))), "path-too-long", 9);

    // What the listener above left: nobody is behind it, once no child that another test begins has a copy. With a copy
    // there is a queue, and who finds it full waits until it is gone.
    let is_gone = (0..10_000).any(|_| UnixStream::connect(at("live")).is_err());
    assert!(is_gone, "it is closed");
    let served = serve(&["echo", &at("live")]);
    assert!(served.err.until("replaced").contains(&at("live")));
    let done = run(&["talk", &at("live"), "x"]);
    assert_eq!((done.code, done.out.as_str()), (0, "x\n"), "{}", done.err);
}

#[test]
fn a_server_at_its_limit_of_files_goes_on() {
    let mut command = Command::new("prlimit");
    command.args(["--nofile=100:100", BINARY, "serve", "echo", "127.0.0.1:0", "-v"]);
    command.args(["--max-conns", "1000"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let Ok(mut child) = command.spawn() else {
        return skip("a_server_at_its_limit_of_files_goes_on", "prlimit is not here");
    };
    let err = Lines::of(child.stderr.take().expect("it is piped"));
    let _child = crate::kit::Bounded::of(child);
    err.until("is listening");
    let address = err.next().split_whitespace().nth(1).expect("an address").to_owned();
    let ask = |peer: &mut TcpStream| {
        peer.set_read_timeout(Some(BOUND)).expect("a timeout");
        peer.write_all(b"x").expect("it is open");
        peer.read_exact(&mut [0; 1])
    };
    let mut peers: Vec<_> =
        (0..120).map(|_| TcpStream::connect(&address).expect("the queue takes it")).collect();
    let said = err.until("paused by");
    assert!(said.ends_with("paused by open-files: new peers wait"), "{said}");
    ask(&mut peers[0]).expect("who is served stays served");
    let mut last = peers.pop().expect("it waits");
    drop(peers);
    ask(&mut last).expect("who waited is served");
}

#[test]
fn errors_take_colours_from_the_flag_too() {
    for (words, is_red) in [
        (&["talk", "--color=always"][..], true),
        (&["talk", "--color", "always", "--nonsense"], true),
        (&["talk", "--", "--color=always"], false),
        (&["talk", "--color=always", "--color=never"], false),
    ] {
        let done = run(words);
        assert_eq!(done.err.contains("\x1b[1;31merror\x1b[0m"), is_red, "{words:?}: {}", done.err);
    }
    let mut command = hobnob(&["talk", "--color=never"]);
    command.env("FORCE_COLOR", "1");
    assert!(!finish(command, b"").err.contains('\x1b'));
}
