//! `hobnob talk`: bytes in, bytes out, messages, and listening for one peer.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::Stdio;

use crate::kit::{
    BOUND, Bounded, Lines, code, finish, folder, hobnob, launch, run, run_with, serve,
};
use crate::ports::Port;

#[test]
fn a_pipe_carries_exactly_the_bytes() {
    let served = serve(&["echo", "127.0.0.1:0"]);
    let bytes: Vec<u8> = (0..=255_u8).collect();
    let mut command = hobnob(&["talk", &served.address]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary is there");
    child.stdin.take().expect("it is piped").write_all(&bytes).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.stdout, bytes);
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
}

#[test]
fn messages_wait_for_answers() {
    let served = serve(&["hello", "127.0.0.1:0"]);
    let done = run(&["talk", &served.address, "Michael", "Tracy", "exit"]);
    assert_eq!(done.out, "Welcome!Hello, Michael!\nHello, Tracy!\n", "{}", done.err);
    assert_eq!((done.code, done.err.as_str()), (0, ""));
    let done = run(&["talk", "--eol", "none", &served.address, "李雷", "exit"]);
    assert_eq!((done.code, done.out.as_str()), (0, "Welcome!Hello, 李雷!"));
}

#[test]
fn a_greeting_is_no_answer() {
    let folder = folder();
    let path = format!("unixseq:{}", folder.path().join("x.sock").display());
    let _served = serve(&["hello", &path]);
    let done = run(&["talk", &path, "Michael"]);
    assert_eq!((done.code, done.out.as_str()), (0, "Welcome!\nHello, Michael!"), "{}", done.err);
}

#[test]
fn one_question_one_answer() {
    let served = serve(&["temp", "udp://127.0.0.1:0"]);
    let done = run(&["talk", &format!("udp://{}", served.address), "20C"]);
    assert_eq!((done.code, done.out.as_str(), done.err.as_str()), (0, "68.0 F", ""));
}

