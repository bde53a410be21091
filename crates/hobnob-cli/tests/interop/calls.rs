//! The calls that `--explain` shows beside those that strace(1) sees, and the scripts of `--as-python` run by Python.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::peer::{Running, has, hobnob, python_server, serve, succeeds};

/// What strace is to tell of: the calls on sockets.
const TRACED: &str = "trace=%network,close";

/// A call by what both can say of it: its name and the descriptor that it was made on, or that it made.
type Seen = (String, i64);

/// hobnob under strace, which writes there.
fn traced(log: &Path) -> Command {
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-e", TRACED, "-e", "signal=none", "-o"]).arg(log);
    command.arg(env!("CARGO_BIN_EXE_hobnob"));
    command
}

/// What strace saw on sockets of the internet: since a descriptor was made by `socket` or `accept4`, until it was closed.
fn of_strace(log: &Path) -> Vec<Seen> {
    let text = fs::read_to_string(log).expect("strace wrote it");
    let (mut open, mut seen) = (Vec::new(), Vec::new());
    for line in joined(&text) {
        let Some((name, rest)) = line.split_once('(') else { continue };
        let Some((arguments, result)) = rest.rsplit_once(" = ") else { continue };
        let name = match name {
            "accept4" => "accept",
            "sendto" if arguments.trim_end_matches(')').ends_with("NULL, 0") => "send",
            "recvfrom" if arguments.trim_end_matches(')').ends_with("NULL, NULL") => "recv",
            other => other,
        };
        let made =
            result.split_whitespace().next().and_then(|made| made.parse().ok()).unwrap_or(-1);
        let first = arguments.split([',', ')']).next().and_then(|first| first.trim().parse().ok());
        if name == "socket" && arguments.contains("AF_INET") || name == "accept" && made >= 0 {
            open.push(made);
            seen.push((name.to_owned(), made));
        } else if let Some(on) = first.filter(|on| open.contains(on))
            && name != "accept"
            && !is_of_epoll(name, arguments, result)
        {
            seen.push((name.to_owned(), on));
            if name == "close" {
                open.retain(|other| *other != on);
            }
        }
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
            begun.insert(thread.to_owned(), head.trim_end().to_owned());
        } else if let Some((_, tail)) =
            call.strip_prefix("<... ").and_then(|call| call.split_once('>'))
        {
            whole.push(
                begun.remove(thread).unwrap_or_default() + tail.trim_start_matches(" resumed"),
            );
        } else {
            whole.push(call.to_owned());
        }
    }
    whole
}

/// What only waiting by epoll(7) needs, and what nobody waits for: a try too early, how a connect ended, a question about
/// the socket itself.
fn is_of_epoll(name: &str, arguments: &str, result: &str) -> bool {
    let asks = ["SO_ERROR", "SO_TYPE", "SO_DOMAIN", "SO_SELECT_ERR_QUEUE", "TCP_INFO"];
    result.contains("EAGAIN")
        || name.ends_with("sockopt") && asks.iter().any(|option| arguments.contains(option))
}

/// What `--explain` told, as events.
fn of_events(lines: &[String]) -> Vec<Seen> {
    let events = lines.iter().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let calls = events.filter(|event| event["type"] == "call");
    let mut seen = Vec::new();
    for call in calls {
        let name = call["call"].as_str().expect("a name").to_owned();
        let args = call["args"].as_str().expect("arguments");
        let asks_counts = args.contains("TCP_INFO");
        let result = call["result"].as_str().unwrap_or_default();
        let made = match name.as_str() {
            "socket" => result.parse().ok(),
            "accept" => {
                result.trim_start_matches('(').split(',').next().and_then(|made| made.parse().ok())
            }
            _ => call["fd"].as_i64(),
        };
        if let Some(number) = made.filter(|_| !asks_counts) {
            seen.push((name, number));
        }
    }
    seen
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
    let log = folder.path().join("talk");
    let (_server, address) = serve("hello", "127.0.0.1:0", &[]);
    let address = address.join(":");
    let words = ["talk", &address, "Michael", "exit", "--explain", "--json"];
    let told = succeeds(traced(&log).args(words));
    let (made, shown) = (of_strace(&log), of_events(&lines(&told)));
    assert!(made.len() > 8, "{made:?}");
    assert_eq!(shown, made);
}

