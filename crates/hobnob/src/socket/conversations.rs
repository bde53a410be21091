//! A test alone: whole conversations by the table of calls, in every mode.

use std::io::BufRead;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::{Family, Flags, KernelCall, Observer, Shutdown, Socket, SocketOption, Type};
use crate::address::Address;
use crate::error::Kind;
use crate::spec::Value;

const SHORT: Duration = Duration::from_millis(20);

fn loopback() -> Address {
    Address::Ip("127.0.0.1:0".parse().expect("an address"))
}

fn bound(kind: Type) -> (Socket, Address) {
    let socket = Socket::new(Family::V4, kind, 0).expect("a socket");
    socket.bind(&loopback()).expect("a free port");
    let address = socket.local_address().expect("bound");
    (socket, address)
}

fn listening(backlog: u32) -> (Socket, Address) {
    let (listener, address) = bound(Type::Stream);
    listener.listen(backlog).expect("listening");
    (listener, address)
}

fn connected() -> (Socket, Socket) {
    let (listener, address) = listening(1);
    let client = Socket::new(Family::V4, Type::Stream, 0).expect("a socket");
    client.connect(&address).expect("connected");
    (client, listener.accept().expect("accepted").0)
}

/// A listener whose queue is full: it drops the next SYN, so that a connect hears nothing.
fn clogged() -> (Socket, Vec<Socket>, Address) {
    let (listener, address) = listening(0);
    let mut inside = Vec::new();
    loop {
        let client = Socket::new(Family::V4, Type::Stream, 0).expect("a socket");
        client.set_timeout(Some(Duration::from_millis(200))).expect("set");
        match client.connect_ex(&address).expect("an address") {
            0 => inside.push(client),
            _ => return (listener, inside, address),
        }
    }
}

#[test]
fn a_conversation_by_the_table() {
    let (client, server) = connected();
    assert_eq!(client.peer_address(), server.local_address());
    client.send_all(b"hello\nmore").expect("sent");
    let mut buf = [0; 4];
    assert_eq!(server.recv(&mut buf, Flags::PEEK).expect("came"), 4);
    assert_eq!(server.recv(&mut buf, Flags::NONE).expect("came"), 4);
    assert_eq!(&buf, b"hell");
    client.shutdown(Shutdown::Write).expect("connected");
    let mut lines = std::io::BufReader::new(&server).lines();
    assert_eq!(lines.next().expect("a line").expect("text"), "o");
    assert_eq!(lines.next().expect("a line").expect("text"), "more");
    assert!(lines.next().is_none());
    assert_eq!(server.send(b"late", Flags::NONE).expect("half-closed only"), 4);
    server.close().expect("open until now");
}

#[test]
fn an_empty_datagram_is_a_datagram() {
    let ((one, _), (other, to)) = (bound(Type::Datagram), bound(Type::Datagram));
    one.connect(&to).expect("no packet");
    one.send_all(b"").expect("sent");
    assert_eq!(one.send(b"", Flags::NONE).expect("sent"), 0);
    assert_eq!(one.send_to(b"x", Flags::NONE, &to).expect("sent"), 1);
    let mut buf = [7; 4];
    let lengths: Vec<_> =
        (0..3).map(|_| other.recv_from(&mut buf, Flags::NONE).expect("came").0).collect();
    assert_eq!(lengths, [0, 0, 1]);
    other.set_timeout(Some(SHORT)).expect("set");
    assert_eq!(other.recv(&mut buf, Flags::NONE).expect_err("empty").kind(), Kind::TimedOut);
}

