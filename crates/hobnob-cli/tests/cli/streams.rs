//! Standard streams that another program has made non-blocking: `EAGAIN` means wait, and the flag is left as it is.
//!
//! The flag belongs to the open file that this test and the program share, so it is set here as node or ssh set it.

mod matrix;

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use crate::kit::{self, Bounded, Done, Lines, OnePeer, code, folder, hobnob, run, serve, signal};
use crate::ports::Port;
use crate::pty::clog;
use crate::screen::{BINARY, Screen};

/// What a stream is made of.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Medium {
    Pipe,
    Socket,
}

/// Which stream does not block.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Stream {
    In,
    Out,
    Err,
}

/// The program's end of a stream, and ours, which blocks.
struct Ends {
    theirs: File,
    ours: File,
}

impl Ends {
    /// A stream whose far end does not block. One that is written to is full, so that the first write finds no room.
    fn open(medium: Medium, stream: Stream) -> (Self, usize) {
        let (reader, writer): (OwnedFd, OwnedFd) = match medium {
            Medium::Pipe => {
                let (reader, writer) = std::io::pipe().expect("a pipe");
                (reader.into(), writer.into())
            }
            Medium::Socket => {
                let (reader, writer) = UnixStream::pair().expect("two sockets");
                (reader.into(), writer.into())
            }
        };
        let (theirs, ours) = if stream == Stream::In { (reader, writer) } else { (writer, reader) };
        let (mut theirs, ours) = (File::from(theirs), File::from(ours));
        fcntl(&theirs, FcntlArg::F_SETFL(flags(&theirs) | OFlag::O_NONBLOCK)).expect("set");
        let filled = if stream == Stream::In { 0 } else { clog(&mut theirs) };
        (Ends { theirs, ours }, filled)
    }

    fn lend(&self) -> Stdio {
        self.theirs.try_clone().expect("a descriptor").into()
    }
}

fn flags(of: &File) -> OFlag {
    OFlag::from_bits_retain(fcntl(of, FcntlArg::F_GETFL).expect("it is open"))
}

/// The far side is slow: this is the hardship itself, and no event is waited for.
fn dawdle() {
    std::thread::park_timeout(Duration::from_millis(30));
}

/// Writes in pieces, with pauses in which the reader finds nothing.
fn feed(mut to: impl Write, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    for piece in bytes.chunks((bytes.len() / 8).max(1)) {
        dawdle();
        if to.write_all(piece).is_err() {
            return; // the program has ended, and its answer tells
        }
    }
    dawdle();
}

/// Reads in pieces, with pauses in which the writer finds no room.
fn take(mut from: impl Read, pauses: usize) -> Vec<u8> {
    let (mut all, mut piece) = (Vec::new(), vec![0; 50_000]);
    for turn in 0.. {
        if turn < pauses {
            dawdle();
        }
        let length = from.read(&mut piece).expect("it is open");
        if length == 0 {
            return all;
        }
        all.extend_from_slice(&piece[..length]);
    }
    all
}

/// Runs a command with one stream that does not block, and a slow far side of it.
fn run_shared(mut command: Command, stdin: &[u8], stream: Stream, medium: Medium) -> Done {
    let (ends, filled) = Ends::open(medium, stream);
    let before = flags(&ends.theirs);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    match stream {
        Stream::In => command.stdin(ends.lend()),
        Stream::Out => command.stdout(ends.lend()),
        Stream::Err => command.stderr(ends.lend()),
    };
    let mut child = command.spawn().expect("the binary is there");
    drop(command); // it holds our end of what the program has
    let (input, out, err) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let Ends { theirs, ours } = ends;
    let other = ours.try_clone().expect("a descriptor");
    let bytes = stdin.to_vec();
    let feeding = std::thread::spawn(move || match input {
        Some(input) => feed(input, &bytes),
        None => feed(ours, &bytes),
    });
    let reading = |piped: Option<Box<dyn Read + Send>>| -> JoinHandle<Vec<u8>> {
        let slow = piped.is_none().then(|| other.try_clone().expect("a descriptor"));
        std::thread::spawn(move || match (piped, slow) {
            (Some(piped), _) => take(piped, 0),
            (None, Some(slow)) => take(slow, 12),
            (None, None) => unreachable!("one of both is there"),
        })
    };
    let out = reading(out.map(|out| Box::new(out) as _));
    let err = reading(err.map(|err| Box::new(err) as _));
    drop(other);
    let status = Bounded::of(child).wait();
    assert_eq!(flags(&theirs), before, "the flag is everybody's");
    drop(theirs);
    feeding.join().expect("it does not panic");
    let text = |all: JoinHandle<Vec<u8>>, is_full: bool| {
        let mut all = all.join().expect("it does not panic");
        if is_full {
            assert!(all.iter().take(filled).all(|byte| *byte == b'#'));
            all.drain(..filled);
        }
        String::from_utf8(all).expect("UTF-8")
    };
    Done {
        code: code(status),
        out: text(out, stream == Stream::Out),
        err: text(err, stream == Stream::Err),
    }
}

