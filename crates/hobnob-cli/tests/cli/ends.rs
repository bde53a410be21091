//! The table of `hobnob help eof`, cell by cell: `talk` and `relay -` over tcp, tls and unix, and `talk` over udp.

use std::io::Write as _;
use std::net::UdpSocket;
use std::process::{ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use hobnob::conn::Conn;
use hobnob::engine::{Dialer, parse};
use tokio::runtime::Runtime;

use crate::kit::{BOUND, Bounded, Done, Lines, code, folder, hobnob, run_with, serve};
use crate::screen::{BINARY, Screen};

/// The far end of a conversation, in a test's hands.
struct Peer {
    runtime: Runtime,
    conn: Conn,
    /// What was heard, as it comes.
    heard: Sender<Vec<u8>>,
    /// Ends when the other side is gone.
    gone: Receiver<()>,
}

impl Peer {
    fn say(&mut self, bytes: &[u8]) {
        self.runtime.block_on(self.conn.send(bytes)).expect("it is open");
    }

    fn half_close(&mut self) {
        self.runtime.block_on(self.conn.end()).expect("it is open");
    }

    /// Hears at most so much at once; false at the end.
    fn hear(&mut self, most: usize) -> bool {
        let mut room = vec![0; most];
        let heard = self.runtime.block_on(self.conn.recv(&mut room)).expect("it is open");
        let Some(length) = heard else { return false };
        room.truncate(length);
        let _ = self.heard.send(room);
        true
    }

    fn hear_all(&mut self) {
        while self.hear(65_536) {}
    }

    /// Stays, silent, until the other side has gone for good.
    fn outstay(&mut self) {
        let _ = self.gone.recv_timeout(BOUND);
    }

    /// Tears it down. On a Unix socket that needs bytes of the other side that are still unread.
    fn reset(&mut self) {
        self.conn.abort();
    }
}

/// A kind of stream: where a peer listens, and what who dials adds to the address.
struct Medium {
    name: &'static str,
    listen: String,
    scheme: &'static str,
    settings: String,
    _folder: Box<dyn std::any::Any + Send + Sync>,
}

fn media() -> Vec<Medium> {
    let folder = folder();
    let path = folder.path().join("x.sock").to_string_lossy().into_owned();
    let unix = Medium {
        name: "unix",
        listen: path,
        scheme: "",
        settings: String::new(),
        _folder: Box::new(folder),
    };
    let tcp = Medium {
        name: "tcp",
        listen: "127.0.0.1:0".to_owned(),
        scheme: "",
        settings: String::new(),
        _folder: Box::new(()),
    };
    let mut all = vec![unix, tcp];
    #[cfg(feature = "tls")]
    {
        let papers = crate::papers::Papers::new();
        all.push(Medium {
            name: "tls",
            listen: format!("tls://127.0.0.1:0,{}", papers.listening()),
            scheme: "tls://",
            settings: format!(",{}", papers.dialling()),
            _folder: Box::new(papers),
        });
    }
    all
}

/// Whoever sends what stands on standard input, and how it is typed.
const TALK: &[&str] = &["talk", "PEER"];
const RELAY: &[&str] = &["relay", "-", "PEER", "-q"];

/// One cell that runs: a program, its standard input, and its peer.
struct Cell {
    /// What it is, for a failure.
    name: String,
    child: Bounded,
    input: Option<ChildStdin>,
    out: Lines,
    err: Lines,
    heard: Receiver<Vec<u8>>,
    peer: JoinHandle<()>,
    /// Dropped when the program is over.
    runs: Sender<()>,
}

impl Cell {
    fn open(medium: &Medium, verb: &[&str], words: &[&str], play: fn(&mut Peer)) -> Self {
        let (listen, (bound, address)) = (medium.listen.clone(), channel());
        let ((to, heard), (runs, gone)) = (channel(), channel());
        let peer = std::thread::spawn(move || {
            let builder = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = builder.expect("a runtime");
            let endpoint = parse(&listen).expect("an endpoint");
            let conn = runtime.block_on(async {
                let waiting = Dialer::default().listen(&endpoint).await.expect("a free place");
                bound.send(waiting.bound()[0].address.to_string()).expect("it is waited for");
                waiting.accept().await.expect("a peer").0
            });
            play(&mut Peer { runtime, conn, heard: to, gone });
        });
        let address = address.recv().expect("it listens");
        let address = format!("{}{address}{}", medium.scheme, medium.settings);
        let place =
            |word: &&str| if *word == "PEER" { address.clone() } else { (*word).to_owned() };
        let all: Vec<_> = verb.iter().chain(words).map(place).collect();
        let all: Vec<_> = all.iter().map(String::as_str).collect();
        let mut command = hobnob(&all);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary is there");
        Cell {
            name: format!("{} over {} {words:?}", verb[0], medium.name),
            input: child.stdin.take(),
            out: Lines::of(child.stdout.take().expect("it is piped")),
            err: Lines::of(child.stderr.take().expect("it is piped")),
            child: Bounded::of(child),
            heard,
            peer,
            runs,
        }
    }

    fn say(&mut self, bytes: &[u8]) {
        self.input.as_mut().expect("it is open").write_all(bytes).expect("it reads");
    }

    /// The next that the peer hears.
    fn heard(&self) -> Vec<u8> {
        self.heard.recv_timeout(BOUND).unwrap_or_else(|_| panic!("{}: nothing comes", self.name))
    }

    /// Waits for its end; what standard input is stays open until then.
    fn end(self) -> (Done, Vec<u8>) {
        let code = code(self.child.wait());
        drop((self.input, self.runs));
        self.peer.join().unwrap_or_else(|_| panic!("{}: the peer does not panic", self.name));
        let (out, err) = (self.out.rest().join("\n"), self.err.rest().join("\n"));
        (Done { code, out, err }, self.heard.into_iter().flatten().collect())
    }

    /// Says all that is to be said, ends the input, and waits.
    fn finish(mut self, said: &[u8]) -> (Done, Vec<u8>) {
        let (mut input, said) = (self.input.take().expect("it is open"), said.to_vec());
        // It may end without reading everything.
        let writing = std::thread::spawn(move || input.write_all(&said));
        let done = self.end();
        let _ = writing.join();
        done
    }
}

/// Plays every cell of these verbs at the same time.
fn each(verbs: &[&[&str]], words: &[&str], play: fn(&mut Peer), check: impl Fn(Cell) + Sync) {
    std::thread::scope(|scope| {
        for verb in verbs {
            for medium in media() {
                let check = &check;
                scope.spawn(move || check(Cell::open(&medium, verb, words, play)));
            }
        }
    });
}

/// Without the breaks that make a page of it.
fn unfolded(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn our_input_ends_and_the_answer_is_read_to_its_end() {
    let play = |peer: &mut Peer| {
        peer.hear_all();
        peer.say(b"after your end\n");
        peer.half_close();
    };
    each(&[TALK, RELAY], &[], play, |cell| {
        let name = cell.name.clone();
        let (done, heard) = cell.finish(b"question");
        let said = (done.code, done.out.as_str(), done.err.as_str());
        assert_eq!(said, (0, "after your end", ""), "{name}");
        assert_eq!(heard, b"question", "{name}");
    });
}

#[test]
fn our_input_ends_and_wait_bounds_the_silence() {
    let play = |peer: &mut Peer| {
        peer.say(b"something");
        peer.outstay();
    };
    each(&[TALK, RELAY], &["--wait", "100ms"], play, |cell| {
        let name = cell.name.clone();
        let (done, _) = cell.finish(b"x");
        assert_eq!((done.code, done.out.as_str()), (0, "something"), "{name}: {}", done.err);
    });
}

#[test]
fn silence_without_a_word_is_a_timeout() {
    each(&[TALK, RELAY], &["--wait", "100ms"], Peer::outstay, |cell| {
        let name = cell.name.clone();
        let (done, _) = cell.finish(b"x");
        assert_eq!((done.code, done.out.as_str()), (6, ""), "{name}: {}", done.err);
        assert!(done.err.contains("--wait 10s"), "{name}: {}", done.err);
    });
}

#[test]
fn the_peer_ends_and_the_rest_of_stdin_still_goes() {
    let play = |peer: &mut Peer| {
        peer.say(b"bye");
        peer.half_close();
        peer.hear_all();
    };
    let input = vec![b'x'; 3 << 20];
    each(&[TALK, RELAY], &[], play, |cell| {
        let name = cell.name.clone();
        let (done, heard) = cell.finish(&input);
        assert_eq!((done.code, done.out.as_str(), done.err.as_str()), (0, "bye", ""), "{name}");
        assert_eq!(heard.len(), input.len(), "{name}");
    });
}

/// The pauses are longer than what stdin had in former days to give what it still has.
#[test]
fn the_peer_ends_and_a_slow_input_is_sent_on_to_its_end() {
    let play = |peer: &mut Peer| {
        peer.half_close();
        peer.hear_all();
    };
    each(&[TALK, RELAY], &[], play, |mut cell| {
        let name = cell.name.clone();
        for part in 1..=3 {
            std::thread::park_timeout(std::time::Duration::from_millis(300));
            let part = format!("{part}\n");
            cell.say(part.as_bytes());
            assert_eq!(cell.heard(), part.as_bytes(), "{name}");
        }
        cell.input = None;
        let (done, rest) = cell.end();
        assert_eq!((done.code, done.err.as_str(), rest.len()), (0, "", 0), "{name}");
    });
}

#[test]
fn the_peer_ends_and_an_input_that_stays_silent_is_a_timeout() {
    let play = |peer: &mut Peer| {
        peer.say(b"bye");
        peer.half_close();
        peer.hear_all();
    };
    for words in [&["--wait", "100ms"][..], &[]] {
        each(&[TALK, RELAY], words, play, |mut cell| {
            let name = cell.name.clone();
            cell.say(b"first");
            let (done, heard) = cell.end();
            assert_eq!((done.code, done.out.as_str()), (6, "bye"), "{name}: {}", done.err);
            assert_eq!(heard, b"first", "{name}");
            assert!(done.err.starts_with("error[timed-out]"), "{name}: {}", done.err);
            let said = "standard input said nothing for";
            assert!(unfolded(&done.err).contains(said), "{name}: {}", done.err);
        });
    }
}

#[test]
fn the_peer_ends_and_what_it_refuses_is_five() {
    let play = |peer: &mut Peer| {
        peer.half_close();
        peer.hear(1);
        // It closes behind that.
    };
    each(&[TALK, RELAY], &[], play, |mut cell| {
        let name = cell.name.clone();
        let mut input = cell.input.take().expect("it is open");
        while input.write_all(b"still something to say\n").is_ok() {}
        let (done, _) = cell.end();
        assert_eq!(done.code, 5, "{name}: {}{}", done.out, done.err);
        assert!(done.err.starts_with("error[connection-reset]"), "{name}: {}", done.err);
    });
}

/// One word that nobody takes any more is not a success either.
#[test]
fn the_peer_ends_and_a_single_late_word_is_five() {
    let play = |peer: &mut Peer| peer.half_close();
    each(&[TALK], &["-v"], play, |mut cell| {
        let name = cell.name.clone();
        cell.err.until("the peer has ended its side");
        // Its far end is closed, and not only ended.
        cell.peer.join().expect("it does not panic");
        cell.peer = std::thread::spawn(|| ());
        cell.say(b"late");
        cell.input = None;
        let (done, _) = cell.end();
        assert_eq!(done.code, 5, "{name}: {}", done.err);
        let said = "did not take the rest of the input";
        assert!(unfolded(&done.err).contains(said), "{name}: {}", done.err);
    });
}

#[test]
fn no_half_close_keeps_our_side_open() {
    let play = |peer: &mut Peer| {
        assert!(peer.hear(1));
        peer.say(b"and more");
        peer.half_close();
    };
    each(&[TALK], &["--no-half-close"], play, |cell| {
        let name = cell.name.clone();
        let (done, _) = cell.finish(b"x");
        assert_eq!((done.code, done.out.as_str()), (0, "and more"), "{name}: {}", done.err);
    });
}

#[test]
fn a_reset_is_five() {
    let play = |peer: &mut Peer| {
        assert!(peer.hear(1));
        peer.reset();
    };
    each(&[TALK, RELAY], &[], play, |mut cell| {
        let name = cell.name.clone();
        cell.say(&[b'x'; 1_000]);
        let (done, _) = cell.end();
        assert_eq!(done.code, 5, "{name}: {}{}", done.out, done.err);
    });
}

#[test]
fn datagrams_end_by_silence() {
    let served = serve(&["echo", "udp://127.0.0.1:0"]);
    let address = format!("udp://{}", served.address);
    let done = run_with(&["talk", &address, "--wait", "200ms"], b"one\n\ntwo");
    assert_eq!((done.code, done.out.as_str()), (0, "one\n\ntwo"), "{}", done.err);
    let done = run_with(&["talk", &address, "--wait", "200ms", "--raw"], b"one\n\ntwo");
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

#[test]
fn in_a_terminal_the_peers_end_is_the_end() {
    let Some(screen) = Screen::open("in_a_terminal_the_peers_end_is_the_end") else { return };
    let served = serve(&["time", "127.0.0.1:0"]);
    let at = &served.address;
    for verb in [format!("talk {at}"), format!("talk {at} | cat"), format!("relay - {at} -q")] {
        // A person who types has nothing queued: nobody waits for the rest of an input.
        let text = screen.run(&format!("{BINARY} {verb}; echo left $?"));
        assert!(text.contains("left 0"), "{verb}: {text}");
    }
}

#[test]
fn a_person_is_told_what_a_pipe_waits_for() {
    let Some(screen) = Screen::open("a_person_is_told_what_a_pipe_waits_for") else { return };
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = silent.local_addr().expect("it is bound");
    screen.line(&format!("clear; echo hi | {BINARY} talk {address}"));
    screen.until(|text| text.contains("our input has ended; reading on"));
    screen.keys(&["C-c"]);
}