#[test]
fn the_largest_datagram_passes_and_one_byte_more_does_not() {
    let ((one, _), (other, to)) = (bound(Type::Datagram), bound(Type::Datagram));
    one.set_option(SocketOption::SendBuffer, &Value::Count(1 << 20)).expect("set");
    other.set_option(SocketOption::ReceiveBuffer, &Value::Count(1 << 20)).expect("set");
    assert_eq!(one.send_to(&vec![1; 65_507], Flags::NONE, &to).expect("sent"), 65_507);
    let mut buf = vec![0; 9_000];
    let record = other.recv_datagram(&mut buf, Flags::NONE).expect("came");
    assert_eq!((record.kept, record.length, record.is_truncated()), (9_000, 65_507, true));
    let error = one.send_to(&vec![1; 65_508], Flags::NONE, &to).expect_err("too long");
    assert_eq!(error.kind(), Kind::MessageTooLong);
    assert_eq!(error.message(), "65,508 bytes do not fit into one datagram");
    let call = error.call().expect("a call failed");
    assert_eq!((call.text.as_str(), call.outcome.as_str()), ("sendto(65508 bytes)", "EMSGSIZE"));
    assert_eq!(one.send_to(b"on", Flags::NONE, &to).expect("it goes on"), 2);
    assert_eq!(other.recv(&mut buf, Flags::TRUE_LENGTH).expect("came"), 2);
}

#[test]
fn an_unnamed_peer_is_seen_and_not_answered() {
    let (ours, theirs) = Socket::pair(Type::Datagram).expect("a pair");
    theirs.send(b"x", Flags::NONE).expect("sent");
    let (_, peer) = ours.recv_from(&mut [0; 4], Flags::NONE).expect("came");
    assert_eq!(peer, Address::Unnamed);
    let error = ours.send_to(b"y", Flags::NONE, &peer).expect_err("nowhere to send to");
    assert_eq!((error.kind(), error.errno()), (Kind::Unreachable, None));
}

#[test]
fn what_is_accepted_blocks_and_has_its_own_timeout() {
    let (listener, address) = listening(1);
    let client = Socket::new(Family::V4, Type::Stream, 0).expect("a socket");
    client.connect(&address).expect("connected");
    listener.set_timeout(Some(Duration::from_secs(5))).expect("set");
    let (accepted, peer) = listener.accept().expect("one waits");
    assert_eq!(Ok(peer), client.local_address());
    assert_eq!((accepted.timeout(), accepted.is_blocking()), (None, true));
    let again = Socket::from(std::os::fd::OwnedFd::from(accepted));
    assert_eq!(again.timeout(), None);
}

#[test]
fn a_timeout_bounds_the_whole_of_send_all() {
    let (client, server) = connected();
    client.set_timeout(Some(Duration::from_millis(300))).expect("set");
    // Each piece that is read lets a single send go on; the whole must end all the same.
    let reader = std::thread::spawn(move || {
        // Nothing is ever sent this way: waiting for it slows the reading down.
        let (pause, _open) = Socket::pair(Type::Stream).expect("a pair");
        pause.set_timeout(Some(Duration::from_millis(5))).expect("set");
        let mut buf = vec![0; 65_536];
        let mut total = 0;
        while let Ok(count @ 1..) = server.recv(&mut buf, Flags::NONE) {
            total += count;
            pause.recv(&mut [0], Flags::NONE).expect_err("nothing comes");
        }
        total
    });
    let error = client.send_all(&vec![0; 256 << 20]).expect_err("too much for the time");
    assert_eq!(error.kind(), Kind::TimedOut);
    assert_eq!(error.call().expect("a call").text, "sendall(268435456 bytes)");
    drop(client);
    assert!(reader.join().expect("no panic") > 65_536, "it took more than one send");
}

#[test]
fn a_connect_that_hears_nothing_times_out() {
    let (_listener, _inside, address) = clogged();
    let client = Socket::new(Family::V4, Type::Stream, 0).expect("a socket");
    client.set_timeout(Some(SHORT)).expect("set");
    let error = client.connect(&address).expect_err("no answer");
    assert_eq!(error.kind(), Kind::ConnectTimeout);
    assert_eq!(error.message(), format!("{address} did not answer within 20ms"));
    let call = error.call().expect("a call");
    assert_eq!((call.outcome.as_str(), call.errno), ("no reply to SYN", None));
}