/// More than any stream takes without its reader.
fn bulk() -> String {
    let line = |at: usize| format!("{at:015}\n");
    (0..(1 << 20) / 16).map(line).collect()
}

/// Answers one peer: what comes up to its end, or up to the length that it says, goes back.
fn mirror(head: &'static str) -> OnePeer {
    OnePeer::new(move |mut peer| {
        let body = if head.is_empty() { read_stream(&mut peer) } else { read_body(&mut peer) };
        // The program may have given up, and its answer tells.
        let _ = peer.write_all(head.as_bytes()).and_then(|()| peer.write_all(&body));
    })
}

fn read_stream(peer: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    peer.read_to_end(&mut all).expect("it ends");
    all
}

fn read_body(peer: &mut TcpStream) -> Vec<u8> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if peer.read(&mut byte).expect("it is open") == 0 {
            return Vec::new();
        }
        head.extend_from_slice(&byte);
    }
    let head = String::from_utf8(head).expect("text").to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().expect("a number"))];
    peer.read_exact(&mut body).expect("the body comes");
    body
}

const OK: &str = "HTTP/1.0 200 OK\r\n\r\n";

/// Verbs that bring back what they are given, and the head that their peer answers with.
const MIRRORED: &[(&[&str], Option<&str>)] = &[
    (&["talk", "PEER"], Some("")),
    (&["talk", "PEER", "--raw"], Some("")),
    (&["get", "http://PEER/", "-d", "@-"], Some(OK)),
    (&["relay", "-", "tcp://PEER", "-q"], Some("")),
    (&["serve", "echo", "-", "-q"], None),
];

#[test]
fn what_passes_arrives_whole_and_in_order() {
    let bulk = bulk();
    for (words, head) in MIRRORED {
        for stream in [Stream::In, Stream::Out] {
            for medium in [Medium::Pipe, Medium::Socket] {
                let peer = head.map(mirror);
                let address = peer.as_ref().map_or_else(String::new, OnePeer::address);
                let words: Vec<_> =
                    words.iter().map(|word| word.replace("PEER", &address)).collect();
                let words: Vec<_> = words.iter().map(String::as_str).collect();
                let done = run_shared(hobnob(&words), bulk.as_bytes(), stream, medium);
                let case = format!("{words:?} {stream:?} {medium:?}");
                assert_eq!((done.code, done.err.as_str()), (0, ""), "{case}");
                assert_eq!(done.out.len(), bulk.len(), "{case}");
                assert!(done.out == bulk, "{case}: all came, but not in order");
                if let Some(peer) = peer {
                    peer.finish();
                }
            }
        }
    }
}

