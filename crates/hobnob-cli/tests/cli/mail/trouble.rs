//! What goes wrong: refusals, mistakes in the command, full disks, readers that leave, servers that are silent.

use std::fs;
use std::net::TcpListener;
use std::process::Stdio;

use super::{office, scripted, sends};
use crate::kit::hardship::{a_lack_of_files_is_told, full};
use crate::kit::{Bounded, Lines, code, folder, hobnob, launch, run, signal};

/// A server that takes one of two people.
const ONE_OF_TWO: &[&str] = &[
    "220 hi\r\n",
    "250 x\r\n",
    "250 ok\r\n",
    "550 no li\r\n",
    "250 ok\r\n",
    "354 go\r\n",
    "250 kept\r\n",
    "221 bye\r\n",
];

#[test]
fn what_a_server_refuses_is_said_in_its_words_and_is_exit_code_1() {
    for (answers, words) in [
        (&["554 go \x1b[31maway\r\n"][..], r"554 go \x1b[31maway"),
        (&["220 hi\r\n", "250 x\r\n", "550 5.7.1 not from there\r\n"], "550 5.7.1 not from there"),
        (
            &[
                "220 hi\r\n",
                "250 x\r\n",
                "250 ok\r\n",
                "450 4.2.1 later\r\n",
                "250 reset\r\n",
                "221 bye\r\n",
            ],
            "450 4.2.1 later",
        ),
        (
            &[
                "220 hi\r\n",
                "250 x\r\n",
                "250 ok\r\n",
                "250 ok\r\n",
                "354 go\r\n",
                "552-too\r\n552 much\r\n",
                "221 bye\r\n",
            ],
            "552 too / much",
        ),
    ] {
        let peer = scripted(answers);
        let done = sends(&peer.address(), &[]);
        assert!(done.code == 1 && done.err.starts_with("error[rejected]: "), "{done:?}");
        let said = done.err.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains(words), "{words}: {}", done.err);
        peer.finish();
    }
    let peer = scripted(ONE_OF_TWO);
    let done = sends(&peer.address(), &["--cc", "han@test"]);
    assert_eq!((done.code, done.err.as_str()), (1, ""));
    assert!(
        done.out.contains("refused  li@test: 550 no li\n")
            && done.out.contains("sent to 1 person of 2 in"),
        "{}",
        done.out
    );
    peer.finish();
    let peer = scripted(ONE_OF_TWO);
    let done = sends(&peer.address(), &["--cc", "han@test", "--json"]);
    let event: serde_json::Value =
        serde_json::from_str(done.out.lines().next().expect("an event")).expect("JSON");
    assert_eq!(
        (done.code, event["did"].as_str(), event["taken"].as_u64()),
        (1, Some("sent"), Some(1))
    );
    assert_eq!(event["refused"][0]["answer"].as_str(), Some("550 no li"));
    peer.finish();
}

#[test]
fn mistakes_are_told_before_anybody_is_dialled() {
    for (words, part) in [
        (&["mail"][..], "send, fetch or show"),
        (&["mail", "sned", ":1025"], "hobnob mail send"),
        (&["mail", "send"], "an address is missing"),
        (&["mail", "send", ":1", "--to", "a@b"], "--from is missing"),
        (&["mail", "send", ":1", "--from", "a@b"], "--to is missing"),
        (&["mail", "send", ":1", "--from", "a@b", "--to", "nobody"], "does not take"),
        (&["mail", "send", ":1", "--from", "a@b", "--to", "a@b\r\nDATA"], "does not take"),
        (
            &["mail", "send", ":1", "--from", "a@b", "--to", "c@d", "--subject", "a\nBcc: x"],
            "a field of its own",
        ),
        (&["mail", "send", ":1", "--from", "a@b", "--to", "c@d", "-H", "no colon"], "a colon"),
        (
            &["mail", "send", ":1", "--from", "a@b", "--to", "c@d", "--attach", "/nowhere/x"],
            "cannot be read",
        ),
        (&["mail", "send", ":1", "--from", "a@b", "--to", "c@d", "--break", "all"], "bare-lf"),
        (
            &["mail", "send", ":1", "--from", "a@b", "--to", "c@d", "--save", "x"],
            "a flag of mail fetch",
        ),
        (
            &["mail", "send", ":1", "--from", "a@b", "--to", "c@d", "--eml", "x", "--text", "y"],
            "as it is",
        ),
        (&["mail", "send", "imap://:1", "--from", "a@b", "--to", "c@d"], "names imap"),
        (&["mail", "send", "udp://:1", "--from", "a@b", "--to", "c@d"], "gives packets"),
        (&["mail", "fetch", ":9"], "pop3 or of imap"),
        (&["mail", "fetch", "imap://:1", "x"], "a whole number"),
        (&["mail", "fetch", "imap://:1", "--wait", "subject:/("], "a pattern ends"),
        (&["mail", "fetch", "imap://:1", "--delete"], "which letters"),
        (&["mail", "fetch", "imap://:1", "2", "--last", "3"], "exclude each other"),
        (&["mail", "fetch", "imap://mail.test"], "--user is missing"),
        (&["mail", "fetch", "imap://:1", "--from", "a@b"], "a flag of mail send"),
        (&["mail", "show"], "a file is missing"),
        (&["mail", "show", "/nowhere/x", "--links", "--source"], "exclude each other"),
        (&["talk", "smtp://:1"], "hobnob mail send smtp://:1"),
        (&["smtp://:1025"], "hobnob mail send smtp://:1025"),
    ] {
        let done = run(words);
        assert!(
            done.code > 1 && done.code != 5 && done.err.starts_with("error["),
            "{words:?}: {done:?}"
        );
        assert!(
            done.err.split_whitespace().collect::<Vec<_>>().join(" ").contains(part),
            "{words:?}: {}",
            done.err
        );
    }
}

