//! Packets of a file, for which nobody needs a right.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::{conversation, file_of, segment};
use crate::kit::schema::valid;
use crate::kit::{Bounded, Done, Lines, code, finish, folder, hobnob, run, run_with, signal, skip};

/// Reads a capture from its stdin.
fn sniff(file: &[u8], words: &[&str]) -> Done {
    run_with(&[&["sniff", "-r", "-"], words].concat(), file)
}

#[test]
fn a_packet_is_a_line_and_a_filter_and_a_count_choose() {
    let file = file_of(&conversation(b"Welcome!"), "eth0");
    let done = sniff(&file, &[]);
    assert_eq!((done.code, done.err.as_str()), (0, "-: 9 packets shown\n"));
    let lines: Vec<_> = done.out.lines().collect();
    assert_eq!(
        lines[..4],
        [
            "22:13:20.000000 eth0 IP 127.0.0.1:53142 > 127.0.0.1:9000: Flags [S], seq 99, win 512, length 0",
            "22:13:20.001000 eth0 IP 127.0.0.1:9000 > 127.0.0.1:53142: Flags [S.], seq 499, ack 100, win 512, length 0",
            "22:13:20.002000 eth0 IP 127.0.0.1:53142 > 127.0.0.1:9000: Flags [.], ack 1, win 512, length 0",
            "22:13:20.003000 eth0 IP 127.0.0.1:9000 > 127.0.0.1:53142: Flags [P.], seq 1:9, ack 1, win 512, length 8",
        ]
    );
    assert_eq!(sniff(&file, &["src", "port", "9000"]).out.lines().count(), 4);
    assert_eq!(sniff(&file, &["udp or port 80"]).out, "");
    assert_eq!(sniff(&file, &["-c", "2", "src port 9000"]).out.lines().count(), 2);
    let hex = sniff(&file, &["-x", "-c", "1"]).out;
    assert!(hex.contains("    00000000  45 00 00 28 00 07 00 00"), "{hex}");
}

#[test]
fn a_stream_is_told_in_order_with_what_came_again() {
    let file = file_of(&conversation(b"Welcome!"), "");
    let done = sniff(&file, &["--follow"]);
    assert_eq!((done.code, done.err.as_str()), (0, "-: 1 stream in 9 packets\n"));
    insta::assert_snapshot!("sniff-follow", done.out);
    let done = sniff(&file, &["--follow", "--ascii", "-x"]);
    assert!(done.out.contains("#1  +0.003  <") && done.out.contains("|Welcome!|"), "{}", done.out);
}

#[test]
fn events_are_by_the_schema() {
    let file = file_of(&conversation(b"Welcome!\xff"), "eth0");
    let told = |words: &[&str]| -> Vec<Value> {
        sniff(&file, &[&["--json"], words].concat()).out.lines().map(valid).collect()
    };
    let packets = told(&["-x"]);
    assert_eq!(packets.len(), 10);
    assert_eq!((&packets[3]["seq"], &packets[3]["payload"]), (&Value::from(1), &Value::from(9)));
    assert_eq!((&packets[3]["flags"], &packets[3]["proto"]), (&"P.".into(), &"tcp".into()));
    assert!(packets[3]["b64"].as_str().is_some_and(|bytes| bytes.starts_with("RQAAMQ")));
    assert_eq!((&packets[9]["type"], &packets[9]["shown"]), (&"summary".into(), &Value::from(9)));
    let events = told(&["--follow"]);
    let words: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap_or("")).collect();
    assert_eq!(words, ["open", "data", "segment", "data", "close", "summary"]);
    assert!(events[0]["handshake"]["ack"].is_f64(), "{}", events[0]);
    assert_eq!((&events[1]["dir"], &events[1]["b64"]), (&"down".into(), &"V2VsY29tZSH/".into()));
    assert_eq!(events[2]["what"], "retransmitted");
    let close = &events[4];
    assert_eq!((&close["retrans"], &close["segments"]), (&Value::from(1), &Value::from(9)));
    assert_eq!((&close["in"], &close["out"]), (&Value::from(7), &Value::from(9)));
}

#[test]
fn what_was_captured_never_drives_the_terminal() {
    let hostile = "\x1b]52;c;AAAA\x07\u{9b}31m\u{202e}\r\x7f\0".as_bytes();
    let file = file_of(&conversation(hostile), "\x1b[2J\u{9b}e\u{202e}");
    for words in [&[][..], &["-v"], &["-x"], &["--follow"], &["--follow", "-v"], &["--json"]] {
        let done = sniff(&file, words);
        assert_eq!(done.code, 0, "{words:?}: {}", done.err);
        let is_foreign = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
        let bad = [done.out, done.err].concat().find(is_foreign);
        assert_eq!(bad, None, "{words:?}");
    }
}

#[test]
fn a_file_that_is_cut_short_shows_every_whole_packet_and_then_the_error() {
    let file = file_of(&conversation(b"Welcome!"), "eth0");
    let done = sniff(&file[..file.len() - 7], &["-q"]);
    assert_eq!((done.code, done.out.lines().count()), (9, 8));
    assert!(
        done.err.starts_with("error[bad-capture]: -: the file ends in the middle of packet 9\n"),
        "{}",
        done.err
    );
    for file in [&b""[..], b"no capture", b"\xd4\xc3\xb2\xa1"] {
        let done = sniff(file, &[]);
        assert_eq!(done.code, 9, "{}", done.err);
        assert!(done.err.starts_with("error[bad-capture]"), "{}", done.err);
    }
    let done = run(&["sniff", "-r", "/nothing/of/the/kind"]);
    assert_eq!(done.code, 9);
    assert!(done.err.starts_with("error[not-found]: /nothing/of/the/kind cannot be read"));
}