/// Runs of which every word is known before: what they say, on which stream.
#[cfg(feature = "http")]
const SAID: &[(Stream, &[&str])] = &[
    (Stream::Out, &[]),
    (Stream::Out, &["serve", "--help"]),
    (Stream::Out, &["help", "faults"]),
    (Stream::Out, &["completions", "bash"]),
    (Stream::Out, &["explain", "tls+tcp://127.0.0.1:9000"]),
    (Stream::Out, &["talk", "--json", "--bogus"]),
    (Stream::Err, &["talk", "--json", "--bogus"]),
    (Stream::Err, &["talk", "127.0.0.1:REFUSED"]),
    (Stream::Err, &["get", "127.0.0.1:REFUSED"]),
    (Stream::Err, &["relay", "-", "127.0.0.1:REFUSED", "-q"]),
    (Stream::Err, &["serve", "echo", "--bogus"]),
    (Stream::Err, &["help", "nothing-of-the-kind"]),
    (Stream::Err, &["up", "/nothing/of/the/kind"]),
    (Stream::Err, &["talk", "-v", "ECHO", "hi"]),
    (Stream::Err, &["get", "-v", "ECHO"]),
];

/// Without what differs from run to run; an event's times stand between its type and its slug.
#[cfg(feature = "http")]
fn timeless(text: &str) -> String {
    let event = text.split_once(r#""t":"#).and_then(|(before, after)| {
        after.split_once(r#""slug""#).map(|(_, after)| format!("{before}{after}"))
    });
    event.unwrap_or_else(|| {
        let lines = text.lines().filter(|line| !line.contains("date: "));
        kit::steady(&lines.collect::<Vec<_>>().join("\n"))
    })
}

#[cfg(feature = "http")]
#[test]
fn what_is_said_is_the_same_as_on_streams_that_block() {
    let refused = Port::draw();
    let echo = serve(&["http", "127.0.0.1:0"]);
    for (stream, words) in SAID {
        let words: Vec<_> = words
            .iter()
            .map(|word| word.replace("REFUSED", &refused.number.to_string()))
            .map(|word| word.replace("ECHO", &echo.address))
            .collect();
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        let wanted = kit::finish(hobnob(&words), b"");
        for medium in [Medium::Pipe, Medium::Socket] {
            let done = run_shared(hobnob(&words), b"", *stream, medium);
            let case = format!("{words:?} {stream:?} {medium:?}");
            assert_eq!(done.code, wanted.code, "{case}: {}", done.err);
            assert_eq!(timeless(&done.out), timeless(&wanted.out), "{case}");
            assert_eq!(timeless(&done.err), timeless(&wanted.err), "{case}");
        }
    }
}