#[derive(Default)]
struct Notes(Mutex<Vec<String>>);

impl Observer for Notes {
    fn saw(&self, call: &KernelCall<'_>) {
        assert!(call.took < Duration::from_mins(1));
        let result = match &call.result {
            Ok(answer) => answer.to_string(),
            Err(errno) => crate::error::errno_name(*errno),
        };
        let line = format!("{}({}) -> {result}", call.name, call.arguments);
        self.0.lock().expect("no panic while held").push(line);
    }
}

#[test]
fn an_observer_sees_every_call_with_what_it_was_given_and_answered() {
    let notes = Arc::new(Notes::default());
    let observer: Arc<dyn Observer> = notes.clone();
    let socket = Socket::open(Family::V4, Type::Datagram, 0, Some(observer)).expect("a socket");
    let number = socket.descriptor();
    socket.set_switch(SocketOption::Broadcast, true).expect("set");
    socket.set_option(SocketOption::Linger, &Value::Duration(SHORT)).expect("set");
    socket.bind(&loopback()).expect("a free port");
    let to = socket.local_address().expect("bound");
    let port = to.ip().expect("an IP address").port();
    socket.send_to(b"hi\n", Flags::NONE, &to).expect("sent");
    socket.recv(&mut [0; 8], Flags::NONE).expect("came");
    let error = socket.recv(&mut [0; 8], Flags::DONT_WAIT).expect_err("nothing is there");
    assert_eq!(error.kind(), Kind::WouldBlock);
    socket.close().expect("open");
    let address = format!("('127.0.0.1', {port})");
    let seen = notes.0.lock().expect("no panic while held").clone();
    assert_eq!(
        seen,
        [
            format!("socket(AF_INET, SOCK_DGRAM, 0) -> {number}"),
            "setsockopt(SOL_SOCKET, SO_BROADCAST, 1) -> None".to_owned(),
            "setsockopt(SOL_SOCKET, SO_LINGER, struct.pack('ii', 1, 1)) -> None".to_owned(),
            "bind(('127.0.0.1', 0)) -> None".to_owned(),
            format!("getsockname() -> {address}"),
            format!("sendto(b'hi\\n', {address}) -> 3"),
            "recv(8) -> b'hi\\n'".to_owned(),
            "recv(8, MSG_DONTWAIT) -> EAGAIN".to_owned(),
            "close() -> None".to_owned(),
        ]
    );
}

/// The limit is the whole process's, so this test runs itself again in a process of its own, which meets it.
#[test]
#[allow(clippy::disallowed_methods, reason = "how a test tells its child from itself")]
fn a_full_table_of_files_is_said_so() {
    if std::env::var_os("HOBNOB_TEST_FEW_FILES").is_some() {
        return meet_the_limit_of_open_files();
    }
    let test = std::env::current_exe().expect("this test");
    let name = "socket::conversations::a_full_table_of_files_is_said_so";
    let script = format!("ulimit -n 24; exec '{}' --exact {name}", test.display());
    let mut shell = Command::new("sh");
    let output =
        shell.args(["-c", &script]).env("HOBNOB_TEST_FEW_FILES", "1").output().expect("a shell");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

fn meet_the_limit_of_open_files() {
    let (listener, address) = listening(1);
    let client = Socket::new(Family::V4, Type::Stream, 0).expect("a socket");
    client.connect(&address).expect("connected");
    let mut open = Vec::new();
    let error = loop {
        match Socket::new(Family::V4, Type::Datagram, 0) {
            Ok(socket) => open.push(socket),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), Kind::TooManyFiles);
    assert_eq!(error.message(), "the limit of 24 open files is reached");
    assert_eq!(listener.accept().expect_err("no room").kind(), Kind::TooManyFiles);
    open.pop();
    listener.accept().expect("it still waits, and now there is room");
}
