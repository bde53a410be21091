//! Servers of NATS: real ones, on ports of this machine, each a process that is ended by its own handle.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hobnob::clock::Clock;
use hobnob::cluster::nats::{NatsLink, NatsNews, NatsTerms};
use hobnob::cluster::{ClusterRoom, NodeId, RoomBatch};
use hobnob::engine::Crew;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use super::wire::Wire;
use crate::ports::Port;
use crate::stage::{PATIENCE, births, soon};

/// Which of the programs called nats-server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Make {
    /// The one that the tree pins.
    Pinned,
    /// Debian's, which is old.
    Debians,
}

impl Make {
    /// Where `cargo xtask peers` has put it, if it has.
    pub(super) fn program(self) -> Option<PathBuf> {
        let place = match self {
            Make::Pinned => "peers/nats/bin/nats-server",
            Make::Debians => "peers/nats-debian/usr/sbin/nats-server",
        };
        let test = std::env::current_exe().ok()?;
        test.ancestors().map(|folder| folder.join(place)).find(|place| place.is_file())
    }
}

/// The servers of one cluster, or a lone one. Dropping them ends them.
pub(super) struct Servers {
    program: PathBuf,
    folder: tempfile::TempDir,
    /// For clients, and for each other.
    ports: Vec<[Port; 2]>,
    running: Vec<Option<Child>>,
    /// How many of them are told of each other.
    known: usize,
    /// Ways from one to another, each by the two: where there are any, servers reach each other by these alone.
    wires: Vec<([usize; 2], Wire)>,
    /// A port at which nobody is: what a server says of itself leads there, and so to no way around the wires.
    nowhere: Port,
}

impl Servers {
    pub(super) fn start(program: &Path, count: usize) -> Self {
        Servers::start_some(program, count, count)
    }

    /// Starts the first of them, which are a cluster until the others come.
    pub(super) fn start_some(program: &Path, count: usize, first: usize) -> Self {
        let mut servers = Servers::new(program, count, first);
        (0..first).for_each(|at| servers.start_one(at));
        servers
    }

    /// Starts servers that [`Servers::part`] can part from each other.
    pub(super) fn start_wired(program: &Path, count: usize, crew: &Crew) -> Self {
        let mut servers = Servers::new(program, count, count);
        let pairs = (0..count).flat_map(|from| (0..count).map(move |to| [from, to]));
        let pairs = pairs.filter(|[from, to]| from != to);
        let wire =
            |[from, to]: [usize; 2]| ([from, to], Wire::to(servers.ports[to][1].number, crew));
        servers.wires = pairs.map(wire).collect();
        (0..count).for_each(|at| servers.start_one(at));
        servers
    }

    fn new(program: &Path, count: usize, known: usize) -> Self {
        Servers {
            program: program.to_owned(),
            folder: tempfile::tempdir().expect("a folder"),
            ports: (0..count).map(|_| [Port::draw(), Port::draw()]).collect(),
            running: (0..count).map(|_| None).collect(),
            known,
            wires: Vec::new(),
            nowhere: Port::draw(),
        }
    }

    /// Parts these from all others, and from each other; none: all are together again.
    pub(super) fn part(&self, parted: &[usize]) {
        for (ends, wire) in &self.wires {
            let is_cut = ends.iter().any(|end| parted.contains(end));
            wire.bend(if is_cut { &["refuse"] } else { &[] });
            if is_cut {
                wire.tear();
            }
        }
    }

    pub(super) fn count(&self) -> usize {
        self.ports.len()
    }

    pub(super) fn port(&self, at: usize) -> u16 {
        self.ports[at][0].number
    }

