//! The calls that `--explain` shows beside those that strace(1) sees, and the scripts of `--as-python`.

mod again;

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::peer::{Running, has, hobnob, python, serve, succeeds};

/// What strace is to tell of: the calls on sockets.
const TRACED: &str = "trace=%network,close";

/// A call by what both can say of it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct SeenCall {
    name: String,
    /// The descriptor that it was made on, or that it made.
    on: i64,
    /// The bytes that went or came, the option, or the direction.
    about: String,
    /// What it returned, and the errno where it failed.
    result: String,
}

impl SeenCall {
    /// Of a line such as `send(6, "hi\n", 3, MSG_NOSIGNAL) = 3`, which hobnob and strace write alike.
    fn of(line: &str) -> Option<Self> {
        let (name, rest) = line.split_once('(')?;
        let (arguments, result) = rest.rsplit_once(" = ")?;
        let arguments = arguments.trim_end().strip_suffix(')')?;
        let name = match name {
            "accept4" => "accept",
            "sendto" if arguments.ends_with("NULL, 0") => "send",
            "recvfrom" if arguments.ends_with("NULL, NULL") => "recv",
            other => other,
        };
        let mut words = result.split_whitespace();
        let result = match (words.next()?, words.next()) {
            // A connect is told once it has its answer.
            ("-1", Some("EINPROGRESS")) => "0".to_owned(),
            ("-1", errno) => format!("-1 {}", errno.unwrap_or_default()),
            (number, _) => number.to_owned(),
        };
        let argument = |number: usize| arguments.split(", ").nth(number).unwrap_or_default();
        let about = match name {
            _ if name.starts_with("send") || name.starts_with("recv") => {
                let (from, to) = (arguments.find('"'), arguments.rfind('"'));
                from.zip(to).map_or("", |(from, to)| &arguments[from..=to])
            }
            "setsockopt" | "getsockopt" => argument(2),
            "shutdown" | "listen" => argument(1),
            _ => "",
        };
        let on = match name {
            "socket" | "accept" => result.parse().ok()?,
            _ => argument(0).parse().ok()?,
        };
        Some(SeenCall { name: name.to_owned(), on, about: about.to_owned(), result })
    }

    /// What only waiting by epoll(7) needs, and what nobody waits for: a try too early, how a connect ended, a question
    /// about the socket itself.
    fn is_of_epoll(&self) -> bool {
        let asks = ["SO_ERROR", "SO_TYPE", "SO_DOMAIN", "SO_SELECT_ERR_QUEUE", "TCP_INFO"];
        self.result.contains("EAGAIN") || asks.contains(&self.about.as_str())
    }
}

/// hobnob under strace, which writes there.
fn traced(log: &Path) -> Command {
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-s", "64", "-e", TRACED, "-e", "signal=none", "-o"]).arg(log);
    command.arg(env!("CARGO_BIN_EXE_hobnob"));
    command
}

/// What strace saw on sockets of the internet: since a descriptor was made by `socket` or `accept4`, until it was closed.
fn of_strace(log: &Path) -> Vec<SeenCall> {
    let text = fs::read_to_string(log).expect("strace wrote it");
    let (mut open, mut seen) = (Vec::new(), Vec::new());
    for line in joined(&text) {
        let Some(call) = SeenCall::of(&line) else { continue };
        let is_new = call.name == "accept" || call.name == "socket" && line.contains("AF_INET");
        if is_new {
            open.push(call.on);
        } else if !open.contains(&call.on) || call.is_of_epoll() {
            continue;
        }
        if call.name == "close" {
            open.retain(|other| *other != call.on);
        }
        seen.push(call);
    }
    seen
}

/// The calls of all threads, each whole: strace tells the beginning of one that another interrupts, and then its end. The
/// thread stands before each line.
fn joined(text: &str) -> Vec<String> {
    let (mut begun, mut whole) = (std::collections::HashMap::new(), Vec::new());
    for line in text.lines() {
        let Some((thread, call)) = line.split_once(' ') else { continue };
        let call = call.trim();
        if let Some(head) = call.strip_suffix("<unfinished ...>") {
            begun.insert(thread.to_owned(), head.to_owned());
        } else if let Some((_, tail)) =
            call.strip_prefix("<... ").and_then(|call| call.split_once(" resumed>"))
        {
            whole.push(begun.remove(thread).unwrap_or_default() + tail);
        } else {
            whole.push(call.to_owned());
        }
    }
    whole
}

