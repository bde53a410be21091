//! Does what an error proposes, within this machine.

use std::cell::RefCell;
use std::io::{BufRead as _, BufReader};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use hobnob::endpoint::{Endpoint, Host, Target};
use hobnob::engine;

use crate::kit::{BOUND, Bounded, code, finish, folder, hobnob, signal};
use crate::ports::Port;

/// Commands of the system that may be proposed. They are not run.
const SYSTEM: &[&str] = &[
    "sudo", "ulimit", "date", "rm", "ls", "file", "kill", "export", "unset", "openssl", "cat",
    "id", "getent",
];
/// Verbs that end by themselves, whatever they find.
const BRIEF: &[&str] = &["help", "explain", "doctor", "cert", "fault", "completions", "man"];

/// Flags without a value.
const SWITCHES: &[&str] = &[
    "--json",
    "--retry",
    "--both-dial",
    "--both-listen",
    "--listen",
    "-k",
    "--no-half-close",
    "--half-close",
    "--head",
    "--follow",
    "--force",
    "--lan",
];

/// A folder for what is run, where it finds nothing of others.
pub(super) struct Place {
    folder: tempfile::TempDir,
    /// What was proposed and cannot be done.
    wrong: RefCell<Vec<String>>,
}

impl Place {
    pub(super) fn new() -> Self {
        Place { folder: folder(), wrong: RefCell::default() }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program, in this folder.
    pub(super) fn hobnob(&self, words: &[&str]) -> Command {
        let mut command = hobnob(words);
        let here = self.folder.path();
        command.current_dir(here).env("HOME", here).env("XDG_RUNTIME_DIR", here);
        command
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let wrong = self.wrong.take();
        assert!(wrong.is_empty() || std::thread::panicking(), "{}", wrong.join("\n"));
    }
}

/// Does all that the error of a command proposes.
pub(super) fn follow_all(place: &Place, words: &[&str], tries: &[String]) {
    for command in tries {
        if let Err(why) = follow(place, command) {
            let text = format!("hobnob {} proposes {command:?}: {why}", words.join(" "));
            place.wrong.borrow_mut().push(text);
        }
    }
}

/// Does what is proposed; why it cannot be done.
fn follow(place: &Place, command: &str) -> Result<(), String> {
    let mut words = words(command);
    if words[0] != "hobnob" {
        let is_known = SYSTEM.contains(&words[0].as_str());
        return is_known.then_some(()).ok_or_else(|| format!("{} is no command", words[0]));
    }
    words.remove(0);
    let verb = words.first().map_or("", String::as_str).to_owned();
    let is_elsewhere = |word: &String| engine::parse(word).is_ok_and(|at| leaves_this_machine(&at));
    let is_brief = words.len() < 2 || BRIEF.contains(&&*verb) || verb.starts_with('-');
    let asks = words.iter().any(|word| word == "-h" || word == "--help");
    match (!words.is_empty()).then(|| Moved::of(&words)).flatten() {
        _ if verb == "demo" || words.iter().any(is_elsewhere) => read(place, &words),
        _ if is_brief || asks => run(place, &words),
        Some(moved) => started(place, moved),
        None => read(place, &words),
    }
}

/// The words as a shell hands them on.
fn words(command: &str) -> Vec<String> {
    if command.contains(['|', '$']) {
        return command.split(' ').map(str::to_owned).collect();
    }
    let mut shell = Command::new("sh");
    let done = shell.arg("-c").arg(format!("printf '%s\\0' {command}")).output().expect("a shell");
    let text = String::from_utf8(done.stdout).expect("UTF-8");
    text.trim_end_matches('\0').split('\0').map(str::to_owned).collect()
}

/// A command with its addresses moved to where nobody else is, and with somebody wherever it dials.
struct Moved {
    words: Vec<String>,
    peers: Vec<Peer>,
}

impl Moved {
    /// None where it would leave this machine, or meet what is not ours.
    fn of(words: &[String]) -> Option<Self> {
        let mut moved = Moved { words: words.to_vec(), peers: Vec::new() };
        let has = |flag: &str| words.iter().any(|word| word == flag);
        let is_server = words[0] == "serve";
        let mut number = 0;
        for at in positions(words) {
            let Ok(endpoint) = engine::parse(&words[at]) else { continue };
            let is_set = |key: &str| endpoint.settings().iter().any(|setting| setting.key == key);
            let dials = match words[0].as_str() {
                "serve" => is_set("dial"),
                "relay" => {
                    has("--both-dial") || number == 1 && words.iter().any(|word| word == "-")
                }
                _ => !has("--listen") && !is_set("listen"),
            };
            let is_left = words[0] == "relay" && number == 1 && !dials && !has("--both-listen");
            number += 1;
            if !is_left {
                moved.endpoint(at, &endpoint, dials)?;
            } else if leaves_this_machine(&endpoint) {
                return None;
            }
        }
        if is_server && number == 0 {
            moved.words.push("127.0.0.1:0".to_owned());
        }
        Some(moved)
    }