#[test]
fn it_ends_as_the_others_do_when_something_is_in_its_way() {
    let (_served, [smtp, _, imap]) = office(&[]);
    assert_eq!(sends(&smtp, &["--subject", "x"]).code, 0);
    let (to, from) = (format!("smtp://{smtp}"), format!("imap://{imap}"));
    let folder = folder();
    let letter = folder.path().join("letter.eml");
    fs::write(&letter, "Subject: x\r\n\r\ny\r\n").expect("a file");
    let letter = letter.to_str().expect("UTF-8");
    let send = ["mail", "send", &to, "--from", "a@b", "--to", "c@d"];
    a_lack_of_files_is_told(&send, 0);
    a_lack_of_files_is_told(&["mail", "fetch", &from], 0);
    for words in [
        &send[..],
        &["mail", "fetch", &from],
        &["mail", "fetch", &from, "1"],
        &["mail", "show", letter],
    ] {
        let mut command = hobnob(words);
        command.stdin(Stdio::null()).stdout(full()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary is there");
        let err = Lines::of(child.stderr.take().expect("it is piped"));
        assert_eq!(code(Bounded::of(child).wait()), 9, "{words:?}");
        assert!(err.rest()[0].starts_with("error[output-failed]"), "{words:?}");
        let (reader, gone) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = hobnob(words);
        command.stdin(Stdio::null()).stdout(gone).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary is there");
        let err = Lines::of(child.stderr.take().expect("it is piped"));
        assert_eq!(code(Bounded::of(child).wait()), 141, "{words:?}");
        assert_eq!(err.rest(), [""; 0], "{words:?}");
    }
    // A disk that is full: nothing half-written has the name of a letter.
    let done = run(&["mail", "fetch", &from, "--save", "/dev/full"]);
    assert_eq!(done.code, 9, "{done:?}");
    let refused = sends("127.0.0.1:1", &[]);
    assert!(
        refused.code == 5 && refused.err.starts_with("error[connection-refused]"),
        "{refused:?}"
    );
}

#[test]
fn a_server_that_says_nothing_is_left_and_signals_end_the_waiting() {
    for (scheme, what, rest) in [
        ("smtp", "send", &["--from", "a@b", "--to", "c@d"][..]),
        ("imap", "fetch", &[]),
        ("pop3", "fetch", &[]),
    ] {
        let silent = || {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
            let at = listener.local_addr().expect("it is bound");
            (listener, format!("{scheme}://{at}"))
        };
        let (_listener, at) = silent();
        let late = run(&[&["mail", what, &at, "--idle", "50ms"], rest].concat());
        assert!(late.code == 6 && late.err.starts_with("error[idle-timeout]"), "{late:?}");
        for (name, expected) in [("TERM", 143), ("INT", 130)] {
            let (listener, at) = silent();
            let waiting = launch(hobnob(&[&["mail", what, &at], rest].concat()));
            let _peer = listener.accept().expect("it dials");
            signal(waiting.child.id(), name);
            assert_eq!(code(waiting.child.wait()), expected, "{scheme} {name}");
        }
    }
}

#[test]
fn flags_that_other_programs_have_are_named_as_they_are_here() {
    for (verb, flag, told) in [
        ("fetch", "--password", "other programs' --password is --user NAME:@FILE"),
        ("send", "--auth-password", "swaks' --auth-password is --user NAME:@FILE here"),
        ("send", "--ehlo", "swaks' --ehlo is --helo NAME here"),
        ("send", "--body", "swaks' --body is --text TEXT here"),
    ] {
        let done = run(&["mail", verb, "127.0.0.1:9", flag, "x"]);
        assert_eq!(done.code, 2, "{}", done.err);
        assert!(done.err.contains(told), "{}", done.err);
    }
}
