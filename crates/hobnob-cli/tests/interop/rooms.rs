//! One room over several nodes, on a server of NATS that is killed, stopped and started again.

mod example;
mod guarded;
mod hostile;
mod names;
mod rights;
mod told;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use self::hostile::Hostile;
use crate::peer::{PATIENCE, Running, hobnob, skip};
use crate::ports::Port;

/// Where in its folder a server keeps streams.
const STORE: &str = "store";

/// A server of NATS with a folder of its own, for its streams and for what it says of itself.
pub(crate) struct Nats {
    program: PathBuf,
    folder: tempfile::TempDir,
    flags: Vec<String>,
    running: Option<Running>,
    port: Port,
}

impl Nats {
    /// The server that `cargo xtask test` fetched, started, with streams that last; none where it is missing.
    pub(crate) fn keeping(test: &str, more_flags: &[&str]) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let store = folder.path().join(STORE).display().to_string();
        Self::begin(test, folder, &[&["-js", "-sd", &store], more_flags].concat())
    }

    /// The same with these flags alone.
    pub(crate) fn start(test: &str, flags: &[&str]) -> Option<Self> {
        Self::begin(test, tempfile::tempdir().expect("a folder"), flags)
    }

    /// Where the server is that `cargo xtask test` fetched, if it is there.
    fn program() -> Option<PathBuf> {
        let built = Path::new(env!("CARGO_BIN_EXE_hobnob"));
        let mut places = built.ancestors().map(|place| place.join("peers/nats/bin/nats-server"));
        places.find(|place| place.is_file())
    }

    fn begin(test: &str, folder: tempfile::TempDir, flags: &[&str]) -> Option<Self> {
        let Some(program) = Self::program() else {
            skip(test, "missing nats-server");
            return None;
        };
        let flags = flags.iter().map(ToString::to_string).collect();
        // What the kernel gives by itself it could give to somebody else while the server is away.
        let mut nats = Nats { program, folder, flags, running: None, port: Port::draw() };
        nats.start_again();
        wait("a server that listens", || TcpStream::connect(nats.address()).ok());
        Some(nats)
    }

    /// Does not wait until it listens.
    fn start_again(&mut self) {
        let mut command = Command::new(&self.program);
        command.args(["-a", "127.0.0.1", "-p", &self.port.number.to_string()]);
        command.arg("-l").arg(self.folder.path().join("log")).args(&self.flags);
        self.running = Some(Running::start(&mut command));
    }

    fn kill(&mut self) {
        self.running = None;
    }

    /// It comes back with nothing.
    fn start_empty(&mut self) {
        fs::remove_dir_all(self.store()).expect("it was kept");
        self.start_again();
    }

    /// Where its streams are.
    pub(crate) fn store(&self) -> PathBuf {
        self.folder.path().join(STORE)
    }

    fn address(&self) -> (&'static str, u16) {
        ("127.0.0.1", self.port.number)
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port.number)
    }
}

/// Asks until there is an answer.
pub(crate) fn wait<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let began = std::time::Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(began.elapsed() < PATIENCE, "{what} within the patience");
        std::thread::sleep(Duration::from_millis(20)); // nobody tells when it is there
    }
}

/// A node of the room, of whose events none is read yet.
fn begun(nats: &Nats, name: &str, flags: &[&str]) -> Running {
    let mut command = hobnob();
    command.args(["serve", "chat", "127.0.0.1:0", "--json", "--node", name]);
    Running::start(command.args(["--cluster", &nats.url()]).args(flags))
}

/// A node of the room, and where its members come in.
pub(crate) fn node(nats: &Nats, name: &str, flags: &[&str]) -> (Running, String) {
    let mut running = begun(nats, name, flags);
    loop {
        let line = running.line();
        assert!(!line.is_empty(), "{name} ended");
        if let Some((_, rest)) = line.split_once("\"addr\":\"") {
            return (running, rest.split('"').next().expect("an address").to_owned());
        }
    }
}

/// Somebody in the room.
pub(crate) struct Member(BufReader<TcpStream>);