#[test]
fn it_accepts_one_peer_and_talks_the_same_way() {
    // Once it is closed nobody else may be given it.
    let port = Port::draw();
    let address = format!("127.0.0.1:{}", port.number);
    let mut command = hobnob(&["talk", "--listen", &address]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary is there");
    let err = Lines::of(child.stderr.take().expect("it is piped"));
    let line = err.until("waiting for one peer");
    assert!(line.ends_with(&address), "{line}");
    let mut input = child.stdin.take().expect("it is piped");
    let mut out = child.stdout.take().expect("it is piped");
    let child = Bounded::of(child);
    let mut peer = TcpStream::connect(&address).expect("it listens");
    input.write_all(b"first word").expect("it reads");
    let mut heard = [0; 10];
    peer.read_exact(&mut heard).expect("it talks");
    assert_eq!(&heard, b"first word");
    assert!(TcpStream::connect(&address).is_err(), "it listens no more");
    peer.write_all(b"answer").expect("it is open");
    drop(input);
    let mut rest = Vec::new();
    peer.read_to_end(&mut rest).expect("its end comes");
    drop(peer);
    let mut said = String::new();
    out.read_to_string(&mut said).expect("UTF-8");
    assert_eq!((said.as_str(), code(child.wait())), ("answer", 0));
}

#[test]
fn it_retries_until_somebody_listens() {
    let port = Port::draw();
    let address = format!("127.0.0.1:{}", port.number);
    let mut command = hobnob(&["talk", &address, "--retry", "x"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("the binary is there");
    let late = TcpListener::bind(&address).expect("a port of its own");
    let (mut peer, _) = late.accept().expect("it comes");
    peer.write_all(b"at last").expect("it is open");
    drop(peer);
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.stdout, b"at last");
}

#[test]
fn it_waits_for_a_peer_but_not_for_a_file_of_its_own() {
    let words = ["talk", "tls://127.0.0.1:1,ca=/nowhere/ca.pem", "--retry", "x"];
    let done = run(&words);
    assert_eq!(done.code, 9, "{}", done.err);
}

#[test]
fn ctrl_c_ends_the_waiting() {
    let closing = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("tls://{}", closing.local_addr().expect("it is bound"));
    for verb in ["talk", "get"] {
        let waiting = launch(hobnob(&[verb, &address, "--retry"]));
        for _ in 0..2 {
            // Closed with something unread, it is a reset.
            let (mut peer, _) = closing.accept().expect("it tries again");
            peer.read_exact(&mut [0]).expect("it begins a handshake");
        }
        assert_eq!(waiting.stop("INT"), (130, Vec::new()), "{verb}");
    }
}

#[test]
fn views_of_what_comes() {
    let served = serve(&["echo", "127.0.0.1:0"]);
    let done = run_with(&["talk", &served.address, "-x"], b"hi\x1b\n");
    assert!(done.out.starts_with("00000000  68 69 1b 0a"), "{}", done.out);
    let done = run_with(&["talk", &served.address, "-v"], b"hi");
    assert!(done.err.contains("connected to 127.0.0.1:"), "{}", done.err);
    assert!(done.err.contains("sent 2 B in 1   received 2 B in 1"), "{}", done.err);
    let done = run_with(&["talk", &served.address, "-v", "-q"], b"hi");
    assert_eq!((done.err.as_str(), done.out.as_str()), ("", "hi"));
}

#[test]
fn options_of_the_endpoint_before() {
    let served = serve(&["echo", "127.0.0.1:0", "-O", "backlog=5"]);
    let done = run_with(&["talk", &served.address, "-O", "no-nodelay"], b"hi");
    assert_eq!((done.code, done.out.as_str()), (0, "hi"), "{}", done.err);
    let done = run(&["explain", ":1", "-O", "ttl=3", "--json"]);
    assert!(done.out.contains(r#"{"from":"you","name":"ttl","value":"3"}"#), "{}", done.out);
}

#[test]
fn a_slow_reader_of_ours_slows_the_peer() {
    let folder = folder();
    let path = folder.path().join("x.sock");
    let listener = std::os::unix::net::UnixListener::bind(&path).expect("a socket");
    let mut command = hobnob(&["talk", &path.to_string_lossy()]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let child = Bounded::of(command.spawn().expect("the binary is there"));
    let (mut peer, _) = listener.accept().expect("it comes");
    // That nothing goes any more only a pause can show; one that is too short for a slow machine merely asks less.
    peer.set_write_timeout(Some(std::time::Duration::from_millis(300))).expect("a timeout");
    let piece = vec![0; 65_536];
    let mut taken = 0;
    // Nobody reads its stdout: after a few buffers it takes no more.
    while let Ok(some) = peer.write(&piece) {
        taken += some;
        assert!(taken < 16 << 20, "it keeps everything");
    }
    drop(child);
}

#[test]
fn stdin_that_is_closed_is_an_empty_input() {
    let served = serve(&["hello", "127.0.0.1:0"]);
    let mut command = std::process::Command::new("sh");
    command.args([
        "-c",
        "exec \"$0\" talk \"$1\" <&-",
        env!("CARGO_BIN_EXE_hobnob"),
        &served.address,
    ]);
    let done = finish(command, b"");
    assert_eq!((done.code, done.out.as_str()), (0, "Welcome!"), "{}", done.err);
}

#[test]
fn a_line_is_one_packet_or_an_error() {
    use std::os::unix::net::UnixDatagram;
    let folder = folder();
    let path = folder.path().join("x.sock");
    let receiver = UnixDatagram::bind(&path).expect("a socket");
    let seq = format!("unixseq:{}", folder.path().join("seq.sock").display());
    let echo = serve(&["echo", &seq, "--json"]);
    for address in [format!("unixgram:{}", path.display()), seq.clone()] {
        let long = vec![b'x'; 131_073];
        let done =
            run_with(&["talk", &address, "--wait", "100ms"], &[b"short\n", &long[..]].concat());
        assert_eq!(done.code, 10, "{address}: {}", done.err);
        assert!(done.err.starts_with("error[message-too-long]"), "{address}: {}", done.err);
    }
    let mut room = vec![0; 200_000];
    assert_eq!(receiver.recv(&mut room).expect("the first line came"), 5);
    receiver.set_nonblocking(true).expect("a flag");
    assert!(receiver.recv(&mut room).is_err(), "nothing of the long line was sent");
    crate::kit::signal(echo.child.id(), "TERM");
    let lines = echo.out.rest();
    assert!(lines.iter().any(|line| line.contains(r#""in":5,"#)), "{lines:?}");
}

/// A peer that hears, and says nothing.
fn deaf() -> (String, std::thread::JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("it is bound").to_string();
    let hearing = std::thread::spawn(move || {
        let mut all = Vec::new();
        listener.accept().expect("a peer").0.read_to_end(&mut all).expect("it ends");
        all
    });
    (address, hearing)
}

#[test]
fn a_message_without_an_answer_is_told_once_and_the_next_goes_out() {
    for (words, time) in [(&["--wait", "50ms"][..], "50.0 ms"), (&[], "1.0 s")] {
        let (address, heard) = deaf();
        let mut all = vec!["talk", &address, "set k", "hello", "quit"];
        if words.is_empty() {
            all.truncate(4);
        }
        all.extend(words);
        let done = run(&all);
        // How it ends is told too where the deaf one takes its time.
        let told: Vec<_> = done.err.lines().filter(|line| line.contains("no answer to")).collect();
        assert_eq!(told.len(), 1, "{}", done.err);
        assert!(told[0].starts_with("no answer to set k within"), "{}", done.err);
        assert!(
            told[0].contains(time) || told[0].contains(&time.replace(".0", "")),
            "{}",
            done.err
        );
        assert!(heard.join().expect("no panic").starts_with(b"set k\nhello\n"));
    }
}

#[test]
fn what_is_said_of_line_ends_holds_in_a_pipe() {
    for (eol, sent) in [
        (None, &b"one\n\r\ntwo\nrest"[..]),
        (Some("lf"), b"one\n\r\ntwo\nrest"),
        (Some("crlf"), b"one\r\n\r\ntwo\r\nrest"),
        (Some("none"), b"one\rtworest"),
    ] {
        let (address, heard) = deaf();
        let mut words = vec!["talk", address.as_str()];
        words.extend(eol.iter().flat_map(|eol| ["--eol", eol]));
        words.extend(["--wait", "50ms"].iter().filter(|_| eol == Some("none")));
        let done = run_with(&words, b"one\n\r\ntwo\nrest");
        assert_eq!(done.err.matches("no answer to").count(), usize::from(eol == Some("none")));
        assert_eq!(heard.join().expect("no panic"), sent, "{eol:?}");
    }
}

#[test]
fn lines_without_their_newline_wait_for_each_others_answers() {
    let served = serve(&["hello", "127.0.0.1:0"]);
    let done = run_with(&["talk", &served.address, "--eol", "none"], "李雷\n\nexit\n".as_bytes());
    assert_eq!((done.code, done.out.as_str()), (0, "Welcome!Hello, 李雷!"), "{}", done.err);
    assert_eq!(done.err, "");
}

/// What the tutorials' servers do: the whole message, with its newline, in the middle of an answer.
#[test]
fn a_newline_that_comes_back_inside_an_answer_is_told_once() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("it is bound").to_string();
    let serving = std::thread::spawn(move || {
        for _ in 0..2 {
            let (mut peer, _) = listener.accept().expect("a peer");
            let mut room = [0; 64];
            while let Ok(length @ 1..) = peer.read(&mut room) {
                let answer = [b"Hello, ", &room[..length], b"!"].concat();
                peer.write_all(&answer).expect("it is open");
            }
        }
    });
    let done = run(&["talk", &address, "Michael", "Tracy"]);
    assert_eq!((done.code, done.out.as_str()), (0, "Hello, Michael\n!Hello, Tracy\n!"));
    assert_eq!(done.err.matches("--eol none").count(), 1, "{}", done.err);
    let done = run(&["talk", &address, "--eol", "none", "Michael"]);
    assert_eq!((done.out.as_str(), done.err.as_str()), ("Hello, Michael!", ""));
    serving.join().expect("no panic");
}

#[test]
fn what_dials_comes_from_the_source_that_was_asked_for() {
    let port = Port::draw();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let listening = listener.local_addr().expect("bound");
    let relayed = serve_relay(&format!("{listening},source=127.0.0.6"));
    for (to, source) in [
        (format!("{listening},source=127.0.0.5"), "127.0.0.5".to_owned()),
        (
            format!("tcp://{listening},source=127.0.0.5:{}", port.number),
            format!("127.0.0.5:{}", port.number),
        ),
        (relayed.address.clone(), "127.0.0.6".to_owned()),
    ] {
        let talking = std::thread::spawn(move || run(&["talk", &to, "x", "--wait", "20s"]));
        let (conn, peer) = listener.accept().expect("it dials");
        assert!(peer.to_string().starts_with(&source), "{peer} is not {source}");
        drop(conn);
        talking.join().expect("it ends");
    }
    let datagrams = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    datagrams.set_read_timeout(Some(BOUND)).expect("a timeout");
    let to = format!("udp://{},source=127.0.0.7", datagrams.local_addr().expect("bound"));
    let done = run(&["talk", &to, "x", "--wait", "1ms"]);
    let (_, peer) = datagrams.recv_from(&mut [0; 9]).expect(&done.err);
    assert_eq!(peer.ip().to_string(), "127.0.0.7");
}

#[test]
fn a_source_that_cannot_dial_there_says_why() {
    for (to, code, said) in [
        (":1,source=::1,source=nowhere", 2, "it takes an IP address"),
        ("127.0.0.1:1,source=::1", 2, "no address that was to be dialled is of that family"),
        ("127.0.0.1:1,source=192.0.2.77", 3, "192.0.2.77 is not an address of this machine"),
        ("udp://127.0.0.1:1,source=192.0.2.77", 3, "192.0.2.77 is not an address of this machine"),
    ] {
        let done = run(&["talk", to, "x"]);
        assert_eq!(done.code, code, "{to}: {}", done.err);
        let err = done.err.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(err.contains(said), "{to}: {err}");
        assert!(!err.contains("try hobnob talk"), "{to}: {err}");
    }
}

fn serve_relay(target: &str) -> crate::kit::Served {
    crate::kit::serve_with(hobnob(&["relay", "127.0.0.1:0", target]))
}
