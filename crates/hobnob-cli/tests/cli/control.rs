//! The control socket of a server that runs, spoken to as any program would.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::kit::schema::valid;
use crate::kit::{
    BOUND, Launched, Lines, Served, as_nobody, code, finish, folder, hobnob, launch, serve_with,
    signal, skip,
};

const GOLDEN: &str = include_str!("golden/control.v1.jsonl");
const PAGE: &str = include_str!("../../../../docs/reference/control.md");

/// A place for control sockets of a test's own.
pub(crate) struct Place(tempfile::TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        Place(folder())
    }

    /// The program with its control sockets here.
    pub(crate) fn hobnob(&self, words: &[&str]) -> Command {
        let mut command = hobnob(words);
        command.env("XDG_RUNTIME_DIR", self.0.path());
        command
    }

    /// A server with its control socket here.
    pub(crate) fn serve(&self, words: &[&str]) -> Served {
        serve_with(self.hobnob(words))
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.0.path().join("hobnob")
    }

    fn socket(&self, id: u32) -> PathBuf {
        self.folder().join(format!("{id}.sock"))
    }

    fn ask(&self, served: &Served) -> Asking {
        Asking::to(&self.socket(served.child.id()))
    }
}

/// A client of a control socket.
struct Asking {
    to: UnixStream,
    lines: Lines,
}

impl Asking {
    fn to(socket: &Path) -> Self {
        let to = UnixStream::connect(socket).expect("it listens before it says so");
        to.set_write_timeout(Some(BOUND)).expect("a timeout");
        let lines = Lines::of(to.try_clone().expect("a descriptor"));
        Asking { to, lines }
    }

    fn say(&mut self, line: &str) {
        self.to.write_all(format!("{line}\n").as_bytes()).expect("it reads");
    }

    /// The next answer; what is told of events meanwhile is by the schema.
    fn heard(&self) -> Value {
        loop {
            let line = self.lines.next();
            let value: Value = serde_json::from_str(&line).expect(&line);
            if value["type"] == "answer" {
                return value;
            }
            valid(&line);
        }
    }

    fn ask(&mut self, request: &Value) -> Value {
        self.say(&request.to_string());
        self.heard()
    }

    /// The slug with which a line is refused.
    fn refused(&mut self, line: &str) -> String {
        self.say(line);
        let answer = self.heard();
        assert_eq!((&answer["v"], &answer["ok"]), (&json!(1), &json!(false)), "{answer}");
        answer["error"]["slug"].as_str().expect("a slug").to_owned()
    }
}

fn connect(served: &Served) -> TcpStream {
    let peer = TcpStream::connect(&served.address).expect("it listens");
    peer.set_read_timeout(Some(BOUND)).expect("a timeout");
    peer
}

fn echo(peer: &mut TcpStream, text: &[u8]) {
    peer.write_all(text).expect("it reads");
    let mut back = vec![0; text.len()];
    peer.read_exact(&mut back).expect("it answers");
    assert_eq!(back, text);
}

/// A relay called redis, an echo behind it, and one client who has had an answer.
fn redis(place: &Place, words: &[&str]) -> (Served, Served, TcpStream) {
    let behind = place.serve(&["serve", "echo", "127.0.0.1:0"]);
    let base = ["relay", "127.0.0.1:0", &behind.address, "--name", "redis"];
    let relay = place.serve(&[&base[..], words].concat());
    let mut peer = connect(&relay);
    echo(&mut peer, b"PING");
    (behind, relay, peer)
}

/// Whether all that was promised is there, of the same kind; and word for word where the word is ours.
fn keeps(promised: &Value, real: &Value, at: &str) {
    let is_word = ["v", "type", "ask", "ok", "tag", "slug", "service", "verb", "state", "more"]
        .iter()
        .any(|key| at.ends_with(&format!(".{key}")));
    match (promised, real) {
        (Value::Object(promised), Value::Object(real)) => {
            for (key, promised) in promised {
                let at = format!("{at}.{key}");
                let real = real.get(key).unwrap_or_else(|| panic!("{at} is gone"));
                keeps(promised, real, &at);
            }
        }
        (Value::Array(promised), Value::Array(real)) => {
            assert_eq!(promised.is_empty(), real.is_empty(), "{at}");
            for (promised, real) in promised.iter().zip(real) {
                keeps(promised, real, at);
            }
        }
        _ if is_word => assert_eq!(promised, real, "{at}"),
        _ => {
            let kind = |value: &Value| (value.is_string(), value.is_number(), value.is_boolean());
            assert_eq!(kind(promised), kind(real), "{at}: {promised} and {real}");
        }
    }
}