#[test]
fn a_server_tells_all_and_lives_on() {
    for (stream, flag, last) in
        [(Stream::Out, "--json", r#""type":"summary""#), (Stream::Err, "-v", "sessions")]
    {
        for medium in [Medium::Pipe, Medium::Socket] {
            let folder = folder();
            let path = folder.path().join("x.sock").to_string_lossy().into_owned();
            let peer = std::thread::spawn({
                let path = path.clone();
                move || [(); 2].map(|()| run(&["talk", "--retry", &path, "hello"]))
            });
            let words = ["serve", "echo", &path, "--max", "2", flag];
            let done = run_shared(hobnob(&words), b"", stream, medium);
            for heard in peer.join().expect("it does not panic") {
                assert_eq!((heard.code, heard.out.as_str()), (0, "hello\n"), "{}", heard.err);
            }
            assert_eq!(done.code, 0, "{stream:?} {medium:?}: {}", done.err);
            let told = if stream == Stream::Out { done.out } else { done.err };
            assert_eq!(told.matches("hello").count(), 4, "{stream:?} {medium:?}: {told}");
            assert!(told.lines().last().is_some_and(|line| line.contains(last)), "{told}");
        }
    }
}

#[cfg(feature = "http")]
#[test]
fn a_page_from_standard_input_is_whole() {
    let page = bulk();
    for medium in [Medium::Pipe, Medium::Socket] {
        let (ends, _) = Ends::open(medium, Stream::In);
        let before = flags(&ends.theirs);
        let mut command = hobnob(&["serve", "http", "127.0.0.1:0", "--body", "-"]);
        command.stdin(ends.lend()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary is there");
        let err = Lines::of(child.stderr.take().expect("it is piped"));
        let child = Bounded::of(child);
        let (ours, bytes) = (ends.ours, page.clone());
        std::thread::spawn(move || feed(ours, bytes.as_bytes()));
        err.until("is listening");
        let banner = err.next();
        let address = banner.split_whitespace().nth(1).expect("an address");
        let got = run(&["get", &format!("http://{address}/")]);
        assert!(got.code == 0 && got.out == page, "{medium:?}: {}", got.err);
        signal(child.id(), "TERM");
        assert_eq!(code(child.wait()), 0);
        assert_eq!(flags(&ends.theirs), before);
    }
}

#[test]
fn a_signal_ends_what_waits_for_a_reader_that_takes_nothing() {
    for medium in [Medium::Pipe, Medium::Socket] {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("it is bound").to_string();
        let (ends, _) = Ends::open(medium, Stream::Out);
        let mut command = hobnob(&["talk", &address]);
        command.stdin(Stdio::piped()).stdout(ends.lend()).stderr(Stdio::null());
        let child = Bounded::of(command.spawn().expect("the binary is there"));
        let (mut peer, _) = listener.accept().expect("it dials");
        peer.write_all(b"nobody reads this\n").expect("it is open");
        dawdle();
        signal(child.id(), "TERM");
        assert_eq!(code(child.wait()), 143, "{medium:?}");
    }
}

/// `serve echo --json | head -1`: it ends when its reader has gone, and not only with the next event.
#[test]
fn a_server_of_events_ends_when_its_reader_has_left() {
    for medium in ["pipe", "socket", "terminal"] {
        let mut command = hobnob(&["serve", "echo", "127.0.0.1:0", "--json"]);
        command.stdin(Stdio::null()).stderr(Stdio::null());
        let reader: OwnedFd = match medium {
            "pipe" => {
                let (reader, writer) = std::io::pipe().expect("a pipe");
                command.stdout(writer);
                reader.into()
            }
            "socket" => {
                let (ours, theirs) = UnixStream::pair().expect("two sockets");
                command.stdout(OwnedFd::from(theirs));
                ours.into()
            }
            _ => {
                let pty = crate::pty::Pty::raw();
                command.stdout(pty.lend());
                pty.master.into()
            }
        };
        let child = Bounded::of(command.spawn().expect("the binary is there"));
        drop(command);
        let mut first = [0];
        let mut reader = File::from(reader);
        reader.read_exact(&mut first).expect("it says that it listens");
        drop(reader);
        let code = code(child.wait());
        // A terminal that is gone takes no line, and says EIO.
        assert!(code == 141 || medium == "terminal" && code == 9, "{medium}: {code}");
    }
}

#[test]
fn a_terminal_that_does_not_block_shows_all_and_is_typed_on() {
    let Some(screen) = Screen::open("a_terminal_that_does_not_block_shows_all_and_is_typed_on")
    else {
        return;
    };
    // More than the terminal holds comes at once, and then what is typed comes back.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("it is bound").to_string();
    let play = move || {
        let (mut peer, _) = listener.accept().expect("it dials");
        let line = |at: usize| format!("line {at} of many\n");
        let lines: String = (0..3_000).map(line).collect();
        peer.write_all(lines.as_bytes()).expect("it reads");
        let back = peer.try_clone().expect("a descriptor");
        let _ = std::io::copy(&mut &back, &mut peer);
    };
    let peer = std::thread::spawn(play);
    let shared = |words: &str| {
        format!(
            "python3 -c \"import os, subprocess; os.set_blocking(0, False); \
             code = subprocess.call('{BINARY} {words}'.split()); \
             print(code, os.get_blocking(0), 'is ov' + 'er')\""
        )
    };
    let last = run(&["completions", "bash"]).out;
    let last = last.lines().last().expect("a script");
    screen.line(&shared("completions bash"));
    screen.until(|text| text.contains(&format!("{last}\n0 False is over")));
    screen.line(&format!("clear; {}", shared(&format!("talk {address}"))));
    screen.until(|text| text.contains("line 2999 of many"));
    screen.line("Ada");
    screen.until(|text| text.contains("«  Ada"));
    screen.keys(&["C-d"]);
    screen.until(|text| text.contains("0 False is over"));
    peer.join().expect("it does not panic");
}