/// What `--explain` told, as events.
fn of_events(lines: &[String]) -> Vec<SeenCall> {
    let events = lines.iter().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let calls = events.filter(|event| event["type"] == "call");
    let seen = calls.map(|call| {
        let in_c = call["c"].as_str().expect("the call in C");
        SeenCall::of(in_c).unwrap_or_else(|| panic!("{in_c} is no call"))
    });
    seen.filter(|call| !call.is_of_epoll()).collect()
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

#[test]
fn talk_makes_the_calls_that_it_shows() {
    if !has("calls::talk_makes_the_calls_that_it_shows", "strace") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    for (service, scheme, messages, most) in
        [("hello", "", &["Michael", "exit"][..], 12), ("echo", "udp://", &["one", "two"], 8)]
    {
        let log = folder.path().join(service);
        let (_server, address) = serve(service, &format!("{scheme}127.0.0.1:0"), &[]);
        let to = format!("{scheme}{}", address.join(":"));
        let words = ["talk", &to, "--explain", "--json"];
        let told = succeeds(traced(&log).args(words).args(messages));
        let (made, shown) = (of_strace(&log), of_events(&lines(&told)));
        assert!(made.len() >= most, "{made:?}");
        assert_eq!(shown, made);
    }
}

/// A server that tells its calls as events, what it told until it listens, and where.
fn explained(command: &mut Command, words: &[&str]) -> (Running, Vec<String>, String) {
    let mut server = Running::start(command.args(words).args(["--explain", "--json"]));
    let mut told = vec![server.line()];
    while !told.last().is_some_and(|line| line.contains("\"listening\"")) {
        told.push(server.line());
    }
    let listening: Value = serde_json::from_str(told.last().expect("a line")).expect("JSON");
    let address = listening["addr"].as_str().expect("an address").to_owned();
    (server, told, address)
}

#[test]
fn a_server_makes_the_calls_that_it_shows() {
    if !has("calls::a_server_makes_the_calls_that_it_shows", "strace") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("serve");
    let words = ["serve", "hello", "127.0.0.1:0", "--once"];
    let (server, mut told, address) = explained(&mut traced(&log), &words);
    assert_eq!(
        succeeds(hobnob().args(["talk", &address, "Michael", "exit"])),
        "Welcome!Hello, Michael!\n"
    );
    told.extend(lines(&String::from_utf8_lossy(&server.finish().stdout)));
    let (made, shown) = (of_strace(&log), of_events(&told));
    assert!(made.iter().any(|call| call.name == "accept"), "{made:?}");
    // Of two sockets on two threads the order between them is nobody's.
    let by_socket = |mut seen: Vec<SeenCall>| {
        seen.sort_by_key(|call| call.on);
        seen
    };
    assert_eq!(by_socket(shown), by_socket(made));
}

/// Each client of a tutorial is served as ever while the calls are told.
#[test]
fn a_tutorials_client_is_served_with_its_calls_told() {
    if !has("calls::a_tutorials_client_is_served_with_its_calls_told", "python3") {
        return;
    }
    std::thread::scope(|scope| {
        for (client, service, endpoint, wanted) in [
            ("greeting_client.py", "hello", "127.0.0.1:0", "recv"),
            ("echo_client.py", "echo", "127.0.0.1:0", "send"),
            ("ok_client.py", "ok", "127.0.0.1:0", "send"),
            ("split_utf8.py", "hello", "127.0.0.1:0", "shutdown"),
            ("timeouts.py", "discard", "127.0.0.1:0", "accept"),
            ("http_client.py", "http", "127.0.0.1:0", "close"),
            ("udp_greeting_client.py", "hello", "udp://127.0.0.1:0", "sendmmsg"),
            ("udp_echo_client.py", "echo", "udp://127.0.0.1:0", "recvmmsg"),
            ("udp_temp_client.py", "temp", "udp://127.0.0.1:0", "recvmmsg"),
        ] {
            scope.spawn(move || {
                let (server, _, address) = explained(&mut hobnob(), &["serve", service, endpoint]);
                let (host, port) = address.rsplit_once(':').expect("a port");
                let said = succeeds(python(client).args([host, port]));
                assert!(said.starts_with("ok:"), "{client} said {said:?}");
                let told = lines(&String::from_utf8_lossy(&server.ask_to_end().stdout));
                let calls = of_events(&told);
                assert!(calls.iter().any(|call| call.name == wanted), "{client}: {calls:?}");
            });
        }
    });
}
