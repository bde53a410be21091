//! `--explain`: the calls to the kernel as they were made, in both notations and as events; and the script of `--as-python`.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Stdio;

use serde_json::Value;

use crate::kit::schema::valid;
use crate::kit::{
    Bounded, OnePeer, code, finish, folder, hobnob, run, run_with, serve, serve_with, skip, steady,
};
use crate::ports::Port;
use crate::screen::{BINARY, Screen};

/// What differs from run to run: ports, times, descriptors, and how many segments the kernel made of it.
fn steadied(text: &str) -> String {
    let mut out = String::new();
    for line in steady(text).lines() {
        if line.contains("TCP_INFO") {
            out.push_str("      COUNTS   TCP_INFO\n");
            continue;
        }
        let mut line = line.replace(" N ms", " TIME");
        for before in ["127.0.0.1', ", "fd ", "AF_INET, ", "= "] {
            line = numbers_behind(&line, before);
        }
        for call in [
            "connect(",
            "recv(",
            "send(",
            "shutdown(",
            "close(",
            "setsockopt(",
            "getsockname(",
            "getpeername(",
        ] {
            line = numbers_behind(&line, &format!("  {call}"));
        }
        // The column of what waits behind a port of fewer digits.
        out.push_str(&line.split_whitespace().collect::<Vec<_>>().join(" "));
        out.push('\n');
    }
    out
}

/// The number behind these words as `N`, unless it is a count or a result of few bytes.
fn numbers_behind(line: &str, before: &str) -> String {
    let Some(at) = line.find(before) else { return line.to_owned() };
    let (head, tail) = line.split_at(at + before.len());
    let rest = tail.trim_start_matches(|c: char| c.is_ascii_digit());
    let is_result = before == "= " && !line.contains("socket(");
    if rest.len() == tail.len() || is_result { line.to_owned() } else { format!("{head}N{rest}") }
}

#[test]
fn talk_tells_its_calls_in_both_notations() {
    let served = serve(&["echo", "127.0.0.1:0"]);
    for (name, flag) in [("python", "--explain"), ("c", "--explain=c")] {
        let done = run(&["talk", &served.address, "Michael", flag]);
        assert_eq!((done.code, done.out.as_str()), (0, "Michael\n"), "{}", done.err);
        insta::assert_snapshot!(format!("talk-explain-{name}"), steadied(&done.err));
    }
}

#[test]
fn calls_are_events_for_a_program() {
    let served = serve(&["hello", "127.0.0.1:0", "--json", "--explain", "--once"]);
    let done = run(&["talk", &served.address, "Michael", "exit", "--json", "--explain"]);
    assert_eq!((done.code, done.err.as_str()), (0, ""));
    let calls = |lines: &mut dyn Iterator<Item = String>| -> Vec<Value> {
        let all = lines.map(|line| valid(&line));
        all.filter(|event| event["type"] == "call").collect()
    };
    let named =
        |calls: &[Value], name: &str| calls.iter().filter(|call| call["call"] == name).count();
    let talk = calls(&mut done.out.lines().map(str::to_owned));
    assert_eq!((named(&talk, "socket"), named(&talk, "connect"), named(&talk, "close")), (1, 1, 1));
    let sent: Vec<_> =
        talk.iter().filter(|call| call["call"] == "send").map(|call| &call["args"]).collect();
    assert_eq!(sent, [r"b'Michael\n'", r"b'exit\n'"]);
    let serve = calls(&mut served.out.rest().into_iter());
    assert_eq!(named(&serve, "accept"), 1);
    assert!(
        serve.iter().any(|call| call["call"] == "recv" && call["result"] == r"b'Michael\n'"),
        "{serve:?}"
    );
}