    fn endpoint(&mut self, at: usize, endpoint: &Endpoint, dials: bool) -> Option<()> {
        if leaves_this_machine(endpoint) {
            return None;
        }
        match endpoint.target() {
            Target::Nothing => {}
            Target::Net { port: Some(old), .. } => {
                let host = match endpoint.host() {
                    Some(Host::V4(host)) => IpAddr::V4(*host),
                    Some(Host::V6 { address, .. }) => IpAddr::V6(*address),
                    _ => IpAddr::V4(Ipv4Addr::LOCALHOST),
                };
                let port = dials.then(Port::draw);
                let new = port.as_ref().map_or(0, |port| port.number);
                let (from, to) = (format!(":{old}"), format!(":{new}"));
                if !self.words[at].contains(&from) {
                    return None;
                }
                self.words[at] = self.words[at].replacen(&from, &to, 1);
                let is_udp = self.words[at].contains("udp:");
                self.peers.extend(port.map(|port| Peer::on(host, port, is_udp)));
            }
            // In the folder of the test.
            Target::Path(path) if path.is_relative() && !dials => {}
            _ => return None,
        }
        Some(())
    }
}

/// Where words stand that are no flags, and none of their values, behind the verb.
fn positions<W: AsRef<str>>(words: &[W]) -> impl Iterator<Item = usize> {
    let end = words.iter().position(|word| word.as_ref() == "--").unwrap_or(words.len());
    (1..end).filter(|at| {
        let (before, word) = (words[at - 1].as_ref(), words[*at].as_ref());
        let is_value = before.starts_with('-') && before.len() > 1 && !SWITCHES.contains(&before);
        !is_value && (word == "-" || !word.starts_with('-'))
    })
}

/// Whether somebody else would hear of it.
fn leaves_this_machine(endpoint: &Endpoint) -> bool {
    match endpoint.host() {
        None | Some(Host::Loopback) => false,
        Some(Host::V4(address)) => !address.is_loopback(),
        Some(Host::V6 { address, .. }) => !address.is_loopback(),
        Some(Host::Name(_)) => true,
    }
}

/// A command that is not to be run: its verb takes these flags, and its address is one.
fn read(place: &Place, words: &[String]) -> Result<(), String> {
    let end = words.iter().position(|word| word == "--").unwrap_or(words.len());
    let words: Vec<_> = words[..end].iter().map(String::as_str).chain(["-h"]).collect();
    let done = finish(place.hobnob(&words), b"");
    let first = usize::from(words[0] == "serve");
    if let Some(at) = positions(&words).nth(first) {
        engine::parse(words[at]).and_then(|at| engine::resolve(&at)).map_err(|e| e.to_string())?;
    }
    (done.code == 0).then_some(()).ok_or(done.err)
}

fn run(place: &Place, words: &[String]) -> Result<(), String> {
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let done = finish(place.hobnob(&words), b"");
    understood(&format!("{}{}", done.err, done.out), done.code)
}

/// Exit code 2 is a command that was not understood.
fn understood(said: &str, code: i32) -> Result<(), String> {
    (code != 2).then_some(()).ok_or_else(|| said.to_owned())
}

/// What a command that was started does.
enum Sign {
    /// It listens, or somebody was dialled.
    Works,
    /// It says nothing any more: stderr has ended. Its stdout may be a peer's, and end before it does.
    Over,
}

/// Starts it, with somebody wherever it dials, and stops it when it works.
fn started(place: &Place, moved: Moved) -> Result<(), String> {
    let (to, signs) = channel();
    let peers: Vec<_> = moved.peers.into_iter().map(|peer| peer.wait(to.clone())).collect();
    let words: Vec<_> = moved.words.iter().map(String::as_str).collect();
    let mut command = place.hobnob(&words);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary is there");
    // It is open for as long as the command runs, except where it is all that there is to come.
    let mut input = child.stdin.take();
    if words.contains(&"-") {
        input = None;
    }
    let out = BufReader::new(child.stdout.take().expect("it is piped"));
    let err = BufReader::new(child.stderr.take().expect("it is piped"));
    let child = Bounded::of(child);
    let listener = to.clone();
    let said = std::thread::spawn(move || {
        let mut said = String::new();
        for line in out.lines().map_while(Result::ok) {
            if line.contains(r#""type":"listening""#) || line.contains(r#""type":"open""#) {
                let _ = listener.send(Sign::Works);
            }
            said.push_str(&line);
        }
        said
    });
    let told = std::thread::spawn(move || {
        let mut told = String::new();
        for line in err.lines().map_while(Result::ok) {
            if line.contains("is listening") || line.contains(" started") {
                let _ = to.send(Sign::Works);
            }
            told.push_str(&line);
        }
        let _ = to.send(Sign::Over);
        told
    });
    let sign = signs.recv_timeout(BOUND).map_err(|_| "it neither works nor ends".to_owned())?;
    if matches!(sign, Sign::Works) {
        signal(child.id(), "INT");
    }
    let code = code(child.wait());
    drop(input);
    peers.into_iter().for_each(Waiting::end);
    let said = format!("{}{}", said.join().expect("no panic"), told.join().expect("no panic"));
    understood(&said, code)
}

/// Somebody who is there to be dialled, and takes what comes first.
struct Peer {
    at: (IpAddr, Port),
    by: By,
}

enum By {
    Tcp(TcpListener),
    Udp(UdpSocket),
}

impl Peer {
    fn on(host: IpAddr, port: Port, is_udp: bool) -> Self {
        let at = (host, port.number);
        let by = if is_udp {
            By::Udp(UdpSocket::bind(at).expect("it is ours"))
        } else {
            By::Tcp(TcpListener::bind(at).expect("it is ours"))
        };
        Peer { at: (host, port), by }
    }

    /// Waits for the first that comes, and says so.
    fn wait(self, to: Sender<Sign>) -> Waiting {
        let is_udp = matches!(self.by, By::Udp(_));
        let thread = std::thread::spawn(move || {
            match self.by {
                By::Tcp(listener) => drop(listener.accept()),
                By::Udp(socket) => drop(socket.recv(&mut [0; 9])),
            }
            let _ = to.send(Sign::Works);
        });
        Waiting { at: self.at, is_udp, thread }
    }
}

/// One that waits.
struct Waiting {
    at: (IpAddr, Port),
    is_udp: bool,
    thread: JoinHandle<()>,
}

impl Waiting {
    /// Ends it, whether or not somebody has come.
    fn end(self) {
        let at = (self.at.0, self.at.1.number);
        if self.is_udp {
            let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
            let _ = socket.send_to(b"x", at);
        } else {
            let _ = TcpStream::connect(at);
        }
        self.thread.join().expect("it does not panic");
    }
}