impl Member {
    /// Is asked for its name.
    fn come(address: &str) -> Self {
        let stream = TcpStream::connect(address).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let mut member = Member(BufReader::new(stream));
        member.until("your name?");
        member
    }

    pub(crate) fn called(name: &str, address: &str) -> Self {
        let mut member = Member::come(address);
        member.say(name);
        // Where the servers take longer than it waits, it is lent another name until they have answered.
        if !member.until(&format!("* welcome, {name}")).starts_with(&format!("* welcome, {name}: "))
        {
            member.until(&format!("* you are {name} now"));
        }
        member
    }

    pub(crate) fn say(&mut self, text: &str) {
        self.0.get_mut().write_all(format!("{text}\n").as_bytes()).expect("it hears");
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("a line within the patience");
        line.trim_end().to_owned()
    }

    /// The next line that holds these words.
    pub(crate) fn until(&mut self, wanted: &str) -> String {
        loop {
            let line = self.line();
            assert!(!line.is_empty(), "it ended before {wanted:?}");
            if line.contains(wanted) {
                return line;
            }
        }
    }
}

/// Two nodes, kite and lark, and somebody at each: Ada and Bob.
fn two(nats: &Nats, flags: &[&str]) -> ([(Running, String); 2], [Member; 2]) {
    let nodes = ["kite", "lark"].map(|name| node(nats, name, flags));
    let members = [("Ada", &nodes[0].1), ("Bob", &nodes[1].1)];
    let members = members.map(|(name, address)| Member::called(name, address));
    (nodes, members)
}

#[test]
fn members_of_two_nodes_share_a_room_and_miss_nothing_while_the_server_is_away() {
    let test = "rooms::members_of_two_nodes_share_a_room_and_miss_nothing_while_the_server_is_away";
    let Some(mut nats) = Nats::keeping(test, &[]) else { return };
    let ([(_kite, at_kite), _lark], [mut ada, mut bob]) = two(&nats, &[]);
    assert_eq!(ada.until("joined"), "* Bob joined");
    for round in 0..20 {
        ada.say(&format!("from Ada {round}"));
        assert_eq!(bob.until("from Ada"), format!("Ada: from Ada {round}"));
        bob.say(&format!("from Bob {round}"));
        assert_eq!(ada.until("from Bob"), format!("Bob: from Bob {round}"));
    }

    let mut late = Member::called("Late", &at_kite);
    assert_eq!(late.until("Ada: from Ada 0"), "Ada: from Ada 0", "what was said before is shown");
    assert_eq!(late.until("from Bob 19"), "Bob: from Bob 19");

    nats.kill();
    ada.until("* the other nodes cannot be reached");
    bob.until("* the other nodes cannot be reached");
    ada.say("alone at kite");
    assert_eq!(late.until("alone at"), "Ada: alone at kite", "local chat goes on at once");
    bob.say("alone at lark");
    nats.start_again();
    bob.until("* the other nodes are back");
    ada.until("* the other nodes are back");
    let mut heard = [bob.until("alone at"), ada.until("alone at")];
    heard.sort();
    assert_eq!(heard, ["Ada: alone at kite", "Bob: alone at lark"]);
    ada.say("all is well");
    assert_eq!(bob.until("all is well"), "Ada: all is well");
}

/// Each byte of it is shown as four.
#[test]
fn the_longest_line_passes_between_nodes_and_nobody_takes_it_for_somebody_elses() {
    let test =
        "rooms::the_longest_line_passes_between_nodes_and_nobody_takes_it_for_somebody_elses";
    let Some(nats) = Nats::keeping(test, &[]) else { return };
    let ([(_kite, at_kite), _lark], [mut ada, mut bob]) = two(&nats, &[]);
    ada.say(&"\u{1}".repeat(65_000));
    assert_eq!(bob.until("Ada: "), format!("Ada: {}", r"\x01".repeat(65_000)));
    ada.say("short");
    assert_eq!(bob.until("Ada: "), "Ada: short");
    let mut eve = Member::called("Eve", &at_kite);
    wait("a list with kite once, and lark", || {
        eve.say("/who");
        (eve.until("* here: ") == "* here: Ada, Eve; at lark: Bob").then_some(())
    });
}

