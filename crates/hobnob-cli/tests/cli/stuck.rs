//! A signal ends what waits for a reader that takes nothing, and what waits for a file that never comes: the first one
//! where there is nothing to drain, and the terminal is as it was.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use crate::kit::{Bounded, Lines, OnePeer, code, folder, hobnob, signal};
use crate::mail::office;
use crate::pty::{Pty, clog};

/// What ends a program, and the exit code as a shell says it.
const ALL: [(&str, i32); 4] = [("INT", 130), ("TERM", 143), ("HUP", 129), ("QUIT", 131)];

/// Which stream takes nothing, and what it is.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Stuck {
    OutPipe,
    OutTerminal,
    ErrPipe,
    ErrTerminal,
}

const STUCK: [Stuck; 4] = [Stuck::OutPipe, Stuck::OutTerminal, Stuck::ErrPipe, Stuck::ErrTerminal];

/// Waits until a program takes signals: its thread for them is there.
pub(crate) fn until_it_listens(id: u32) {
    until_it_has_a_thread(id, "signals");
}

fn until_it_has_a_thread(id: u32, wanted: &str) {
    loop {
        let tasks = std::fs::read_dir(format!("/proc/{id}/task")).expect("it runs");
        let named = |path: &Path| std::fs::read_to_string(path.join("comm")).unwrap_or_default();
        if tasks.flatten().any(|task| named(&task.path()).trim() == wanted) {
            return;
        }
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        assert!(!stat.contains(") Z"), "it is over, and had no thread {wanted}: {stat}");
        std::thread::yield_now();
    }
}

/// A peer that says something that is an answer to anybody, and goes on listening.
fn talkative() -> OnePeer {
    OnePeer::new(|mut peer| {
        peer.write_all(b"HTTP/1.0 200 OK\r\n\r\nsome of it").expect("it is open");
        // To the end, however it comes.
        let _ = peer.read_to_end(&mut Vec::new());
    })
}

/// Quitting may leave a core, which is of no use here.
fn without_core(words: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -c 0; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_hobnob")]);
    command.args(words).env_clear().env("PATH", "/usr/bin:/bin");
    command
}

/// What keeps a stream open, and its program's side.
fn clogged(stuck: Stuck) -> (Stdio, File) {
    if matches!(stuck, Stuck::OutTerminal | Stuck::ErrTerminal) {
        let mut pty = Pty::raw();
        pty.clog();
        return (pty.lend(), pty.master);
    }
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let mut writer = File::from(OwnedFd::from(writer));
    clog(&mut writer);
    (writer.into(), OwnedFd::from(reader).into())
}

#[test]
fn the_first_signal_ends_who_waits_for_a_stuck_reader() {
    let (_office, [_, _, imap]) = office(&[]);
    let imap = format!("imap://{imap}");
    let runs: &[&[&str]] = &[
        &["talk", "PEER", "-v"],
        &["get", "http://PEER/", "-v"],
        &["talk", "PEER", "--json", "-v"],
        &["mail", "fetch", &imap, "--wait", "subject:never", "--within", "1h", "-v"],
    ];
    std::thread::scope(|scope| {
        for words in runs {
            for stuck in STUCK {
                // Each may take the second that is left to it.
                for (name, expected) in ALL {
                    scope.spawn(move || {
                        let peer = talkative();
                        let address = peer.address();
                        let words: Vec<_> =
                            words.iter().map(|word| word.replace("PEER", &address)).collect();
                        let words: Vec<_> = words.iter().map(String::as_str).collect();
                        let mut command = without_core(&words);
                        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
                        let (theirs, _nobody_reads) = clogged(stuck);
                        match stuck {
                            Stuck::OutPipe | Stuck::OutTerminal => command.stdout(theirs),
                            Stuck::ErrPipe | Stuck::ErrTerminal => command.stderr(theirs),
                        };
                        let mut child = command.spawn().expect("the binary is there");
                        drop(command);
                        let _stdin_stays_open = child.stdin.take();
                        let child = Bounded::of(child);
                        until_it_listens(child.id());
                        signal(child.id(), name);
                        assert_eq!(code(child.wait()), expected, "{words:?} {stuck:?} {name}");
                        peer.finish();
                    });
                }
            }
        }
    });
}

/// A person's terminal takes nothing any more while the peer goes on and on.
#[test]
fn a_terminal_that_takes_nothing_is_given_back() {
    std::thread::scope(|scope| {
        for (name, expected) in ALL {
            scope.spawn(move || {
                let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
                let address = listener.local_addr().expect("it is bound").to_string();
                let pty = Pty::open();
                let before = pty.mode();
                let mut command = without_core(&["talk", &address]);
                command.env("TERM", "xterm").env("HOME", "/nonexistent");
                command.stdin(pty.lend()).stdout(pty.lend()).stderr(Stdio::null());
                let child = Bounded::of(command.spawn().expect("the binary is there"));
                drop(command);
                let (mut peer, _) = listener.accept().expect("it dials");
                while !pty.is_edited() {
                    std::thread::yield_now();
                }
                // That nothing goes any more only a pause can show; a short one merely asks less.
                peer.set_write_timeout(Some(Duration::from_millis(100))).expect("a timeout");
                while peer.write_all(&[b"line\n".repeat(10_000)].concat()).is_ok() {}
                signal(child.id(), name);
                assert_eq!(code(child.wait()), expected, "{name}");
                assert!(!pty.is_edited(), "{name}: the line editor has left it");
                assert_eq!(pty.mode().local_flags, before.local_flags, "{name}");
                assert_eq!(pty.mode().input_flags, before.input_flags, "{name}");
            });
        }
    });
}