#[test]
fn each_verb_tells_its_calls_over_each_medium() {
    let place = folder();
    let path = place.path().join("x.sock");
    let path = path.to_str().expect("UTF-8");
    let echo = serve(&["echo", "127.0.0.1:0", path, "--explain"]);
    let web = serve(&["http", "127.0.0.1:0", "--explain"]);
    let packets = serve(&["echo", "udp://127.0.0.1:0", "--explain"]);
    let (udp, url) = (format!("udp://{}", packets.address), format!("http://{}/", web.address));
    for (words, wanted) in [
        (vec!["talk", &echo.address, "x"], "s.recv("),
        (vec!["talk", path, "x"], "s = socket(AF_UNIX, SOCK_STREAM)"),
        (vec!["talk", &udp, "x"], "s = socket(AF_INET, SOCK_DGRAM)"),
        (vec!["get", &url], "s.send(b'GET / HTTP/1.1"),
        (vec!["ping", "-c", "1", "--over", "tcp", &echo.address], "s.connect("),
        (vec!["ping", "-c", "1", &udp], "s = socket(AF_INET, SOCK_DGRAM)"),
    ] {
        let done = run(&[&words[..], &["--explain"]].concat());
        assert_eq!(done.code, 0, "{words:?}: {}", done.err);
        let lines: Vec<_> = done.err.lines().collect();
        assert!(lines.iter().any(|line| line.contains(wanted)), "{words:?}: {}", done.err);
        assert!(
            lines.iter().any(|line| line.ends_with("s.close()") || line.contains("s.close() ")),
            "{words:?}: {}",
            done.err
        );
    }
    let relay = serve_with(hobnob(&["relay", "127.0.0.1:0", &echo.address, "--explain"]));
    assert_eq!(run(&["talk", &relay.address, "through", "--eol", "none"]).out, "through");
    for (server, wanted) in [
        (relay, "s2.send(b'through')"),
        (echo, "conn.recv("),
        (web, "conn.send("),
        (packets, "recvmmsg("),
    ] {
        let (_, said) = server.stop("TERM");
        assert!(said.iter().any(|line| line.contains(wanted)), "no {wanted}: {said:?}");
    }
}

/// The same calls in every model, over each medium that has them.
#[test]
fn each_model_tells_its_calls() {
    let place = folder();
    let path = place.path().join("x.sock");
    let path = path.to_str().expect("UTF-8");
    for model in ["async", "threads", "serial"] {
        for at in ["127.0.0.1:0", path] {
            let words = ["hello", at, "--model", model, "--explain", "--json", "--once"];
            let served = serve(&words);
            let done = run(&["talk", &served.address, "--eol", "none", "exit"]);
            assert_eq!((done.code, done.out.as_str()), (0, "Welcome!"), "{model} {at}");
            let events: Vec<Value> = served.out.rest().iter().map(|line| valid(line)).collect();
            let calls: Vec<_> = events.iter().filter(|event| event["type"] == "call").collect();
            let first = calls.iter().find(|call| call["call"] == "send");
            let conn = &first.unwrap_or_else(|| panic!("{model} {at}: {calls:?}"))["fd"];
            let of_conn = ["send", "recv", "shutdown", "close"];
            let names = calls.iter().filter(|call| call["fd"] == *conn).map(|call| &call["call"]);
            let told: Vec<_> = names.filter_map(Value::as_str).collect();
            let told: Vec<_> = told.into_iter().filter(|name| of_conn.contains(name)).collect();
            assert_eq!(told, ["send", "recv", "shutdown", "recv", "close"], "{model} {at}");
        }
    }
}

#[test]
fn a_call_that_fails_is_told_before_the_error() {
    let port = Port::draw();
    let done = run(&["talk", &format!("127.0.0.1:{}", port.number), "--explain"]);
    let (calls, error) = done.err.split_once("error[connection-refused]").expect("nobody listens");
    assert!(calls.contains("[Errno 111] ECONNREFUSED"), "{calls}");
    assert!(!calls.contains("SYN+ACK"), "{calls}");
    assert!(!error.is_empty());
}