#[test]
fn the_servers_history_is_shown_once_and_no_more_when_it_is_lost() {
    let test = "rooms::the_servers_history_is_shown_once_and_no_more_when_it_is_lost";
    let Some(mut nats) = Nats::keeping(test, &[]) else { return };
    let (_kite, at_kite) = node(&nats, "kite", &[]);
    let mut ada = Member::called("Ada", &at_kite);
    ada.say("said before");
    let other_room = node(&nats, "owl", &["--room", "*"]);
    let (_lark, at_lark) = node(&nats, "lark", &[]);
    let mut bob = Member::called("Bob", &at_lark);
    assert_eq!(bob.until("said before"), "Ada: said before");
    let mut eve = Member::called("Eve", &other_room.1);
    eve.say("in another room");
    wait("a beat of kite", || {
        bob.say("/who");
        bob.until("* here: Bob").contains("at kite: Ada").then_some(())
    });

    // The server comes back with nothing.
    nats.kill();
    bob.until("* the other nodes cannot be reached");
    nats.start_empty();
    bob.until("* the other nodes are back");
    ada.until("* the other nodes are back");
    ada.say("anew");
    let mut before = Vec::new();
    loop {
        let line = bob.line();
        assert!(!line.is_empty(), "it ended");
        if line == "Ada: anew" {
            break;
        }
        before.push(line);
    }
    assert!(!before.iter().any(|line| line.contains("another room")), "{before:?}");
    assert_eq!(
        before.iter().filter(|line| line.contains("said before")).count(),
        0,
        "nothing twice"
    );
}

/// How a node that cannot be one ends: its exit code, and the slug of its error.
fn refused(url: &str, flags: &[&str]) -> (Option<i32>, String) {
    let mut command = hobnob();
    command.args(["serve", "chat", "127.0.0.1:0", "--cluster", url]).args(flags);
    let Output { status, stderr, .. } = Running::start(&mut command).finish();
    let stderr = String::from_utf8_lossy(&stderr).into_owned();
    let slug = stderr.split_once("error[").and_then(|(_, rest)| rest.split_once(']'));
    (status.code(), slug.map_or(stderr.clone(), |(slug, _)| slug.to_owned()))
}

#[test]
fn servers_that_will_not_do_are_errors_of_the_start() {
    let test = "rooms::servers_that_will_not_do_are_errors_of_the_start";
    let Some(plain) = Nats::start(test, &[]) else { return };
    assert_eq!(refused(&plain.url(), &[]), (Some(5), "cluster-no-jetstream".to_owned()));
    let tls = plain.url().replace("nats://", "tls://");
    assert_eq!(refused(&tls, &[]), (Some(7), "cluster-tls".to_owned()));
    for room in ["", "a\nb", &"x".repeat(65)] {
        assert_eq!(refused(&plain.url(), &["--room", room]), (Some(2), "cluster-room".to_owned()));
    }
    for url in ["http://127.0.0.1:1", "nats://", "nats://me@127.0.0.1:1"] {
        assert_eq!(refused(url, &[]), (Some(2), "cluster-url".to_owned()), "{url}");
    }
    for name in ["* x", "a:b", " ", &"x".repeat(33)] {
        let flags = ["--node", name];
        assert_eq!(refused(&plain.url(), &flags), (Some(2), "bad-option".to_owned()), "{name}");
    }
    let Some(streams) = Nats::keeping(test, &[]) else { return };
    Hostile::at(&streams).make_stream("\"republish\":{\"src\":\"ROOM.in.*\",\"dest\":\"ROOM.out.{{wildcard(1)}}\",\"headers_only\":true}");
    assert_eq!(refused(&streams.url(), &[]), (Some(5), "cluster-stream".to_owned()));
    let Some(locked) = Nats::start(test, &["--user", "me", "--pass", "secret"]) else { return };
    assert_eq!(refused(&locked.url(), &[]), (Some(5), "cluster-refused".to_owned()));
}
