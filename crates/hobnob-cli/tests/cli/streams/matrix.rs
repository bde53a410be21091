//! Every verb that moves bytes, on every kind of stream: what passes is whole, or an exit code says why it is not.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread::JoinHandle;

use crate::kit::{Bounded, Done, OnePeer, code, folder, hobnob};
use crate::pty::{Pty, clog};

use super::{Ends, MIRRORED, Medium, Stream, feed, mirror, take};

/// What a stream may be.
#[derive(Debug, Clone, Copy, PartialEq)]
enum StreamKind {
    /// Made so by another program; one that is written to is full besides.
    NonBlocking,
    Closed,
    /// Of what is read: as much as a pipe holds is there. Of what is written: the disk is full.
    Full,
    Slow,
    Null,
    Fifo,
    File,
    Socket,
    Terminal,
}

const KINDS: [StreamKind; 9] = [
    StreamKind::NonBlocking,
    StreamKind::Closed,
    StreamKind::Full,
    StreamKind::Slow,
    StreamKind::Null,
    StreamKind::Fifo,
    StreamKind::File,
    StreamKind::Socket,
    StreamKind::Terminal,
];

/// Our side of a stream.
enum Side {
    /// There is none.
    Nobody,
    Stream(File),
    File(PathBuf),
    Terminal(Pty),
}

/// A stream: what the program has, none where it is closed; our side; and how much was in it before.
struct Laid {
    theirs: Option<File>,
    ours: Side,
    filled: usize,
}

fn pair(one: impl Into<OwnedFd>, other: impl Into<OwnedFd>, filled: usize) -> Laid {
    let (theirs, ours) = (File::from(one.into()), File::from(other.into()));
    Laid { theirs: Some(theirs), ours: Side::Stream(ours), filled }
}

fn lay(kind: StreamKind, stream: Stream, folder: &std::path::Path, text: &str) -> Laid {
    let is_read = stream == Stream::In;
    let device = |name: &str| {
        let theirs = File::options().read(is_read).write(!is_read).open(name);
        Laid { theirs: Some(theirs.expect("Linux has it")), ours: Side::Nobody, filled: 0 }
    };
    match kind {
        StreamKind::Closed => Laid { theirs: None, ours: Side::Nobody, filled: 0 },
        StreamKind::Null => device("/dev/null"),
        StreamKind::Full if !is_read => device("/dev/full"),
        StreamKind::NonBlocking => {
            let (Ends { theirs, ours }, filled) = Ends::open(Medium::Pipe, stream);
            Laid { theirs: Some(theirs), ours: Side::Stream(ours), filled }
        }
        StreamKind::Full => {
            let (reader, writer) = std::io::pipe().expect("a pipe");
            let mut writer = File::from(OwnedFd::from(writer));
            let filled = clog(&mut writer);
            pair(reader, writer, filled)
        }
        StreamKind::Slow => {
            let (reader, writer) = std::io::pipe().expect("a pipe");
            if is_read { pair(reader, writer, 0) } else { pair(writer, reader, 0) }
        }
        StreamKind::Fifo => {
            let path = folder.join("fifo");
            nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("room");
            // With both ends open here none of the two others waits for its like.
            let both = File::options().read(true).write(true).open(&path).expect("a FIFO");
            let reader = File::open(&path).expect("a FIFO");
            let writer = File::options().write(true).open(&path).expect("a FIFO");
            drop(both);
            if is_read { pair(reader, writer, 0) } else { pair(writer, reader, 0) }
        }
        StreamKind::File => {
            let path = folder.join("file");
            std::fs::write(&path, if is_read { text } else { "" }).expect("room");
            let theirs = File::options().read(is_read).write(!is_read).open(&path);
            Laid { theirs: Some(theirs.expect("ours")), ours: Side::File(path), filled: 0 }
        }
        StreamKind::Socket => {
            let (one, other) = UnixStream::pair().expect("two sockets");
            pair(one, other, 0)
        }
        StreamKind::Terminal => {
            let pty = if is_read { Pty::open() } else { Pty::raw() };
            let theirs = pty.slave.try_clone().expect("a descriptor");
            Laid { theirs: Some(theirs), ours: Side::Terminal(pty), filled: 0 }
        }
    }
}