/// A server is asked to drain. It has nothing to drain, and its log or its events go nowhere.
#[test]
fn a_server_that_nobody_hears_ends_when_asked() {
    std::thread::scope(|scope| {
        for (flag, stuck) in [
            ("-v", Stuck::ErrTerminal),
            ("-v", Stuck::ErrPipe),
            ("--json", Stuck::OutTerminal),
            ("--json", Stuck::OutPipe),
        ] {
            scope.spawn(move || {
                let mut command = hobnob(&["serve", "echo", "127.0.0.1:0", flag]);
                command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
                let (theirs, _nobody_reads) = clogged(stuck);
                match stuck {
                    Stuck::OutPipe | Stuck::OutTerminal => command.stdout(theirs),
                    Stuck::ErrPipe | Stuck::ErrTerminal => command.stderr(theirs),
                };
                let child = Bounded::of(command.spawn().expect("the binary is there"));
                drop(command);
                until_it_has_a_thread(child.id(), "hobnob-0");
                signal(child.id(), "TERM");
                let code = code(child.wait());
                // It was still starting, or it ran.
                assert!([0, 143].contains(&code), "{flag} {stuck:?}: {code}");
            });
        }
    });
}

/// The last line of a server that a signal has stopped while it started.
const GIVEN_UP: &str = "the start was given up, and nothing is left open";

/// What is opened or read before anything runs may never come.
#[test]
fn a_signal_ends_what_waits_for_a_file_that_never_comes() {
    let folder = folder();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let to = listener.local_addr().expect("it is bound").to_string();
    let (url, tls) = (format!("http://{to}/"), format!("tls://{to},ca=FIFO"));
    let smtp = format!("smtp://{to}");
    let send = |more: &[&'static str]| {
        [&["mail", "send", &smtp, "--from", "a@b", "--to", "c@d"], more].concat()
    };
    let mut runs: Vec<Vec<&str>> = vec![
        send(&["--eml", "FIFO"]),
        send(&["--eml", "-"]),
        send(&["--attach", "FIFO"]),
        send(&["--user", "li:@FIFO"]),
        vec!["mail", "show", "FIFO"],
        vec!["mail", "show", "-"],
        vec!["serve", "mail", "smtp=127.0.0.1:0", "--user", "li:@FIFO"],
        vec!["get", &url, "-o", "FIFO"],
        vec!["get", &url, "-d", "@FIFO"],
        vec!["get", &url, "-d", "@-"],
        vec!["serve", "http", "127.0.0.1:0", "--body", "@FIFO"],
        vec!["serve", "http", "127.0.0.1:0", "--body", "-"],
    ];
    if cfg!(feature = "tls") {
        runs.push(vec!["talk", &tls]);
        runs.push(vec!["serve", "echo", "tls://127.0.0.1:0,cert=FIFO"]);
        runs.push(vec!["relay", "127.0.0.1:0", &tls]);
    }
    let fifos = AtomicU32::new(0);
    let lay = || {
        let path = folder.path().join(format!("fifo-{}", fifos.fetch_add(1, Relaxed)));
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("room");
        path.to_str().expect("UTF-8").to_owned()
    };
    std::thread::scope(|scope| {
        for words in &runs {
            for (name, expected) in ALL {
                // By a pipe that says nothing, and by a terminal that nobody types on.
                for is_typed in [false, true].into_iter().take(if name == "INT" { 2 } else { 1 }) {
                    // Each has its own, or one that writes would meet one that reads.
                    let fifo = lay();
                    scope.spawn(move || {
                        let pty = Pty::open();
                        let words: Vec<_> =
                            words.iter().map(|word| word.replace("FIFO", &fifo)).collect();
                        let words: Vec<_> = words.iter().map(String::as_str).collect();
                        let stdin = if is_typed { pty.lend() } else { Stdio::piped() };
                        let mut command = without_core(&words);
                        command.stdin(stdin).stdout(Stdio::null()).stderr(Stdio::piped());
                        let mut child = command.spawn().expect("the binary is there");
                        drop(command);
                        let _stdin_stays_open = child.stdin.take();
                        let err = Lines::of(child.stderr.take().expect("it is piped"));
                        let child = Bounded::of(child);
                        // Where it takes no signals they end it by themselves: then the shell is enough.
                        let is_read_first = words[0] == "mail" || words[0] == "get";
                        if !is_read_first || words[2] == "-o" {
                            until_it_listens(child.id());
                        }
                        signal(child.id(), name);
                        assert_eq!(code(child.wait()), expected, "{words:?} {name}");
                        // Quitting is dying at once.
                        if matches!(words[0], "serve" | "relay") && name != "QUIT" {
                            let said = err.rest();
                            let last = said.last().map(String::as_str);
                            assert_eq!(last, Some(GIVEN_UP), "{words:?} {name}: {said:?}");
                        }
                    });
                }
            }
        }
    });
}