#[test]
fn a_server_makes_the_calls_that_it_shows() {
    if !has("calls::a_server_makes_the_calls_that_it_shows", "strace") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("serve");
    let words = ["serve", "hello", "127.0.0.1:0", "--once", "--explain", "--json"];
    let mut server = Running::start(traced(&log).args(words));
    let mut told = vec![server.line()];
    while !told.last().is_some_and(|line| line.contains("\"listening\"")) {
        told.push(server.line());
    }
    let listening: Value = serde_json::from_str(told.last().expect("a line")).expect("JSON");
    let address = listening["addr"].as_str().expect("an address");
    assert_eq!(
        succeeds(hobnob().args(["talk", address, "Michael", "exit"])),
        "Welcome!Hello, Michael!\n"
    );
    told.extend(lines(&String::from_utf8_lossy(&server.finish().stdout)));
    let (made, shown) = (of_strace(&log), of_events(&told));
    assert!(made.iter().any(|(name, _)| name == "accept"), "{made:?}");
    // Of two sockets on two threads the order between them is nobody's.
    let by_socket = |mut seen: Vec<Seen>| {
        seen.sort_by_key(|(_, number)| *number);
        seen
    };
    assert_eq!(by_socket(shown), by_socket(made));
}

/// A tutorial's server, how it is talked to, and what it answers.
struct Tutorial {
    server: &'static str,
    scheme: &'static str,
    words: &'static [&'static str],
    answer: &'static str,
}

const TUTORIALS: &[Tutorial] = &[
    Tutorial {
        server: "greeting_server.py",
        scheme: "",
        words: &["--eol", "none", "Michael", "李雷", "exit"],
        answer: "Welcome!Hello, Michael!Hello, 李雷!",
    },
    Tutorial {
        server: "gathering_server.py",
        scheme: "",
        words: &["Michael", "Tracy", "exit"],
        answer: "Welcome!Hello, Michael!\nHello, Tracy!\n",
    },
    Tutorial {
        server: "echo_server.py",
        scheme: "",
        words: &["--eol", "none", "你好,世界", "it's a \"quote\""],
        answer: "你好,世界it's a \"quote\"",
    },
    Tutorial {
        server: "ok_server.py",
        scheme: "",
        words: &["one", "two"],
        answer: "Welcome to the server. Type something and hit enter\nOK...one\nOK...two\n",
    },
    Tutorial {
        server: "udp_greeting_server.py",
        scheme: "udp://",
        words: &["Michael"],
        answer: "Hello, Michael!",
    },
    Tutorial { server: "udp_temp_server.py", scheme: "udp://", words: &["20C"], answer: "68.0 F" },
    Tutorial {
        server: "udp_echo_server.py",
        scheme: "udp://",
        words: &["\u{1f600}"],
        answer: "\u{1f600}",
    },
];

/// What passed is the same, byte for byte: the server answers what it is sent, so its answers tell that of both ways.
#[test]
fn a_tutorial_is_explained_and_its_script_says_the_same() {
    if !has("calls::a_tutorial_is_explained_and_its_script_says_the_same", "python3") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    std::thread::scope(|scope| {
        for tutorial in TUTORIALS {
            scope.spawn(move || tutorial.is_said_again(folder));
        }
    });
}

/// It is asked twice before it ends: by us, and by the script. It waits for that as long as a test does.
const TWICE: &[&str] = &["--once", "2", "--timeout", "30"];

impl Tutorial {
    fn is_said_again(&self, folder: &Path) {
        let Tutorial { server, scheme, words, answer } = self;
        let (_served, host, port) = python_server(server, TWICE);
        let script = folder.join(server);
        let mut talk = hobnob();
        talk.args(["talk", &format!("{scheme}{host}:{port}"), "--explain", "--as-python"]);
        let output = Running::start(talk.arg(&script).args(*words)).finish();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (said, calls) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{server}: {calls}");
        assert_eq!(said, *answer, "{server}");
        for call in ["s = socket(AF_INET", "s.connect((", "s.send(b", "s.recv(", "s.close()"] {
            assert!(calls.contains(call), "{server} has no {call}: {calls}");
        }
        let again = succeeds(Command::new("python3").arg(&script));
        assert_eq!(again, said, "{server}: {}", fs::read_to_string(&script).unwrap_or_default());
    }
}

#[test]
fn the_script_of_a_request_gets_the_same_answer() {
    if !has("calls::the_script_of_a_request_gets_the_same_answer", "python3") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let script = folder.path().join("get.py");
    let (_served, host, port) = python_server("http_server.py", TWICE);
    let url = format!("http://{host}:{port}/");
    let page = succeeds(hobnob().args(["get", &url, "-i", "--as-python"]).arg(&script));
    assert!(page.ends_with("<h1>Hello, 世界!</h1>\n"), "{page}");
    assert_eq!(succeeds(Command::new("python3").arg(&script)), page);
}
