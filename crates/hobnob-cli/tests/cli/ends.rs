//! The table of `hobnob help eof`, each cell of its pipe column over tcp, unix and udp.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, UdpSocket};
use std::os::unix::net::UnixListener;
use std::thread::JoinHandle;

use crate::kit::{Done, folder, run_with, serve};

/// Something with two ends that can be shut one at a time.
trait Peer: Read + Write + Send {
    fn half_close(&self);
}

impl Peer for std::net::TcpStream {
    fn half_close(&self) {
        self.shutdown(Shutdown::Write).expect("it is open");
    }
}

impl Peer for std::os::unix::net::UnixStream {
    fn half_close(&self) {
        self.shutdown(Shutdown::Write).expect("it is open");
    }
}

/// Runs `talk` against a peer of each kind of stream.
fn against(
    stdin: &[u8],
    words: &[&str],
    play: fn(&mut dyn Peer) -> Vec<u8>,
) -> Vec<(Done, Vec<u8>)> {
    let talk = |address: &str, peer: JoinHandle<Vec<u8>>| {
        let mut all = vec!["talk", address];
        all.extend(words);
        let done = run_with(&all, stdin);
        (done, peer.join().expect("the peer does not panic"))
    };
    let tcp = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = tcp.local_addr().expect("it is bound").to_string();
    let peer = std::thread::spawn(move || play(&mut tcp.accept().expect("a peer").0));
    let over_tcp = talk(&address, peer);
    let folder = folder();
    let path = folder.path().join("x.sock");
    let unix = UnixListener::bind(&path).expect("a socket");
    let peer = std::thread::spawn(move || play(&mut unix.accept().expect("a peer").0));
    let over_unix = talk(&path.to_string_lossy(), peer);
    vec![over_tcp, over_unix]
}

#[test]
fn our_input_ends_and_the_answer_is_read_to_its_end() {
    let play = |peer: &mut dyn Peer| {
        let mut all = Vec::new();
        peer.read_to_end(&mut all).expect("our end comes");
        peer.write_all(b"after your end\n").expect("it reads on");
        all
    };
    for (done, heard) in against(b"question", &[], play) {
        assert_eq!((done.code, done.out.as_str(), done.err.as_str()), (0, "after your end\n", ""));
        assert_eq!(heard, b"question");
    }
}

#[test]
fn our_input_ends_and_wait_bounds_the_silence() {
    let play = |peer: &mut dyn Peer| {
        peer.write_all(b"something").expect("it is open");
        let mut all = Vec::new();
        peer.read_to_end(&mut all).expect("our end comes");
        // Open until the other side has gone for good.
        while peer.write_all(b"").is_ok() && peer.read(&mut [0; 8]).is_ok_and(|read| read > 0) {}
        all
    };
    for (done, _) in against(b"x", &["--wait", "100ms"], play) {
        assert_eq!((done.code, done.out.as_str()), (0, "something"), "{}", done.err);
    }
}

#[test]
fn silence_without_a_word_is_a_timeout() {
    // Connections that nobody accepts stay open, and silent.
    let tcp = TcpListener::bind("127.0.0.1:0").expect("a port");
    let folder = folder();
    let path = folder.path().join("x.sock");
    let _unix = UnixListener::bind(&path).expect("a socket");
    for address in [tcp.local_addr().expect("it is bound").to_string(), path.display().to_string()]
    {
        let done = run_with(&["talk", &address, "--wait", "100ms"], b"x");
        assert_eq!((done.code, done.out.as_str()), (6, ""), "{}", done.err);
    }
}

#[test]
fn the_peer_ends_and_the_rest_of_stdin_still_goes() {
    let play = |peer: &mut dyn Peer| {
        peer.write_all(b"bye").expect("it is open");
        peer.half_close();
        let mut all = Vec::new();
        peer.read_to_end(&mut all).expect("the end comes");
        all
    };
    let input = vec![b'x'; 3 << 20];
    for (done, heard) in against(&input, &[], play) {
        assert_eq!((done.code, done.out.as_str(), done.err.as_str()), (0, "bye", ""));
        assert_eq!(heard.len(), input.len());
    }
}

#[test]
fn no_half_close_keeps_our_side_open() {
    let play = |peer: &mut dyn Peer| {
        let mut one = [0; 1];
        peer.read_exact(&mut one).expect("a byte");
        peer.write_all(b"and more").expect("it is open");
        peer.half_close();
        one.to_vec()
    };
    for (done, _) in against(b"x", &["--no-half-close"], play) {
        assert_eq!((done.code, done.out.as_str()), (0, "and more"), "{}", done.err);
    }
}

#[test]
fn a_reset_is_five() {
    let play = |peer: &mut dyn Peer| {
        let mut one = [0; 1];
        peer.read_exact(&mut one).expect("a byte");
        // Dropping it with unread bytes resets.
        one.to_vec()
    };
    for (done, _) in against(&[b'x'; 1_000], &[], play) {
        assert_eq!(done.code, 5, "{}{}", done.out, done.err);
    }
}

#[test]
fn datagrams_end_by_silence() {
    let served = serve(&["echo", "udp://127.0.0.1:0"]);
    let address = format!("udp://{}", served.address);
    let done = run_with(&["talk", &address, "--wait", "200ms"], b"one\n\ntwo");
    assert_eq!((done.code, done.out.as_str()), (0, "onetwo"), "{}", done.err);
    let done = run_with(&["talk", &address, "one", "two", "--json"], b"");
    let lengths: Vec<_> = done
        .out
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"))
        .filter(|event| event["dir"] == "in")
        .map(|event| event["len"].as_u64())
        .collect();
    assert_eq!((done.code, lengths), (0, vec![Some(3), Some(3)]), "{}", done.err);

    let silent = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let address = format!("udp://{}", silent.local_addr().expect("it is bound"));
    let done = run_with(&["talk", &address, "--wait", "50ms"], b"anybody?");
    assert_eq!((done.code, done.out.as_str()), (6, ""));
    let mut room = [0; 64];
    assert_eq!(silent.recv(&mut room).expect("it came"), 8);
}
