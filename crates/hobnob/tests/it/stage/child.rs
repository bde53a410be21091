//! A server in a process of its own: for what counts per process, as descriptors, memory and threads do.
//!
//! The child is this very binary, asked to run one test: [`serves_as_a_child`], which does nothing otherwise.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use hobnob::bus::Wish;
use hobnob::clock::Clock;
use hobnob::codec::text::Rule;
use hobnob::engine::{Model, Network, Server};
use hobnob::spec::parse_duration;
use nix::sys::resource::{Resource, setrlimit};
use tokio::sync::mpsc;

use super::{PATIENCE, births};

/// Where the child finds what it is to do.
const PLAN: &str = "HOBNOB_STAGE_PLAN";

/// A server in a child process. Dropping it ends the process.
pub(crate) struct Child {
    process: std::process::Child,
    lines: mpsc::UnboundedReceiver<String>,
    pub(crate) address: SocketAddr,
}

impl Child {
    /// Serves; the plan is `service endpoint key=value...`.
    pub(crate) async fn serve(plan: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("it runs"));
        command
            .args(["stage::child::serves_as_a_child", "--exact", "--nocapture"])
            .env(PLAN, plan)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let (process, out) = births::spawn(&mut command, |child| {
            let mut out = BufReader::new(child.stdout.take().expect("piped"));
            // The test harness's own: an empty line.
            out.read_line(&mut String::new()).expect("text");
            out
        })
        .expect("it starts");
        let (send, lines) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            out.lines().map_while(Result::ok).try_for_each(|line| send.send(line))
        });
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut child = Child { process, lines, address };
        let bound = child.line("bound").await;
        child.address = bound.parse().expect("an address");
        child
    }

    /// What follows this word on the next line that begins with it.
    pub(crate) async fn line(&mut self, word: &str) -> String {
        let next = async {
            loop {
                let line = self.lines.recv().await.expect("the child lives");
                if let Some((_, rest)) = line.split_once(&format!("stage-{word} ")) {
                    return rest.to_owned();
                }
            }
        };
        tokio::time::timeout(PATIENCE, next).await.unwrap_or_else(|_| panic!("no line {word}"))
    }

    /// The times of the events so far that contain this text.
    pub(crate) fn events(&mut self, text: &str) -> Vec<Duration> {
        let mut times = Vec::new();
        while let Ok(line) = self.lines.try_recv() {
            let Some(event) = line.split_once("stage-event ").map(|(_, event)| event) else {
                continue;
            };
            let (at, fact) = event.split_once(' ').expect("a time and a fact");
            if fact.contains(text) {
                times.push(Duration::from_millis(at.parse().expect("milliseconds")));
            }
        }
        times
    }

    /// Asks for sessions open, sessions in all, and refused.
    pub(crate) async fn counts(&mut self) -> (u64, u64, u64) {
        self.tell("counts");
        let counts = self.line("counts").await;
        let mut counts = counts.split(' ').map(|count| count.parse().expect("a count"));
        let mut next = || counts.next().expect("three counts");
        (next(), next(), next())
    }

    fn tell(&mut self, word: &str) {
        let stdin = self.process.stdin.as_mut().expect("piped");
        writeln!(stdin, "{word}").expect("the child lives");
    }

    /// Waits until no more sessions than these are open.
    pub(crate) async fn empties_but(&mut self, left: u64) {
        self.empties_behind(Duration::ZERO, left).await;
    }

    /// The same for sessions that are kept for so long after they were last heard of.
    pub(crate) async fn empties_behind(&mut self, kept: Duration, left: u64) {
        let clock = Clock::start();
        while self.counts().await.0 > left {
            assert!(clock.now() < kept + PATIENCE, "sessions stay open: {:?}", self.counts().await);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) fn descriptors(&self) -> usize {
        std::fs::read_dir(self.proc("fd")).expect("procfs").count()
    }

    /// The limit of open files under which a child that holds the same could open one more.
    pub(crate) fn limit_with_one_left(&self) -> usize {
        let files = std::fs::read_dir(self.proc("fd")).expect("procfs");
        let names = files.filter_map(|file| file.ok()?.file_name().into_string().ok());
        let numbers: Vec<usize> = names.filter_map(|name| name.parse().ok()).collect();
        // What it was given may have higher numbers than any limit.
        let left = |limit: usize| limit - numbers.iter().filter(|number| **number < limit).count();
        (1..=1_024).rev().find(|limit| left(*limit) == 1).expect("it holds some")
    }

    /// Ends of pipes, with those that it was given.
    pub(crate) fn pipes(&self) -> usize {
        let files = std::fs::read_dir(self.proc("fd")).expect("procfs");
        let names = files.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
        names.filter(|name| name.to_string_lossy().starts_with("pipe:")).count()
    }

    /// Threads but for those that tokio keeps for a while to look up names.
    pub(crate) fn threads(&self) -> u64 {
        self.status("Threads:")
    }

    /// Resident bytes.
    pub(crate) fn resident(&self) -> u64 {
        self.status("VmRSS:") * 1_024
    }

    /// The most bytes that were ever resident.
    pub(crate) fn peak(&self) -> u64 {
        self.status("VmHWM:") * 1_024
    }

    /// Time on a processor so far.
    pub(crate) fn worked(&self) -> Duration {
        let stat = std::fs::read_to_string(self.proc("stat")).expect("procfs");
        // utime and stime are the 14th and 15th field; the 2nd, in parentheses, may hold spaces (proc(5)).
        let fields = stat.rsplit_once(") ").expect("a name").1.split(' ').collect::<Vec<_>>();
        let ticks: u64 =
            fields[11..13].iter().map(|ticks| ticks.parse::<u64>().expect("ticks")).sum();
        Duration::from_millis(ticks * 10)
    }

    fn status(&self, key: &str) -> u64 {
        let status = std::fs::read_to_string(self.proc("status")).expect("procfs");
        let line = status.lines().find_map(|line| line.strip_prefix(key)).expect("it is there");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    fn proc(&self, file: &str) -> String {
        format!("/proc/{}/{file}", self.process.id())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// In the child: serves until its standard input ends. Otherwise nothing.
#[test]
fn serves_as_a_child() {
    #[expect(clippy::disallowed_methods, reason = "the only way to tell a test binary anything")]
    let Ok(plan) = std::env::var(PLAN) else { return };
    let running = plan_of(&plan);
    let subscription =
        running.subscribe(Wish { data: false, upstream: false, snap: 0, capacity: 1 << 16 });
    println!("\nstage-bound {}", running.bound()[0].address);
    std::thread::scope(|scope| {
        let (done, over) = std::sync::mpsc::channel::<()>();
        scope.spawn(move || {
            let mut events = Vec::new();
            while over.recv_timeout(Duration::from_millis(10))
                == Err(std::sync::mpsc::RecvTimeoutError::Timeout)
            {
                subscription.pull(&mut events);
                let is_shared = |event: &hobnob::event::Event| event.session == 0;
                for event in events.drain(..).filter(is_shared) {
                    println!("\nstage-event {} {:?}", event.at.as_millis(), event.fact);
                }
            }
        });
        for _ in std::io::stdin().lines().map_while(Result::ok) {
            let summary = running.summary();
            println!("\nstage-counts {} {} {}", running.open(), summary.sessions, summary.refused);
        }
        running.cut();
        running.wait();
        drop(done);
    });
}

fn plan_of(plan: &str) -> hobnob::engine::Running {
    let mut words = plan.split(' ');
    let mut next = || words.next().expect("service and endpoint");
    let (service, endpoint) = (next(), next());
    let mut server = Server::new(service).expect("a service of the table");
    super::at_first_door(&mut server, endpoint);
    for setting in words {
        let (key, value) = setting.split_once('=').expect("key=value");
        let number = || value.parse::<u64>().expect("a number");
        let time = || parse_duration(value).expect("a duration");
        match key {
            "nofile" => {
                setrlimit(Resource::RLIMIT_NOFILE, number(), number()).expect("it only gets lower");
            }
            "max-conns" => server.limits.max_conns = Some(value.parse().expect("a number")),
            "model" => {
                let named = Model::ALL.into_iter().find(|model| model.name() == value);
                server.model = named.expect("a model");
            }
            "allow" => server.limits.allow.push(Network::parse(value).expect("a network")),
            "stall" => server.limits.stall = time(),
            "peer-idle" => server.limits.peer_idle = time(),
            "framing" => server.cutting.rule = Rule::Lines,
            "memory" => server.limits.memory = number(),
            // Everything else is an option of the service.
            option => drop(server.set(option, Some(value)).expect("the service has it")),
        }
    }
    server.start().expect("it starts")
}