    /// Starts one, again where it was killed.
    pub(super) fn start_one(&mut self, at: usize) {
        let (name, url) =
            (format!("s{at}"), |port: &Port| format!("nats://127.0.0.1:{}", port.number));
        // Should this process be killed, they are too: setpriv(1) asks the kernel for it and becomes the server, once the
        // shell has said that it has begun.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "sh", "-c", "echo; exec \"$0\" \"$@\" >/dev/null"]);
        command.arg(&self.program).args(["-n", &name, "-js", "-sd"]);
        command.arg(self.folder.path().join(&name));
        command.args(["-a", "127.0.0.1", "-p", &self.port(at).to_string()]);
        command.arg("-l").arg(self.folder.path().join(format!("{name}.log")));
        if self.count() > 1 {
            let known = self.ports.iter().take(self.known.max(at + 1));
            let mut routes: Vec<_> = known.map(|[_, port]| url(port)).collect();
            if !self.wires.is_empty() {
                let wires = self.wires.iter().filter(|([from, _], _)| *from == at);
                routes = wires.map(|(_, wire)| wire.url()).collect();
                let nowhere = format!("127.0.0.1:{}", self.nowhere.number);
                command.args(["--cluster_advertise", &nowhere]);
            }
            command.args(["--cluster_name", "rooms", "--cluster", &url(&self.ports[at][1])]);
            command.args(["--routes", &routes.join(",")]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let first_words =
            |child: &mut Child| child.stdout.take().expect("piped").read_exact(&mut [0]);
        let (child, begun) =
            births::spawn(&mut command, first_words).expect("setpriv of util-linux");
        begun.expect("it begins");
        self.running[at] = Some(child);
    }

    /// Ends one at once, and waits until it is gone.
    pub(super) fn kill(&mut self, at: usize) {
        let Some(mut child) = self.running[at].take() else { return };
        child.kill().and_then(|()| child.wait()).expect("it is ours");
    }

    /// Stops one where it stands, or lets it go on.
    pub(super) fn freeze(&self, at: usize, is_frozen: bool) {
        let Some(child) = &self.running[at] else { return };
        let signal = if is_frozen { "-STOP" } else { "-CONT" };
        let sent = births::status(Command::new("kill").args([signal, &child.id().to_string()]));
        assert!(sent.expect("kill is there").success(), "it is ours");
    }

    /// The leader of a stream, as soon as somebody knows it.
    pub(super) async fn leads(&self, stream: &str) -> usize {
        let asking = async {
            loop {
                match self.leader(stream).await {
                    Some(leader) => return leader,
                    // Nobody tells when one is chosen.
                    None => tokio::time::sleep(Duration::from_millis(100)).await,
                }
            }
        };
        soon("a leader", asking).await
    }

    /// The leader of a stream, where somebody knows it.
    pub(super) async fn leader(&self, stream: &str) -> Option<usize> {
        self.info(stream, "\"leader\":\"s").await
    }

    /// How often a stream is to be kept, as the first that knows it says.
    pub(super) async fn copies(&self, stream: &str) -> Option<usize> {
        self.info(stream, "\"num_replicas\":").await
    }

    /// The number behind these words, in what the first says of a stream who says any.
    async fn info(&self, stream: &str, words: &str) -> Option<usize> {
        let subject = format!("$JS.API.STREAM.INFO.{stream}");
        for at in 0..self.count() {
            let Some(answer) = request(self.port(at), &subject, "").await else { continue };
            let number = answer.split_once(words).map(|(_, rest)| rest);
            let number = number.and_then(|rest| rest.split(['"', ',', '}']).next());
            if let Some(number) = number.and_then(|number| number.parse().ok()) {
                return Some(number);
            }
        }
        None
    }

    /// Waits until they keep streams, as often as they are to.
    pub(super) async fn ready(&self) {
        let copies = self.count();
        let probe = format!(
            "{{\"name\":\"PROBE\",\"subjects\":[\"probe\"],\"storage\":\"memory\",\"num_replicas\":{copies}}}"
        );
        let (began, mut answer) = (Clock::start(), None);
        while began.now() < PATIENCE * 2 {
            answer = request(self.port(0), "$JS.API.STREAM.CREATE.PROBE", &probe).await;
            if answer.as_ref().is_some_and(|made| !made.contains("\"error\"")) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await; // nobody tells when a leader is there
        }
        let log = std::fs::read_to_string(self.folder.path().join("s0.log")).unwrap_or_default();
        let log: Vec<_> = log.lines().rev().take(20).collect();
        panic!("no servers that keep streams: {answer:?}, and the last of s0: {log:#?}");
    }

    /// A link of the test's own, behind no wire.
    pub(super) async fn look(&self, room: &ClusterRoom) -> (NatsLink, NatsNews) {
        let urls: Vec<_> =
            (0..self.count()).map(|at| format!("nats://127.0.0.1:{}", self.port(at))).collect();
        let me = NodeId::drawn([u64::MAX, u64::MAX]);
        let terms = NatsTerms::new(&urls.join(","), room.clone(), me).expect("URLs");
        let linked = async {
            loop {
                match NatsLink::connect(&terms).await {
                    Ok(linked) => return linked,
                    Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
                }
            }
        };
        soon("a link", linked).await
    }

    /// All that the stream has, as its leader says.
    pub(super) async fn stream(&self, room: &ClusterRoom) -> Vec<RoomBatch> {
        let (link, _news) = self.look(room).await;
        let read = async {
            let mut batches = Vec::new();
            let mut next = 1;
            loop {
                let Ok(look) = link.look(&[]).await else { continue };
                next = next.max(look.first);
                if next > look.end {
                    return batches;
                }
                let to = look.end.min(next + 63);
                let Ok(mut found) = link.read(next, to, true).await else { continue };
                found.sort_by_key(|(place, _)| *place);
                batches.extend(found.into_iter().filter_map(|(_, batch)| batch));
                next = to + 1;
            }
        };
        tokio::time::timeout(PATIENCE * 2, read).await.expect("the stream is read")
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        (0..self.count()).for_each(|at| self.kill(at));
    }
}

/// Asks one server, in the words of its protocol. None: it has not answered.
async fn request(port: u16, subject: &str, body: &str) -> Option<String> {
    let asked = async {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        let mut stream = BufReader::new(stream);
        let length = body.len();
        let words = format!(
            "CONNECT {{\"verbose\":false}}\r\nSUB probe.{port} 1\r\nPUB {subject} probe.{port} {length}\r\n{body}\r\n"
        );
        stream.write_all(words.as_bytes()).await?;
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            if let Some(length) =
                line.strip_prefix("MSG ").and_then(|line| line.split_ascii_whitespace().last())
            {
                let mut answer = vec![0; length.parse().unwrap_or_default()];
                stream.read_exact(&mut answer).await?;
                return Ok(String::from_utf8_lossy(&answer).into_owned());
            }
        }
    };
    let asked: Result<std::io::Result<String>, _> =
        tokio::time::timeout(Duration::from_secs(1), asked).await;
    asked.ok()?.ok()
}