/// Nobody reads the calls, and the conversation ends as ever.
#[test]
fn a_slow_reader_of_stderr_does_not_slow_the_session() {
    let served = serve(&["echo", "127.0.0.1:0"]);
    let mut talk = hobnob(&["talk", &served.address, "--explain"]);
    let said = vec![b'x'; 8 << 20];
    talk.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = talk.spawn().expect("the binary is there");
    let _unread = child.stderr.take();
    let mut stdin = child.stdin.take().expect("it is piped");
    let length = said.len();
    std::thread::spawn(move || std::io::Write::write_all(&mut stdin, &said));
    let mut stdout = child.stdout.take().expect("it is piped");
    let child = Bounded::of(child);
    let mut heard = Vec::new();
    std::io::Read::read_to_end(&mut stdout, &mut heard).expect("it is open");
    assert_eq!(heard.len(), length);
    assert_eq!(code(child.wait()), 0);
}

#[test]
fn a_script_needs_a_place_of_its_own_and_a_plain_socket() {
    let served = serve(&["hello", "127.0.0.1:0"]);
    let place = folder();
    let taken = place.path().join("taken.py");
    std::fs::write(&taken, "mine").expect("a disk");
    let taken = taken.to_str().expect("UTF-8");
    let nowhere = place.path().join("no/such.py");
    let nowhere = nowhere.to_str().expect("UTF-8");
    for (words, exit, slug) in [
        (vec!["talk", &served.address, "exit", "--as-python", "-"], 2, "usage"),
        (vec!["talk", &served.address, "exit", "--as-python", ""], 2, "usage"),
        (vec!["talk", &served.address, "exit", "--as-python", taken], 9, "file-exists"),
        (vec!["talk", &served.address, "exit", "--as-python", nowhere], 9, "not-found"),
        (vec!["talk", &served.address, "exit", "--as-python", "/dev/full"], 9, "output-failed"),
        (vec!["talk", "--listen", "127.0.0.1:0", "--as-python", "x.py"], 2, "does-not-fit"),
        (vec!["talk", "-", "--as-python", "x.py"], 2, "does-not-fit"),
        (vec!["talk", "tls://127.0.0.1:9", "--as-python", "x.py"], 2, "does-not-fit"),
        (vec!["get", "https://127.0.0.1:9/", "--as-python", "x.py"], 2, "does-not-fit"),
    ] {
        let done = run(&words);
        assert_eq!(done.code, exit, "{words:?}: {}", done.err);
        assert!(done.err.starts_with(&format!("error[{slug}]")), "{words:?}: {}", done.err);
    }
    assert_eq!(std::fs::read_to_string(taken).expect("a file"), "mine");
    let done = run(&["talk", &served.address, "exit", "--as-python", taken, "--force"]);
    assert_eq!(done.code, 0, "{}", done.err);
    assert!(std::fs::read_to_string(taken).expect("a file").contains("s.sendall(b'exit\\n')"));
}

#[test]
fn the_script_of_get_goes_to_stdout_where_the_body_does_not() {
    let served = serve(&["http", "127.0.0.1:0"]);
    let place = folder();
    let page = place.path().join("page.html");
    let (page, url) = (page.to_str().expect("UTF-8"), format!("http://{}/", served.address));
    assert_eq!(run(&["get", &url, "--as-python", "-"]).code, 2);
    let done = run(&["get", &url, "-o", page, "--as-python", "-"]);
    assert_eq!(done.code, 0, "{}", done.err);
    assert!(done.out.starts_with("#!/usr/bin/env python3\n"), "{}", done.out);
    assert!(done.out.contains("s.sendall(b'GET / HTTP/1.1\\r\\n"), "{}", done.out);
}

/// What is not as the message borders would have it is remarked on, once.
#[test]
fn a_recv_with_two_messages_is_remarked_on() {
    let served = serve(&["echo", "127.0.0.1:0"]);
    let done = run_with(&["talk", &served.address, "--explain"], "one\ntwo\n\u{4f60}".as_bytes());
    assert_eq!(done.code, 0, "{}", done.err);
    let remarks = done.err.matches("lines: TCP keeps bytes, not messages").count();
    assert_eq!(remarks, 1, "{}", done.err);
    let quiet = finish(hobnob(&["talk", &served.address, "one", "--explain"]), b"");
    assert!(!quiet.err.contains("TCP keeps bytes"), "{}", quiet.err);
}