/// Runs a command with one stream of this kind; the others are pipes. Without a far side nothing is heard of a stream.
fn run_on(words: &[&str], stream: Stream, kind: StreamKind, text: &str) -> Done {
    let folder = folder();
    let Laid { theirs, ours, filled } = lay(kind, stream, folder.path(), text);
    let mut command = match (&theirs, stream) {
        (Some(_), _) => hobnob(words),
        (None, stream) => without(words, stream),
    };
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let lent = theirs.map_or_else(Stdio::null, Stdio::from);
    match stream {
        Stream::In => command.stdin(lent),
        Stream::Out => command.stdout(lent),
        Stream::Err => command.stderr(lent),
    };
    let mut child = command.spawn().expect("the binary is there");
    drop(command); // it holds our end of what the program has
    let (input, out, err) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let bytes = text.as_bytes().to_vec();
    let (feeding, far) = match (stream, ours) {
        (Stream::In, ours) => (std::thread::spawn(move || say(ours, kind, &bytes)), Side::Nobody),
        (_, ours) => {
            let mut input = input.expect("it is piped");
            // It may end without reading everything.
            (std::thread::spawn(move || drop(input.write_all(&bytes))), ours)
        }
    };
    let pauses = if kind == StreamKind::Slow || kind == StreamKind::NonBlocking { 4 } else { 0 };
    let mut far = Some(far);
    let mut hear = |piped: Option<OwnedFd>| {
        let far = piped.map_or_else(
            || far.take().expect("one stream is not piped"),
            |fd| Side::Stream(fd.into()),
        );
        std::thread::spawn(move || listen(far, pauses))
    };
    let out = (stream != Stream::Out).then(|| out.map(OwnedFd::from)).flatten();
    let err = (stream != Stream::Err).then(|| err.map(OwnedFd::from)).flatten();
    let (out, err) = (hear(out), hear(err));
    let status = Bounded::of(child).wait();
    feeding.join().expect("it does not panic");
    let text = |heard: JoinHandle<Heard>, of: Stream| {
        let mut bytes = match heard.join().expect("it does not panic") {
            Heard::Bytes(bytes) => bytes,
            Heard::In(path) => std::fs::read(path).expect("ours"),
        };
        bytes.drain(..if of == stream { filled } else { 0 });
        String::from_utf8(bytes).expect("UTF-8")
    };
    Done { code: code(status), out: text(out, Stream::Out), err: text(err, Stream::Err) }
}

/// Without this stream at all: the shell closes it.
fn without(words: &[&str], stream: Stream) -> Command {
    let close = match stream {
        Stream::In => "<&-",
        Stream::Out => ">&-",
        Stream::Err => "2>&-",
    };
    let mut command = Command::new("sh");
    command.args(["-c", &format!("exec \"$0\" \"$@\" {close}"), env!("CARGO_BIN_EXE_hobnob")]);
    command.args(words).env_clear().env("PATH", "/usr/bin:/bin");
    command
}

/// Says all of it to the program, and ends.
fn say(side: Side, kind: StreamKind, bytes: &[u8]) {
    match side {
        Side::Stream(to) if kind == StreamKind::Slow || kind == StreamKind::NonBlocking => {
            feed(to, bytes);
        }
        // The program may have ended, and its answer tells.
        Side::Stream(mut to) => drop(to.write_all(bytes)),
        Side::Terminal(pty) => {
            let mut person = pty.master.try_clone().expect("a descriptor");
            person.write_all(&[bytes, b"\x04"].concat()).expect("it takes a page");
            // It hangs up once nobody holds it; the echo goes unread.
            pty.read_all();
        }
        Side::File(_) | Side::Nobody => {}
    }
}

enum Heard {
    Bytes(Vec<u8>),
    /// It will be in this file when the program is over.
    In(PathBuf),
}