#[test]
fn what_is_read_can_be_written_and_is_not_overwritten() {
    let folder = folder();
    let path = folder.path().join("out.pcapng").display().to_string();
    let file = file_of(&conversation(b"Welcome!"), "eth0");
    let done = sniff(&file, &["-w", &path, "tcp"]);
    assert_eq!((done.code, done.out.as_str()), (0, ""), "{}", done.err);
    assert_eq!(done.err, format!("-: 9 packets written to {path}\n"));
    let again = sniff(&file, &["-w", &path]);
    assert_eq!(again.code, 9);
    assert!(again.err.starts_with("error[file-exists]"), "{}", again.err);
    assert_eq!(sniff(&file, &["-w", &path, "--force", "-c", "3"]).code, 0);
    let kept = std::fs::read(&path).expect("it was written");
    assert_eq!(sniff(&kept, &["-q"]).out, sniff(&file, &["-q", "-c", "3"]).out);
    // To standard output: nothing else is there.
    let mut command = hobnob(&["sniff", "-r", &path, "-w", "-"]);
    let out = command.output().expect("it runs").stdout;
    assert_eq!(sniff(&out, &["-q"]).out.lines().count(), 3);
    for words in [&["--json"][..], &["--follow"]] {
        assert_eq!(sniff(&file, &[&["-w", "-"], words].concat()).code, 2);
    }
    let done = sniff(&file, &["-w", "/dev/full"]);
    assert_eq!(done.code, 9);
    assert!(done.err.contains("error[output-failed]: /dev/full cannot be written"), "{}", done.err);
}

#[test]
fn a_filter_that_is_not_understood_is_shown_with_a_caret() {
    let done = run(&["sniff", "-r", "-", "tcp", "and", "prot", "80"]);
    assert_eq!(done.code, 2);
    assert_eq!(
        done.err,
        "error[bad-filter]: I do not understand this filter\n\
         \x20    tcp and prot 80\n\
         \x20            ^^^^ did you mean port?\n\
         \x20 try    hobnob help sniff    the words of a filter\n"
    );
    // A word that is a letter away is no interface.
    assert!(run(&["sniff", "prot", "80"]).err.starts_with("error[bad-filter]"));
    for (words, why) in [
        (&["sniff", "-r", "-", "-i", "lo"][..], "-i names an interface"),
        (&["sniff", "-r", "-", "--for", "1s"], "--for is a time to capture"),
        (&["sniff", "-c", "0"], "--count does not take"),
    ] {
        let done = run(words);
        assert!(done.code == 2 && done.err.contains(why), "{words:?}: {}", done.err);
    }
}

#[test]
fn a_reader_that_leaves_ends_it_quietly() {
    let folder = folder();
    let path = folder.path().join("many.pcapng");
    let many: Vec<_> = (0..20_000).map(|n| segment((1, 2), 0x18, (n, 0), b"some of it")).collect();
    std::fs::write(&path, file_of(&many, "")).expect("a file");
    let mut command = Command::new("bash");
    let script = "\"$0\" sniff -r \"$1\" | head -1; echo ${PIPESTATUS[0]}";
    command.args(["-c", script, env!("CARGO_BIN_EXE_hobnob")]).arg(&path);
    let done = finish(command, b"");
    assert!(done.out.ends_with("\n141\n") && done.err.is_empty(), "{} {}", done.out, done.err);
    let mut command = Command::new("bash");
    command
        .args(["-c", "\"$0\" sniff -r \"$1\" > /dev/full", env!("CARGO_BIN_EXE_hobnob")])
        .arg(&path);
    let done = finish(command, b"");
    assert_eq!(done.code, 9);
    assert!(done.err.contains("error[output-failed]"), "{}", done.err);
}

#[test]
fn packets_of_a_pipe_are_shown_as_they_come_and_a_signal_ends_it_with_the_sum() {
    let file = file_of(&conversation(b"Welcome!"), "eth0");
    for (name, expected) in [("INT", 130), ("TERM", 143)] {
        let mut command = hobnob(&["sniff", "-r", "-"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary is there");
        let mut to = child.stdin.take().expect("it is piped");
        let out = Lines::of(child.stdout.take().expect("it is piped"));
        let err = Lines::of(child.stderr.take().expect("it is piped"));
        let child = Bounded::of(child);
        // The pipe stays open.
        to.write_all(&file).expect("it reads");
        out.until("Flags [.], ack 10,");
        signal(child.id(), name);
        assert_eq!(code(child.wait()), expected);
        assert_eq!(err.rest(), ["-: 9 packets shown"]);
        drop(to);
    }
}

#[test]
fn a_file_is_read_without_rights() {
    let file = file_of(&conversation(b"Welcome!"), "");
    let folder = folder();
    let path = folder.path().join("in.pcapng");
    std::fs::write(&path, file).expect("a file");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open).expect("it is ours");
    let words = ["sniff", "-r", &path.display().to_string()];
    let Some(done) = crate::kit::as_nobody(&words, None) else {
        return skip("sniff::files::a_file_is_read_without_rights", "needs root, to give it up");
    };
    assert_eq!((done.code, done.out.lines().count()), (0, 9), "{}", done.err);
}
