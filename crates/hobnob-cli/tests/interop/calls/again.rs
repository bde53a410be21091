//! The scripts of `--as-python`, run by Python against the same service: what passes is the same, byte for byte.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::calls::explained;
use crate::peer::{Running, has, hobnob, python, python_server, succeeds};

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
        server: "discard_server.py",
        scheme: "",
        words: &["--eol", "none", "into the void"],
        answer: "",
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
    if !has("calls::again::a_tutorial_is_explained_and_its_script_says_the_same", "python3") {
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
    if !has("calls::again::the_script_of_a_request_gets_the_same_answer", "python3") {
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

/// Over each medium, with options that a person has named: the script sets them, and says the same.
#[test]
fn a_script_says_over_each_medium_what_was_said() {
    if !has("calls::again::a_script_says_over_each_medium_what_was_said", "python3") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let path = |name: &str| format!("{name}:{}", folder.join(name).display());
    let kept_alive = "127.0.0.1:0,keepalive=7s,linger=1s,sndbuf=10000,freebind";
    for (number, (endpoint, wanted)) in [
        (
            "127.0.0.1:0".to_owned(),
            "socket.socket(socket.AF_INET, socket.SOCK_STREAM)\ns.connect((",
        ),
        ("[::1]:0".to_owned(), "s.connect(('::1', "),
        (kept_alive.to_owned(), "s.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 7)\n"),
        ("udp://127.0.0.1:0,broadcast".to_owned(), "socket.SO_BROADCAST, 1)\n"),
        ("udp://[::1]:0".to_owned(), "SOCK_DGRAM)\n"),
        (path("unix"), "socket.AF_UNIX, socket.SOCK_STREAM)\n"),
        (path("unixgram"), "socket.AF_UNIX, socket.SOCK_DGRAM)\n"),
        (path("unixseq"), "socket.AF_UNIX, socket.SOCK_SEQPACKET)\n"),
        (format!("unix:@calls-{}", std::process::id()), "s.connect(b'\\x00calls-"),
    ]
    .into_iter()
    .enumerate()
    {
        let (bound, options) = endpoint.split_once(',').unwrap_or((&endpoint, ""));
        let (_server, _, address) = explained(&mut hobnob(), &["serve", "echo", bound]);
        let scheme = bound.split_once(':').map_or("", |(scheme, _)| scheme);
        let to = match scheme {
            "udp" => format!("udp://{address}"),
            _ if scheme.starts_with("unix") => bound.to_owned(),
            _ => address,
        };
        let comma = if options.is_empty() { "" } else { "," };
        let script = folder.join(format!("{number}.py"));
        let mut talk = hobnob();
        talk.args(["talk", &format!("{to}{comma}{options}"), "--as-python"]).arg(&script);
        let said = succeeds(talk.args(["--raw", "one", "李雷"]));
        let text = fs::read_to_string(&script).expect("a script");
        assert!(text.contains(wanted), "{endpoint}: {text}");
        assert_eq!(succeeds(Command::new("python3").arg(&script)), said, "{endpoint}: {text}");
        assert!(said.contains("李雷"), "{endpoint}: {said}");
    }
}

/// Both sides of a chat: the program's own input arrives, too, and what it was sent is the same both times.
#[test]
fn a_chat_is_explained_and_said_again() {
    if !has("calls::again::a_chat_is_explained_and_said_again", "python3") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let script = folder.path().join("chat.py");
    let chat = |port: &str| {
        let mut peer = Running::start(python("chat_peer.py").args([
            "--listen",
            "--timeout",
            "30",
            "127.0.0.1",
            port,
        ]));
        let line = peer.line();
        peer.type_in("你好\n");
        peer.end_input();
        (peer, line.rsplit(' ').next().expect("a port").to_owned())
    };
    let heard = |peer: Running| String::from_utf8_lossy(&peer.finish().stdout).into_owned();
    let (peer, port) = chat("0");
    let mut talk = hobnob();
    talk.args(["talk", &format!("127.0.0.1:{port}"), "hello", "--explain", "--as-python"]);
    let said = succeeds(talk.arg(&script));
    let first = heard(peer);
    let (peer, _) = chat(&port);
    let again = succeeds(Command::new("python3").arg(&script));
    assert_eq!((again.as_str(), heard(peer)), (said.as_str(), first));
    assert_eq!(said, "你好\n");
}