fn listen(side: Side, pauses: usize) -> Heard {
    match side {
        Side::Nobody => Heard::Bytes(Vec::new()),
        Side::File(path) => Heard::In(path),
        Side::Terminal(pty) => Heard::Bytes(pty.read_all()),
        Side::Stream(from) if pauses > 0 => Heard::Bytes(take(from, pauses)),
        Side::Stream(mut from) => {
            let mut all = Vec::new();
            from.read_to_end(&mut all).expect("it ends");
            Heard::Bytes(all)
        }
    }
}

/// Lines: more than a pipe holds, and for a terminal as much as it holds without a reader.
fn lines(kind: StreamKind, stream: Stream) -> String {
    let count = if (kind, stream) == (StreamKind::Terminal, Stream::In) { 100 } else { 6_000 };
    let line = |at: usize| format!("line {at:010}\n");
    (0..count).map(line).collect()
}

/// One cell: a verb that brings back what it is given.
fn check_mirrored(words: &[&str], head: Option<&'static str>, stream: Stream, kind: StreamKind) {
    let peer = head.map(mirror);
    let address = peer.as_ref().map_or_else(String::new, OnePeer::address);
    // A log is told on stderr, which another verb has nothing to say on.
    let is_log = stream == Stream::Err;
    let words = words.iter().filter(|word| !is_log || **word != "-q");
    let words: Vec<_> = words.map(|word| word.replace("PEER", &address)).collect();
    let mut words: Vec<_> = words.iter().map(String::as_str).collect();
    if is_log {
        words.push("-v");
    }
    let text = lines(kind, stream);
    let done = run_on(&words, stream, kind, &text);
    let case = format!("{words:?} {stream:?} {kind:?}: {} {}", done.code, done.err);
    let wanted = match (stream, kind) {
        (Stream::In, StreamKind::Full) => {
            let filled = done.out.len().saturating_sub(text.len());
            assert!(filled >= 4_096, "{case}: what was there before is missing");
            "#".repeat(filled) + &text
        }
        (Stream::In | Stream::Out, StreamKind::Closed | StreamKind::Null)
        | (Stream::Out, StreamKind::Full) => String::new(),
        _ => text,
    };
    assert!(done.out == wanted, "{case}: {} bytes of {}", done.out.len(), wanted.len());
    match (stream, kind) {
        (Stream::Out, StreamKind::Full) => assert_eq!(done.code, 9, "{case}"),
        // Whoever gets a page wants it somewhere.
        (Stream::Out, StreamKind::Closed) if words[0] == "get" => {
            assert_eq!(done.code, 9, "{case}");
        }
        _ => assert_eq!(done.code, 0, "{case}"),
    }
    if let Some(peer) = peer {
        peer.finish();
    }
}

/// One cell: an error, which is an exit code also where nobody can read it.
fn check_error(stream: Stream, kind: StreamKind) {
    let done = run_on(&["talk", "127.0.0.1:1", "--bogus"], stream, kind, "");
    let case = format!("{stream:?} {kind:?}: {done:?}");
    assert_eq!(done.code, 2, "{case}");
    let is_lost = stream == Stream::Err
        && matches!(kind, StreamKind::Closed | StreamKind::Null | StreamKind::Full);
    assert_eq!(done.err.contains("[unknown-option]"), !is_lost, "{case}");
}

#[test]
fn every_verb_on_every_kind_of_stream() {
    let mut cells = Vec::new();
    for stream in [Stream::In, Stream::Out, Stream::Err] {
        for kind in KINDS {
            cells.push((None, stream, kind));
            cells.extend(MIRRORED.iter().map(|verb| (Some(verb), stream, kind)));
        }
    }
    let cells = Mutex::new(cells);
    let work = || {
        loop {
            let Some((verb, stream, kind)) = cells.lock().expect("nobody panics").pop() else {
                return;
            };
            match verb {
                Some((words, head)) => check_mirrored(words, *head, stream, kind),
                None => check_error(stream, kind),
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(work);
        }
    });
}