#[test]
fn what_was_promised_once_is_kept() {
    let place = Place::new();
    let (_behind, relay, _peer) = redis(&place, &[]);
    let mut asking = place.ask(&relay);
    let examples: Vec<&str> = GOLDEN.lines().filter(|line| !line.is_empty()).collect();
    for example in examples.chunks(2) {
        let promised: Value = serde_json::from_str(example[1]).expect("JSON");
        if example[0].contains(r#""ask":"list"}"#) {
            // The session that was killed has to be gone.
            asking.lines.until(r#""type":"close""#);
        }
        asking.say(example[0]);
        keeps(&promised, &asking.heard(), example[0]);
    }
    assert_eq!(code(relay.child.wait()), 0, "it has drained");
}

#[test]
fn the_reference_page_has_these_examples_and_every_limit() {
    let examples: Vec<&str> = PAGE.lines().filter(|line| line.starts_with(r#"{"v":1,"#)).collect();
    let is_told = |line: &&str| !line.contains(r#""type":""#) || line.contains(r#""answer""#);
    for example in examples.iter().filter(|line| is_told(line)) {
        assert!(GOLDEN.lines().any(|line| line == *example), "not in the golden file: {example}");
    }
    for event in examples.iter().filter(|line| !is_told(line)) {
        valid(event);
    }
    for line in GOLDEN.lines().filter(|line| !line.is_empty()) {
        assert!(examples.contains(&line), "not on the page: {line}");
    }
    for limit in ["clients", "line", "sessions", "snap", "events"] {
        assert!(PAGE.contains(&format!("`control-{limit}`")), "{limit}");
    }
}

#[test]
fn a_watcher_is_told_what_json_tells() {
    let place = Place::new();
    let behind = place.serve(&["serve", "echo", "127.0.0.1:0"]);
    let relay = place.serve(&["relay", "127.0.0.1:0", &behind.address, "--json"]);
    let mut asking = place.ask(&relay);
    assert_eq!(asking.ask(&json!({"v": 1, "ask": "watch"}))["ok"], json!(true));
    let mut peer = connect(&relay);
    echo(&mut peer, b"\xff\x00\x1b[2J");
    drop(peer);
    relay.out.until(r#""type":"close""#);
    asking.lines.until(r#""type":"close""#);
    let mut peer = connect(&relay);
    echo(&mut peer, "你好".as_bytes());
    drop(peer);
    signal(relay.child.id(), "TERM");
    let steady = |line: &String| {
        let mut value = valid(line);
        for key in ["t", "at", "took", "lasted", "rtt_us", "retrans"] {
            value.as_object_mut().expect("an object").remove(key);
        }
        for key in ["upstream_rtt_us", "upstream_retrans"] {
            value.as_object_mut().expect("an object").remove(key);
        }
        value
    };
    let told: Vec<Value> = relay.out.rest().iter().map(steady).collect();
    let heard: Vec<Value> = asking.lines.rest().iter().map(steady).collect();
    assert_eq!(told, heard);
    assert_eq!(heard.last().expect("a line")["type"], "summary");
    assert!(heard.iter().any(|event| event["type"] == "dialed"), "{heard:?}");
}

#[test]
fn who_watches_says_of_what_and_how_much() {
    let place = Place::new();
    let served = place.serve(&["serve", "echo", "127.0.0.1:0"]);
    let mut facts = place.ask(&served);
    facts.ask(&json!({"v": 1, "ask": "watch", "data": false}));
    let mut short = place.ask(&served);
    short.ask(&json!({"v": 1, "ask": "watch", "snap": 3}));
    echo(&mut connect(&served), b"message");
    let told = short.lines.until(r#""dir":"in""#);
    let told = valid(&told);
    assert_eq!(
        (&told["text"], &told["len"], &told["cut"]),
        (&json!("mes"), &json!(7), &json!(true))
    );
    loop {
        let line = facts.lines.next();
        assert_ne!(valid(&line)["type"], "data");
        if line.contains(r#""close""#) {
            break;
        }
    }
    assert_eq!(facts.refused(r#"{"v":1,"ask":"watch"}"#), "usage");
}

#[test]
fn who_has_asked_all_watches_on_until_it_leaves() {
    let place = Place::new();
    let served = place.serve(&["serve", "echo", "127.0.0.1:0"]);
    let mut asking = place.ask(&served);
    asking.say(r#"{"v":1,"ask":"watch"}"#);
    asking.to.shutdown(std::net::Shutdown::Write).expect("it is open");
    assert_eq!(asking.heard()["ok"], json!(true));
    echo(&mut connect(&served), b"x");
    asking.lines.until(r#""type":"close""#);
    // As a person would.
    let path = place.socket(served.child.id());
    let path = path.to_str().expect("UTF-8");
    let done = finish(place.hobnob(&["talk", path, r#"{"v":1,"ask":"hello"}"#]), b"");
    assert!(
        done.out.starts_with(r#"{"v":1,"type":"answer","ask":"hello","ok":true"#),
        "{}",
        done.out
    );
}

#[test]
fn a_line_that_is_not_understood_is_answered_and_the_next_is_served() {
    let place = Place::new();
    let served = place.serve(&["serve", "echo", "127.0.0.1:0"]);
    let mut asking = place.ask(&served);
    for (line, slug) in [
        ("", "bad-frame"),
        ("GET / HTTP/1.1\r", "bad-frame"),
        ("\u{1b}[2J", "bad-frame"),
        (r#"{"v":2,"ask":"hello"}"#, "usage"),
        (r#"{"v":1,"ask":"hallo"}"#, "usage"),
        (r#"{"v":1,"ask":"drain","nmae":"x"}"#, "unknown-option"),
        (r#"{"v":1,"ask":"drain","name":"x"}"#, "not-running"),
        (r#"{"v":1,"ask":"kill","id":"1"}"#, "bad-option"),
    ] {
        assert_eq!(asking.refused(line), slug, "{line}");
    }
    // A piece at a time, and two at once.
    for piece in [r#"{"v":1,"as"#, r#"k":"list"}"#, "\n{\"v\":1,\"ask\":\"hello\"}\n{}\n"] {
        asking.to.write_all(piece.as_bytes()).expect("it reads");
    }
    let answers = [asking.heard(), asking.heard(), asking.heard()];
    assert_eq!(
        answers.map(|answer| answer["ok"].clone()),
        [json!(true), json!(true), json!(false)]
    );
}

#[test]
fn a_line_without_an_end_is_cut_at_its_limit() {
    let place = Place::new();
    let served = place.serve(&["serve", "echo", "127.0.0.1:0"]);
    let mut asking = place.ask(&served);
    // It may leave before all of it is written.
    let _ = asking.to.write_all(&vec![b'x'; 1 << 20]);
    let answer = asking.heard();
    assert_eq!(answer["error"]["limit"], "control-line", "{answer}");
    assert!(asking.lines.rest().is_empty(), "and it is closed");
    let line = format!(r#"{{"v":1,"ask":"hello","tag":"{}"}}"#, "x".repeat(64_000));
    let mut asking = place.ask(&served);
    asking.say(&line);
    assert_eq!(asking.heard()["ok"], json!(true), "what is within the limit is served");
}

#[test]
fn sixteen_clients_are_let_in_and_no_more() {
    let place = Place::new();
    let served = place.serve(&["serve", "echo", "127.0.0.1:0"]);
    let hello = json!({"v": 1, "ask": "hello"});
    let mut inside: Vec<Asking> = (0..16)
        .map(|_| {
            let mut asking = place.ask(&served);
            assert_eq!(asking.ask(&hello)["ok"], json!(true));
            asking
        })
        .collect();
    let outside = place.ask(&served);
    assert_eq!(outside.heard()["error"]["limit"], "control-clients");
    assert!(outside.lines.rest().is_empty(), "and it is closed");
    let leaving = inside.pop().expect("there are sixteen");
    leaving.to.shutdown(std::net::Shutdown::Both).expect("it is open");
    assert!(leaving.lines.rest().is_empty(), "its place is given up before its connection");
    let answers = std::iter::repeat_with(|| {
        let mut next = place.ask(&served);
        // It may have been refused already, and gone.
        let _ = next.to.write_all(format!("{hello}\n").as_bytes());
        next.heard()["ok"] == json!(true)
    });
    assert!(answers.take(1_000).any(|is_in| is_in), "there is room again");
    assert_eq!(inside[0].ask(&hello)["ok"], json!(true), "who is inside stays");
}

#[test]
fn a_slow_watcher_slows_nobody_and_what_it_misses_is_counted() {
    let place = Place::new();
    let served = place.serve(&["serve", "echo", "127.0.0.1:0"]);
    let mut slow = UnixStream::connect(place.socket(served.child.id())).expect("it listens");
    slow.write_all(b"{\"v\":1,\"ask\":\"watch\"}\n").expect("it reads");
    let mut first = [0; 1];
    slow.read_exact(&mut first).expect("it answers");
    let mut peer = connect(&served);
    let (piece, mut back) = (vec![b'x'; 1 << 20], vec![0; 1 << 20]);
    for _ in 0..64 {
        let mut to = peer.try_clone().expect("a descriptor");
        std::thread::scope(|scope| {
            scope.spawn(|| to.write_all(&piece).expect("it reads"));
            peer.read_exact(&mut back).expect("it answers");
        });
    }
    drop(peer);
    // Other clients are served meanwhile.
    let mut other = place.ask(&served);
    assert_eq!(other.ask(&json!({"v": 1, "ask": "hello"}))["ok"], json!(true));
    let lines = Lines::of(slow);
    let note = valid(&lines.until(r#""limit":"events""#));
    assert!(note["count"].as_u64().is_some_and(|count| count > 0), "{note}");
    let (code, _) = served.stop("TERM");
    assert_eq!(code, 0);
    assert!(lines.rest().iter().all(|line| valid(line).is_object()));
}

#[test]
fn clients_that_stay_or_leave_in_the_middle_do_not_hold_up_the_end() {
    let place = Place::new();
    let served = place.serve(&["serve", "source", "127.0.0.1:0"]);
    let _peer = connect(&served);
    let path = place.socket(served.child.id());
    for _ in 0..100 {
        let mut leaving = UnixStream::connect(&path).expect("it listens");
        leaving.write_all(b"{\"v\":1,\"ask\":\"list\"}\n{\"v\":1").expect("it reads");
        // Its answer is unread: that is a reset.
        drop(leaving);
    }
    let mut deaf = UnixStream::connect(&path).expect("it listens");
    deaf.write_all(b"{\"v\":1,\"ask\":\"watch\"}\n").expect("it reads");
    let mut first = [0; 1];
    deaf.read_exact(&mut first).expect("it answers");
    let mut idle = place.ask(&served);
    idle.ask(&json!({"v": 1, "ask": "hello"}));
    let (code, _) = served.stop("TERM");
    assert_eq!(code, 0);
    assert!(!path.exists(), "its file is gone");
    assert!(idle.lines.rest().is_empty());
}

#[test]
fn several_servers_of_one_process_have_one_socket() {
    let (place, work) = (Place::new(), folder());
    let behind = place.serve(&["serve", "echo", "127.0.0.1:0"]);
    let config = format!(
        "[serve.one]\nservice = \"echo\"\non = \"tcp://127.0.0.1:0\"\n\
         [serve.two]\nservice = \"relay\"\nto = \"{}\"\non = \"tcp://127.0.0.1:0\"\n",
        behind.address
    );
    std::fs::write(work.path().join("hobnob.toml"), config).expect("written");
    let mut command = place.hobnob(&["up", "--json"]);
    command.current_dir(work.path());
    let up: Launched = launch(command);
    let [one, two] = ["one", "two"].map(|name| {
        let line = up.out.until(r#""listening""#);
        assert!(line.contains(&format!(r#""name":"{name}""#)), "{line}");
        valid(&line)["addr"].as_str().expect("an address").to_owned()
    });
    let mut asking = Asking::to(&place.socket(up.child.id()));
    let hello = asking.ask(&json!({"v": 1, "ask": "hello"}));
    let names: Vec<_> =
        hello["servers"].as_array().expect("a list").iter().map(|s| &s["name"]).collect();
    assert_eq!((names, &hello["verb"]), (vec![&json!("one"), &json!("two")], &json!("up")));
    asking.ask(&json!({"v": 1, "ask": "watch", "name": "two"}));
    let mut peers = [one, two].map(|at| TcpStream::connect(at).expect("it listens"));
    for peer in &mut peers {
        peer.set_read_timeout(Some(BOUND)).expect("a timeout");
        echo(peer, b"x");
    }
    let dialed = valid(&asking.lines.until(r#""type":"dialed""#));
    assert_eq!(dialed["name"], "two", "{dialed}");
    let listed = asking.ask(&json!({"v": 1, "ask": "list"}));
    let ids: Vec<_> = listed["sessions"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|s| (&s["name"], &s["id"]))
        .collect();
    assert_eq!(ids, [(&json!("one"), &json!(1)), (&json!("two"), &json!(1))]);
    for ask in ["kill\",\"id\":1,\"tag\":\"", "drain", "list\",\"after\":1,\"tag\":\""] {
        assert_eq!(
            asking.refused(&format!(r#"{{"v":1,"ask":"{ask}"}}"#)),
            "usage",
            "{ask}: of which?"
        );
    }
    let cut = asking.ask(&json!({"v": 1, "ask": "list", "most": 1}));
    assert_eq!((cut["sessions"].as_array().map(Vec::len), &cut["more"]), (Some(1), &json!(true)));
    asking.ask(&json!({"v": 1, "ask": "drain", "name": "one"}));
    asking.ask(&json!({"v": 1, "ask": "kill", "name": "two", "id": 1}));
    let close = valid(&asking.lines.until(r#""type":"close""#));
    assert_eq!(
        (&close["reason"], &close["detail"]),
        (&json!("stopped"), &json!("killed")),
        "{close}"
    );
    asking.ask(&json!({"v": 1, "ask": "drain", "name": "two"}));
    assert_eq!(code(up.child.wait()), 0, "both have drained");
}

#[test]
fn what_a_killed_process_left_is_cleared_by_the_next() {
    let place = Place::new();
    let first = place.serve(&["serve", "echo", "127.0.0.1:0"]);
    let left = place.socket(first.child.id());
    let (code, _) = first.stop("KILL");
    assert_eq!(code, 137);
    assert!(left.exists());
    let second = place.serve(&["serve", "echo", "127.0.0.1:0"]);
    assert!(!left.exists());
    assert!(place.socket(second.child.id()).exists());
    signal(second.child.id(), "KILL");
    let left = place.socket(second.child.id());
    let _ = second.child.wait();
    assert_eq!(finish(place.hobnob(&["fault"]), b"").code, 0);
    assert!(!left.exists(), "who looks for relays clears it too");
}

#[test]
fn without_a_control_socket_a_server_serves_all_the_same_and_says_so() {
    let place = Place::new();
    let elsewhere = folder();
    symlink(elsewhere.path(), place.folder()).expect("linked");
    let quiet = place.serve(&["serve", "echo", "127.0.0.1:0"]);
    echo(&mut connect(&quiet), b"x");
    let (code, said) = quiet.stop("TERM");
    assert_eq!(code, 0);
    assert!(!said.iter().any(|line| line.contains("control")), "{said:?}");
    let verbose = launch(place.hobnob(&["serve", "echo", "127.0.0.1:0", "-v"]));
    let said = verbose.err.until("no control socket");
    assert!(said.contains("hobnob fault cannot find this"), "{said}");
    assert_eq!(verbose.stop("TERM").0, 0);
    let json = launch(place.hobnob(&["serve", "echo", "127.0.0.1:0", "--json"]));
    let note = valid(&json.out.until("no control socket"));
    assert!(note["message"].as_str().is_some_and(|text| text.contains("symbolic link")), "{note}");
    assert_eq!(json.stop("TERM").0, 0);
    assert_eq!(std::fs::read_dir(elsewhere.path()).expect("it is there").count(), 0);
    let done = finish(place.hobnob(&["fault"]), b"");
    assert_eq!(done.code, 8, "{}", done.err);
    assert!(done.err.starts_with("error[permission-denied]: I will not use "), "{}", done.err);
    // A folder that cannot be made at all, as on a full disk.
    let mut command = hobnob(&["serve", "echo", "127.0.0.1:0", "--for", "1ms", "-v"]);
    command.env("XDG_RUNTIME_DIR", "/proc/self");
    let done = finish(command, b"");
    assert_eq!(done.code, 0);
    assert!(done.err.contains("no control socket"), "{}", done.err);
}

/// An echo with so few descriptors.
fn with_descriptors(place: &Place, most: usize, words: &[&str]) -> Command {
    let mut command = Command::new("sh");
    let script = format!("ulimit -n {most}; exec \"$0\" serve echo 127.0.0.1:0 \"$@\"");
    command.args(["-c", &script, env!("CARGO_BIN_EXE_hobnob")]).args(words).env_clear();
    command.env("PATH", "/usr/bin:/bin").env("XDG_RUNTIME_DIR", place.0.path());
    command
}

#[test]
fn with_few_descriptors_it_serves_or_says_why_not() {
    let place = Place::new();
    let mut codes = Vec::new();
    let mut enough = None;
    for most in 4..48 {
        let done = finish(with_descriptors(&place, most, &["--for", "1ms", "-v"]), b"");
        assert!([0, 3].contains(&done.code), "{most}: {} {}", done.code, done.err);
        codes.push(done.code);
        if done.code == 0 && !done.err.contains("no control socket") {
            enough = enough.or(Some(most));
        }
    }
    codes.dedup();
    assert_eq!(codes, [3, 0], "once there are enough it serves");
    // Room for two clients, and eight of them: each is served once there is room, and nobody is turned away.
    let most = enough.expect("it has a control socket") + 2;
    let served = serve_with(with_descriptors(&place, most, &[]));
    let clients: Vec<Asking> = (0..8)
        .map(|_| {
            let mut asking = place.ask(&served);
            asking.say(r#"{"v":1,"ask":"hello"}"#);
            asking
        })
        .collect();
    for client in clients {
        assert_eq!(client.heard()["ok"], json!(true));
        client.to.shutdown(std::net::Shutdown::Both).expect("it is open");
    }
    assert_eq!(served.stop("TERM").0, 0);
}

#[test]
fn the_socket_is_the_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    let served = place.serve(&["serve", "echo", "127.0.0.1:0"]);
    let mode =
        |path: &Path| std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode(&place.folder()), 0o700);
    let socket = place.socket(served.child.id());
    assert_eq!(mode(&socket), 0o600);
    // Where somebody has opened both by hand, the kernel still says who is asking.
    std::fs::set_permissions(place.0.path(), std::fs::Permissions::from_mode(0o755)).expect("ours");
    std::fs::set_permissions(place.folder(), std::fs::Permissions::from_mode(0o755)).expect("ours");
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o666)).expect("ours");
    let path = socket.to_str().expect("UTF-8");
    let Some(done) = as_nobody(&["talk", path, r#"{"v":1,"ask":"drain"}"#], None) else {
        return skip("the_socket_is_the_owners_alone", "needs root and setpriv");
    };
    assert!(done.out.contains(r#""slug":"permission-denied""#), "{}{}", done.out, done.err);
    assert_eq!(
        place.ask(&served).ask(&json!({"v": 1, "ask": "hello"}))["servers"][0]["state"],
        "open"
    );
}