#[test]
fn a_character_that_came_in_part_is_remarked_on() {
    let peer = OnePeer::new(|mut conn| {
        conn.write_all(&"\u{4f60}".as_bytes()[..2]).expect("it is open");
    });
    let done = run(&["talk", &peer.address(), "-x", "--explain"]);
    peer.finish();
    assert!(done.err.contains("a character was cut in two"), "{}", done.err);
}

/// Who closes first keeps the port busy for a minute, tcp(7) `TIME_WAIT`: here the server does, as it is told to.
#[test]
fn a_port_that_is_bound_over_old_connections_is_remarked_on() {
    let at = format!("127.0.0.1:{}", Port::draw().number);
    let first = serve(&["hello", &at]);
    let mut peer = TcpStream::connect(&at).expect("it listens");
    peer.write_all(b"exit").expect("it is open");
    let mut heard = String::new();
    peer.read_to_string(&mut heard).expect("it ends first");
    assert_eq!(heard, "Welcome!");
    drop(peer);
    first.stop("TERM");
    let (_, said) = serve(&["hello", &at, "--explain"]).stop("TERM");
    // More where somebody had the port before.
    let is_remark = |line: &String| {
        line.contains("bind works although this port has ")
            && line.ends_with(" in TIME_WAIT: SO_REUSEADDR is set")
    };
    assert!(said.iter().any(is_remark), "{said:?}");
}

#[test]
fn calls_stand_between_the_lines_of_a_conversation_on_a_terminal() {
    const NAME: &str = "calls::calls_stand_between_the_lines_of_a_conversation_on_a_terminal";
    let Some(screen) = Screen::open(NAME) else { return };
    let served = serve(&["hello", "127.0.0.1:0"]);
    screen.line(&format!("clear; {BINARY} talk {} --explain; echo left $?", served.address));
    let text = screen.until(|text| text.contains("«  Welcome!"));
    let at = |text: &str, part: &str| text.find(part).unwrap_or_else(|| panic!("{part}: {text}"));
    assert!(at(&text, "s.recv(") < at(&text, "«  Welcome!"), "{text}");
    screen.line("exit");
    let text = screen.until(|text| text.contains("left 0"));
    assert!(at(&text, "s.send(b'exit\\n')") < at(&text, "the peer's FIN: the end"), "{text}");
    assert!(at(&text, "TCP_INFO") < at(&text, "s.close()"), "{text}");
}

#[test]
fn calls_stand_above_the_line_that_counts() {
    const NAME: &str = "calls::calls_stand_above_the_line_that_counts";
    let Some(screen) = Screen::open(NAME) else { return };
    let served = serve(&["echo", "udp://127.0.0.1:0"]);
    let ping = format!("{BINARY} ping udp://{} -i 20ms -c 2 --size 16 --explain", served.address);
    screen.line(&format!("clear; {ping}; echo left $?"));
    let text = screen.until(|text| text.contains("left 0"));
    let calls: Vec<_> = text.lines().filter(|line| line.contains("s.send(")).collect();
    assert_eq!(calls.len(), 2, "{text}");
    assert!(calls.iter().all(|line| !line.contains(" sent, ")), "{text}");
}

#[test]
fn a_place_on_the_way_comes_behind_its_calls() {
    const NAME: &str = "calls::a_place_on_the_way_comes_behind_its_calls";
    let done = run(&["ping", "--trace", "127.0.0.1", "--json", "--explain"]);
    if done.err.contains("raw-socket-denied") {
        return skip(NAME, "echo requests take a right");
    }
    assert_eq!(done.code, 0, "{}", done.err);
    let types: Vec<Value> = done.out.lines().map(|line| valid(line)["type"].clone()).collect();
    let first = |name: &str| types.iter().position(|one| one == name);
    assert!(first("call") < first("hop") && first("call").is_some(), "{types:?}");
}
