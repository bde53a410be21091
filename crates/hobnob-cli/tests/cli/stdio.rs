//! Every service over standard input and output: the transport that takes a process to be tried.

use std::io::{Read as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use hobnob::engine::services;
use hobnob::spec::Shape;

use crate::kit::{Bounded, Lines, at_first_door, code, finish, hobnob, needs, run_with, signal};

/// Every service of the table that serves bytes and is built in.
fn each(check: impl Fn(&'static str)) {
    let rows = services()
        .iter()
        .filter(|row| row.make.is_some() && row.door().shapes.contains(&Shape::Bytes));
    let names: Vec<_> = rows.map(|row| row.spec.name).collect();
    assert!(!names.is_empty());
    names.into_iter().for_each(check);
}

fn start(service: &str, flags: &[&str]) -> (Bounded, ChildStdin, ChildStdout) {
    let mut command = hobnob(&["serve", service, &at_first_door(service, "-"), "-q"]);
    command.args(flags).args(needs(service)).stderr(Stdio::null());
    let mut child: Child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the binary is there");
    let (input, output) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
    (Bounded::of(child), input, output)
}

/// The same, with what it tells on stderr.
fn start_telling(service: &str) -> (Bounded, Lines, ChildStdin, ChildStdout) {
    let mut command = hobnob(&["serve", service, &at_first_door(service, "-")]);
    command.args(needs(service));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child: Child = command.spawn().expect("the binary is there");
    let lines = Lines::of(child.stderr.take().expect("piped"));
    let (input, output) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
    (Bounded::of(child), lines, input, output)
}

/// Whether it would pour for ever, so that its end is its reader's.
fn is_pouring(service: &str) -> bool {
    services().iter().any(|row| row.spec.name == service && row.is_loud)
}

#[test]
fn input_that_ends_at_once_and_input_that_says_something_end_every_service() {
    each(|service| {
        for said in [&b""[..], b"Ada\n", &(0..=255).collect::<Vec<u8>>()] {
            let (child, mut input, mut output) = start(service, &[]);
            // It may have ended before it was told all.
            let _ = input.write_all(said);
            drop(input);
            if is_pouring(service) {
                output.read_exact(&mut [0; 64]).expect("it pours");
                drop(output);
            } else {
                output.read_to_end(&mut Vec::new()).expect("it ends");
            }
            let expected = if is_pouring(service) { 141 } else { 0 };
            assert_eq!(code(child.wait()), expected, "{service} after {said:?}");
        }
    });
}

#[test]
fn bytes_pass_whole_in_bulk_and_one_by_one() {
    let line = |at: usize| format!("{at:015}\n");
    let bulk: String = (0..(64 << 20) / 16).map(line).collect();
    let done = run_with(&["serve", "echo", "-", "-q"], bulk.as_bytes());
    assert_eq!((done.code, done.out.len()), (0, bulk.len()));
    assert!(done.out == bulk, "64 MiB came back, but not as they went");
    let (child, mut input, mut output) = start("echo", &[]);
    for byte in 0..=255 {
        input.write_all(&[byte]).and_then(|()| input.flush()).expect("it listens");
        let mut back = [0];
        output.read_exact(&mut back).expect("it answers");
        assert_eq!(back, [byte]);
    }
    drop(input);
    assert_eq!(code(child.wait()), 0);
}

#[test]
fn silence_ends_every_service_whose_input_stays_open() {
    each(|service| {
        if is_pouring(service) {
            return; // it is never silent
        }
        let (child, _input, mut output) = start(service, &["--idle", "100ms"]);
        output.read_to_end(&mut Vec::new()).expect("silence ends it");
        // It has said the time, and ended before the silence did.
        let expected = if service == "time" { 0 } else { 6 };
        assert_eq!(code(child.wait()), expected, "{service}");
    });
}

#[test]
fn sigterm_ends_every_service_while_its_input_stays_open() {
    each(|service| {
        let (child, lines, input, mut output) = start_telling(service);
        lines.until("#1");
        signal(child.id(), "TERM");
        // What was under way is still to be taken.
        output.read_to_end(&mut Vec::new()).expect("it ends");
        // Its end is seen; it waits a moment for ours.
        drop(input);
        assert_eq!(code(child.wait()), 0, "{service}");
    });
}

#[test]
fn a_reader_that_leaves_ends_every_service_whatever_it_still_has_to_say() {
    each(|service| {
        let (child, lines, input, output) = start_telling(service);
        lines.until("#1");
        drop(output);
        let code = code(child.wait());
        drop(input);
        // What says one thing and ends may have said it before.
        assert!(code == 141 || code == 0 && service == "time", "{service}: {code}");
    });
}

/// The exit code is that of the one session, as it is for `talk`.
#[test]
fn the_end_of_the_only_session_is_the_exit_code() {
    let echo = hobnob::serve("echo", "127.0.0.1:0").expect("a free port");
    let to = echo.bound()[0].address.to_string();
    for verb in [&["relay", "-", &to, "-q"][..], &["serve", "echo", "-", "-q"]] {
        let verb = verb.join(" ");
        for (how, expected) in [
            ("echo hi | \"$0\" VERB", "hi\n0\n"),
            ("echo hi | \"$0\" VERB >/dev/full", "9\n"),
            ("sleep 60 | { \"$0\" VERB --idle 100ms; echo $?; kill 0; }", "6\n"),
        ] {
            let script = format!("{}; echo $?", how.replace("VERB", &verb));
            let mut command = Command::new("setsid");
            command.args(["bash", "-c", &script, env!("CARGO_BIN_EXE_hobnob")]);
            let done = finish(command, b"");
            assert!(done.out.starts_with(expected), "{script}: {}{}", done.out, done.err);
        }
    }
}

/// Whatever spoils the one session, something that can help is proposed.
#[test]
fn what_spoils_the_only_session_comes_with_what_to_try() {
    let target = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let at = target.local_addr().expect("it is bound").to_string();
    // It reads nothing, so that its close is a reset.
    let resetting = std::thread::spawn(move || {
        while let Ok((mut session, _)) = target.accept() {
            if session.peek(&mut [0; 1]).unwrap_or(0) == 0 {
                return;
            }
            std::io::Write::write_all(&mut session, b"x").expect("it is open");
        }
    });
    for (script, proposed) in [
        ("sleep 60 | { \"$0\" serve echo - --idle 100ms; kill 0; }", "--idle 60s".to_owned()),
        ("echo hi | \"$0\" serve echo - >/dev/full", "df -h".to_owned()),
        (
            &format!("{{ echo hi; sleep 60; }} | {{ \"$0\" relay - {at}; kill 0; }}"),
            format!("hobnob talk {at}"),
        ),
    ] {
        let mut command = Command::new("setsid");
        command.args(["bash", "-c", script, env!("CARGO_BIN_EXE_hobnob")]);
        let done = finish(command, b"");
        let tried = done.err.lines().find(|line| line.trim_start().starts_with("try"));
        assert!(tried.is_some_and(|tried| tried.contains(&proposed)), "{script}: {}", done.err);
    }
    // An end without a word ends the thread.
    drop(std::net::TcpStream::connect(&at));
    resetting.join().expect("no panic");
}

#[test]
fn a_reader_that_pauses_holds_its_writer_back_and_then_gets_all() {
    const ALL: usize = 64 << 20;
    let (child, input, mut output) = start("echo", &[]);
    let (is_under_way, under_way) = std::sync::mpsc::channel();
    let writer = std::thread::spawn(move || {
        let (mut input, piece) = (input, vec![b'x'; 1 << 16]);
        for _ in 0..ALL >> 16 {
            input.write_all(&piece).expect("it listens");
            let _ = is_under_way.send(());
        }
        input
    });
    // What the pipes and the process hold without anybody reading is more than that.
    (0..2).for_each(|_| under_way.recv().expect("it takes some"));
    let mut all = vec![0; ALL];
    output.read_exact(&mut all).expect("all comes back");
    assert!(all.iter().all(|byte| *byte == b'x'));
    let input = writer.join().expect("no panic");
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).expect("procfs");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("it is there");
    let peak: usize = peak.trim().trim_end_matches(" kB").parse().expect("a number");
    assert!(peak << 10 < ALL, "it held {peak} KiB");
    drop(input);
    assert_eq!(code(child.wait()), 0);
}
