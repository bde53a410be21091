//! `hobnob get`: one request over loopback, against servers that a test plays word for word.

mod follow;
mod saved;
mod trouble;

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread::JoinHandle;

use crate::kit::{Done, finish, hobnob, run, serve, skip};
use crate::ports::Port;

/// A server that answers each peer in turn with one of these texts; what it was asked.
struct Played {
    port: u16,
    thread: JoinHandle<Vec<String>>,
}

impl Played {
    fn answers(texts: &[&str]) -> Self {
        let texts: Vec<Vec<u8>> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
        let mut texts = texts.into_iter();
        Self::each(texts.len(), move |peer| {
            let asked = request(peer);
            peer.write_all(&texts.next().expect("one for each")).expect("it listens");
            let _ = peer.shutdown(Shutdown::Write);
            asked
        })
    }

    fn each(peers: usize, mut hold: impl FnMut(&mut TcpStream) -> String + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("it is bound").port();
        let hold_next = move || {
            let (mut peer, _) = listener.accept().expect("a peer");
            peer.set_read_timeout(Some(crate::kit::BOUND)).expect("a timeout");
            hold(&mut peer)
        };
        let thread =
            std::thread::spawn(move || std::iter::repeat_with(hold_next).take(peers).collect());
        Played { port, thread }
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    fn asked(self) -> Vec<String> {
        self.thread.join().expect("the server does not panic")
    }
}

/// Head and body of a request, as they came.
fn request(peer: &mut TcpStream) -> String {
    let mut asked = Vec::new();
    let mut room = [0; 4_096];
    loop {
        let read = peer.read(&mut room).expect("a request");
        asked.extend_from_slice(&room[..read]);
        let text = String::from_utf8_lossy(&asked).into_owned();
        let length =
            text.split_once("Content-Length: ").and_then(|(_, rest)| rest.split_once('\r'));
        let length: usize = length.map_or(0, |(digits, _)| digits.parse().expect("a number"));
        let whole = text.split_once("\r\n\r\n").is_some_and(|(_, body)| body.len() >= length);
        if whole || read == 0 {
            return text;
        }
    }
}

/// Gets it from a server that answers like this.
fn get(answer: &str, flags: &[&str]) -> (Done, String) {
    let played = Played::answers(&[answer]);
    let done = run(&[&["get", &played.url("/x?y")], flags].concat());
    (done, played.asked().remove(0))
}

const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello";

#[test]
fn in_a_pipe_it_is_the_body_and_nothing_else() {
    for answer in [
        HELLO,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x\r\nllo\r\n0\r\nA: b\r\n\r\n",
        "HTTP/1.0 200 OK\r\n\r\nhello",
        "HTTP/1.1 200 OK\n\nhello",
        "HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 404 Not Found\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello and more",
    ] {
        let (done, asked) = get(answer, &[]);
        assert_eq!((done.code, &*done.out, &*done.err), (0, "hello", ""), "{answer:?}");
        let host =
            asked.split_once("Host: ").expect("a host").1.split('\r').next().expect("a line");
        let whole = format!("GET /x?y HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        assert_eq!(asked, whole);
    }
}

#[test]
fn the_request_is_what_the_flags_say() {
    let folder = crate::kit::folder();
    let file = folder.path().join("body");
    std::fs::write(&file, "a=b\n").expect("a file");
    let file = format!("@{}", file.display());
    for (flags, expected) in [
        (&["--http", "1.0"][..], "GET /x?y HTTP/1.0\r\nHost: H\r\n\r\n"),
        (&["-X", "PURGE"], "PURGE /x?y HTTP/1.1\r\nHost: H\r\nConnection: close\r\n\r\n"),
        (
            &["-H", "x-b:1", "-H", "X-A:  2 ", "-H", "Host: other", "-H", "connection:"],
            "GET /x?y HTTP/1.1\r\nx-b: 1\r\nX-A: 2\r\nHost: other\r\n\r\n",
        ),
        (
            &["-d", "a=b", "-H", "Content-Type: text/plain", "-X", "PUT"],
            "PUT /x?y HTTP/1.1\r\nHost: H\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\
             Connection: close\r\n\r\na=b",
        ),
        (
            &["-X", "POST"],
            "POST /x?y HTTP/1.1\r\nHost: H\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        ),
        (
            &["-d", "a=b", "-H", "Content-Type: x/y", "-d", &file, "-d", ""],
            "POST /x?y HTTP/1.1\r\nHost: H\r\nContent-Type: x/y\r\nContent-Length: 9\r\n\
             Connection: close\r\n\r\na=b&a=b\n&",
        ),
        (
            &["-d", &file],
            "POST /x?y HTTP/1.1\r\nHost: H\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: 4\r\nConnection: close\r\n\r\na=b\n",
        ),
    ] {
        let (done, asked) = get(HELLO, flags);
        assert_eq!((done.code, done.out.as_str()), (0, "hello"), "{flags:?}: {}", done.err);
        let host = asked.lines().find_map(|line| line.strip_prefix("Host: 127"));
        let asked = host.map_or(asked.clone(), |host| asked.replace(&format!("127{host}"), "H"));
        assert_eq!(asked, expected, "{flags:?}");
    }
    let played = Played::answers(&[HELLO]);
    let done = crate::kit::run_with(&["get", &played.url("/"), "-d", "@-"], b"from stdin");
    assert_eq!(done.code, 0, "{}", done.err);
    assert!(played.asked()[0].ends_with("\r\n\r\nfrom stdin"));
}

#[test]
fn head_is_all_head() {
    let (done, asked) = get(HELLO.strip_suffix("hello").expect("a body"), &["--head"]);
    assert!(asked.starts_with("HEAD /x?y HTTP/1.1\r\n"), "{asked}");
    assert_eq!(done.code, 0, "{}", done.err);
    assert_eq!(done.out, HELLO.strip_suffix("hello").expect("a body"));
    for status in ["204 No Content", "304 Not Modified"] {
        let (done, _) = get(&format!("HTTP/1.1 {status}\r\nContent-Length: 5\r\n\r\n"), &[]);
        assert_eq!((done.code, done.out.as_str(), done.err.as_str()), (0, "", ""), "{status}");
    }
}

#[test]
fn the_letters_of_curl_do_what_curl_does() {
    let head = HELLO.strip_suffix("hello").expect("a body");
    let (done, asked) = get(head, &["-sSLI"]);
    assert!(asked.starts_with("HEAD /x?y"), "{asked}");
    assert_eq!((done.code, &*done.out, &*done.err), (0, head, ""));
    let (done, _) = get(HELLO, &["-i"]);
    assert_eq!((done.code, &*done.out, &*done.err), (0, HELLO, ""));
    let there = "HTTP/1.1 302 x\r\nLocation: /y\r\nContent-Length: 0\r\n\r\n";
    let played = Played::answers(&[there, HELLO]);
    let done = run(&["get", "-iL", &played.url("/")]);
    assert_eq!((done.code, done.out), (0, format!("{there}{HELLO}")), "{}", done.err);
    assert!(played.asked()[1].starts_with("GET /y "));
    let folder = crate::kit::folder();
    let name = folder.path().join("page").display().to_string();
    assert_eq!(get(HELLO, &["-i", "-o", &name]).0.code, 0);
    assert_eq!(std::fs::read_to_string(&name).expect("a file"), HELLO);
    for (flag, ours) in [("--location", "--follow"), ("-f", "--check"), ("--fail", "--check")] {
        let done = run(&["get", ":9", flag]);
        assert_eq!(done.code, 2, "{}", done.err);
        assert!(done.err.contains(&format!("curl's {flag} is {ours} here")), "{}", done.err);
    }
}

#[test]
fn a_host_and_a_path_are_a_url() {
    for host in ["", "127.0.0.1", "localhost"] {
        let played = Played::answers(&[HELLO]);
        let done = run(&["get", &format!("{host}:{}/a,b/c?d", played.port), "-4"]);
        assert_eq!((done.code, done.out.as_str()), (0, "hello"), "{}", done.err);
        assert!(played.asked()[0].starts_with("GET /a,b/c?d HTTP/1.1\r\n"));
    }
    // A host alone is asked at port 80, where nobody listens as a rule.
    let done = run(&["get", "127.0.0.1"]);
    assert!(!done.err.contains("missing-port"), "{}", done.err);
}

#[test]
fn what_is_shown_beside_it_goes_to_stderr() {
    let answer = "HTTP/1.1 200 O\x1b[2J\u{202e}K\r\nX-Evil: \x1b]52;c;AAAA\x07\r\n\r\nhello";
    let (done, _) = get(answer, &["-v"]);
    assert_eq!((done.code, done.out.as_str()), (0, "hello"));
    assert!(!done.err.contains(['\x1b', '\x07', '\u{202e}']), "{:?}", done.err);
    let lines: Vec<_> = done.err.lines().collect();
    assert!(lines[0].starts_with("»  GET /x?y HTTP/1.1   "), "{}", done.err);
    assert_eq!(lines[0].chars().count(), 71, "{}", done.err);
    assert!(lines.contains(&r"«  X-Evil: \x1b]52;c;AAAA\x07"), "{}", done.err);
    assert!(lines.contains(&"   body 5 B to the end of the connection"), "{}", done.err);
    let times = lines.last().expect("a line");
    assert!(times.starts_with("   connect ") && times.contains("   first byte "), "{times}");
    assert!(lines.iter().all(|line| line.chars().count() <= 80), "{}", done.err);
}

#[test]
fn a_terminal_has_all_of_it_and_nothing_drives_it() {
    if std::process::Command::new("script").arg("--version").output().is_err() {
        return skip("get::a_terminal_has_all_of_it_and_nothing_drives_it", "missing script");
    }
    let played = Played::answers(&["HTTP/1.1 200 OK\r\nX: y\r\n\r\nred \x1b[31m alert"]);
    let command = format!("{} get {} --color never", env!("CARGO_BIN_EXE_hobnob"), played.url("/"));
    let mut script = std::process::Command::new("script");
    script.args(["-qec", &command, "/dev/null"]).env("TERM", "xterm");
    let done = finish(script, b"");
    let seen = done.out.replace("\r\n", "\n");
    assert!(seen.contains("«  X: y\n\nred \\x1b[31m alert\n   body 15 B"), "{seen:?}");
}

#[test]
fn check_says_no_to_a_bad_status() {
    let missing = "HTTP/1.1 404 Not\x1b Found\r\nContent-Length: 2\r\n\r\nno";
    let (done, _) = get(missing, &["--check"]);
    assert_eq!((done.code, done.out.as_str()), (1, "no"));
    assert_eq!(done.err, "the answer is 404 Not\\x1b Found\n");
    let (done, _) = get(missing, &[]);
    assert_eq!((done.code, done.err.as_str()), (0, ""));
    let (done, _) = get("HTTP/1.1 399 x\r\nContent-Length: 0\r\n\r\n", &["--check"]);
    assert_eq!(done.code, 0);
}

#[test]
fn a_large_body_passes_whole_both_ways() {
    let folder = crate::kit::folder();
    let (there, back) = (folder.path().join("there"), folder.path().join("back"));
    let body: Vec<u8> = (0..40_000_000_u32).map(|at| at.to_le_bytes()[1]).collect();
    std::fs::write(&there, &body).expect("a disk");
    let page = format!("@{}", there.display());
    let served = serve(&["http", "127.0.0.1:0", "--body", &page, "--type", "x/y"]);
    let back = back.display().to_string();
    let done = run(&["get", &format!("http://{}", served.address), "-d", &page, "-o", &back]);
    assert_eq!((done.code, done.err.as_str()), (0, ""));
    assert!(std::fs::read(back).expect("a file") == body);
}

#[test]
fn a_unix_socket_is_asked_like_any_other() {
    let folder = crate::kit::folder();
    let path = folder.path().join("x.sock").display().to_string();
    let served = serve(&["http", &path, "--body", "from a socket"]);
    for address in [path.clone(), format!("http+unix:{path},path=/info")] {
        let done = run(&["get", &address, "-v"]);
        assert_eq!((done.code, done.out.as_str()), (0, "from a socket"), "{}", done.err);
        assert!(done.err.contains("»  Host: localhost\n"), "{}", done.err);
    }
    drop(served);
}

#[test]
fn over_tls_the_peer_is_checked_unless_it_is_not_wanted() {
    let folder = crate::kit::folder();
    let state = folder.path().display().to_string();
    let endpoint = format!("tls://127.0.0.1:0,dev-ca={state}");
    let served = serve(&["http", &endpoint, "--body", "secret"]);
    let url = format!("https://127.0.0.1:{}/x", served.port());
    let trusted = format!("ca={state}/dev-ca.pem");
    let done = run(&["get", &url, "-O", &trusted, "-v"]);
    assert_eq!((done.code, done.out.as_str()), (0, "secret"), "{}", done.err);
    assert!(done.err.contains("   tls "), "{}", done.err);
    let done = run(&["get", &url]);
    assert_eq!((done.code, done.out.as_str()), (7, ""), "{}", done.err);
    assert!(done.err.starts_with("error[tls-untrusted]"), "{}", done.err);
    let done = run(&["get", &url, "-O", "insecure"]);
    assert_eq!((done.code, done.out.as_str()), (0, "secret"));
    assert!(done.err.contains("NOT CHECKING"), "{}", done.err);
    let done = run(&["get", &format!("http://127.0.0.1:{}/", served.port())]);
    assert_ne!(done.code, 0, "{}", done.out);
}

#[test]
fn it_waits_for_a_server_that_comes_later() {
    let port = Port::draw();
    let address = format!("127.0.0.1:{}", port.number);
    let getting = std::thread::spawn({
        let address = address.clone();
        move || finish(hobnob(&["get", &address, "--retry"]), b"")
    });
    let _served = serve(&["http", &address, "--body", "late"]);
    assert_eq!(getting.join().expect("it ends").out, "late");
}
