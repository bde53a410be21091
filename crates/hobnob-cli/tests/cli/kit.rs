//! Runs the real binary, bounded in time, and reads what it says.

pub(crate) mod hardship;
pub(crate) mod namespace;
pub(crate) mod schema;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hobnob::engine::Running;

/// How long anything may take.
pub(crate) const BOUND: Duration = Duration::from_secs(20);

/// What a finished run left.
#[derive(Debug)]
pub(crate) struct Done {
    /// The exit code; a signal is 128 and its number.
    pub(crate) code: i32,
    /// Its stdout.
    pub(crate) out: String,
    /// Its stderr.
    pub(crate) err: String,
}

/// The binary with an environment of which nothing leaks in.
pub(crate) fn hobnob(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hobnob"));
    command.args(words).env_clear().env("PATH", "/usr/bin:/bin").env("TZ", "UTC");
    command
}

/// The program where /etc/hosts alone knows names, so that no question for one leaves this machine. None where a user may
/// not have such a place; the test is then left out.
pub(crate) fn without_name_servers(test: &str, words: &[&str]) -> Option<Command> {
    const SETUP: &str = "mount -t tmpfs none /mnt; echo 'hosts: files' > /mnt/nsswitch.conf; \
        mount --bind /mnt/nsswitch.conf /etc/nsswitch.conf; exec \"$@\"";
    let within = |program: Command| {
        let mut command = Command::new("unshare");
        if !is_root() {
            command.args(["--user", "--map-root-user"]);
        }
        command.args(["--mount", "--", "sh", "-ec", SETUP, "sh"]);
        command.arg(program.get_program()).args(program.get_args());
        command
            .env_clear()
            .envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command
    };
    let is_possible = within(Command::new("true")).env("PATH", "/usr/bin:/bin").output();
    if is_possible.is_ok_and(|done| done.status.success()) {
        return Some(within(hobnob(words)));
    }
    skip(test, "needs unshare, and a user who may have mounts of their own");
    None
}

/// Runs it to its end, with nothing on stdin.
pub(crate) fn run(words: &[&str]) -> Done {
    run_with(words, b"")
}

/// Runs it to its end with these bytes on stdin.
pub(crate) fn run_with(words: &[&str], stdin: &[u8]) -> Done {
    finish(hobnob(words), stdin)
}

/// Runs a command to its end.
pub(crate) fn finish(mut command: Command, stdin: &[u8]) -> Done {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary is there");
    let mut input = child.stdin.take().expect("it is piped");
    let stdin = stdin.to_vec();
    // It may end without reading everything.
    std::thread::spawn(move || input.write_all(&stdin));
    let out = collect(child.stdout.take().expect("it is piped"));
    let err = collect(child.stderr.take().expect("it is piped"));
    let status = Bounded::of(child).wait();
    let text = |from: Receiver<Vec<u8>>| {
        let bytes = from.recv_timeout(BOUND).expect("the stream ends with the program");
        String::from_utf8(bytes).expect("UTF-8")
    };
    Done { code: code(status), out: text(out), err: text(err) }
}

fn collect(mut from: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (to, collected) = channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = from.read_to_end(&mut bytes);
        to.send(bytes)
    });
    collected
}

/// The exit code as a shell says it.
pub(crate) fn code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt as _;
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

/// A child that is killed, by its own handle, when a test gives up on it.
pub(crate) struct Bounded(Option<Child>);

impl Bounded {
    /// Takes a child over.
    pub(crate) fn of(child: Child) -> Self {
        Bounded(Some(child))
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.0.as_ref().expect("it was not waited for").id()
    }

    /// Waits for its end, within bounds.
    pub(crate) fn wait(mut self) -> ExitStatus {
        let mut child = self.0.take().expect("it was not waited for");
        let (to, over) = channel();
        let id = child.id();
        let waiter = std::thread::spawn(move || {
            let status = child.wait();
            let _ = to.send(());
            status
        });
        if over.recv_timeout(BOUND) == Err(RecvTimeoutError::Timeout) {
            signal(id, "KILL");
            let _ = waiter.join();
            panic!("it did not end within {BOUND:?}");
        }
        waiter.join().expect("the waiter does not panic").expect("it is our child")
    }
}

impl Drop for Bounded {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The flags that a service cannot do without: where to, for one that dials. There an echo answers.
pub(crate) fn needs(service: &str) -> Vec<String> {
    static ECHO: OnceLock<Running> = OnceLock::new();
    let row = hobnob::engine::services().iter().find(|row| row.spec.name == service);
    let targets = row.expect("a service of the table").targets();
    targets
        .flat_map(|option| {
            let serve = || hobnob::serve("echo", "tcp://127.0.0.1:0").expect("a free port");
            let echo = &ECHO.get_or_init(serve).bound()[0].address;
            [format!("--{}", option.name), format!("tcp://{echo}")]
        })
        .collect()
}

/// This place for a service: one with several doors is asked at its first, by name.
pub(crate) fn at_first_door(service: &str, place: &str) -> String {
    let row = hobnob::engine::services().iter().find(|row| row.spec.name == service);
    let door = row.expect("a service of the table").doors[0].name;
    if door.is_empty() { place.to_owned() } else { format!("{door}={place}") }
}

/// Sends a signal to a process that a test started.
pub(crate) fn signal(id: u32, name: &str) {
    let done = Command::new("kill").arg(format!("-{name}")).arg(id.to_string()).status();
    assert!(done.expect("kill is there").success());
}

/// When a test gives up on something that takes several steps.
struct Deadline(Instant);

impl Deadline {
    #[allow(clippy::disallowed_methods, reason = "what a test waits for is another process")]
    fn start() -> Self {
        Deadline(Instant::now())
    }

    fn left(&self) -> Duration {
        BOUND.saturating_sub(self.0.elapsed())
    }
}

/// Lines of a stream as they come.
pub(crate) struct Lines(Receiver<String>);

impl Lines {
    /// Reads a stream to its end.
    pub(crate) fn of(from: impl Read + Send + 'static) -> Self {
        let (to, lines) = channel();
        std::thread::spawn(move || {
            let mut from = BufReader::new(from);
            let mut line = Vec::new();
            while from.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                if to.send(String::from_utf8_lossy(&line).trim_end().to_owned()).is_err() {
                    return;
                }
                line.clear();
            }
        });
        Lines(lines)
    }

    /// The next line.
    pub(crate) fn next(&self) -> String {
        self.0.recv_timeout(BOUND).expect("a line comes in time")
    }

    /// The next line that has this in it, within bounds however many others come.
    pub(crate) fn until(&self, part: &str) -> String {
        let (deadline, mut others) = (Deadline::start(), Vec::new());
        loop {
            match self.0.recv_timeout(deadline.left()) {
                Ok(line) if line.contains(part) => return line,
                Ok(line) => others.push(line),
                Err(why) => panic!("no line with {part} comes: {why}, after {others:#?}"),
            }
        }
    }

    /// All that still comes until the stream ends.
    pub(crate) fn rest(&self) -> Vec<String> {
        let (deadline, mut lines) = (Deadline::start(), Vec::new());
        loop {
            match self.0.recv_timeout(deadline.left()) {
                Ok(line) => lines.push(line),
                Err(RecvTimeoutError::Disconnected) => return lines,
                Err(RecvTimeoutError::Timeout) => panic!("the stream does not end: {lines:?}"),
            }
        }
    }
}

/// A server that runs, with what it says.
pub(crate) struct Served {
    /// The process.
    pub(crate) child: Bounded,
    /// Lines of its stderr.
    pub(crate) err: Lines,
    /// Lines of its stdout.
    pub(crate) out: Lines,
    /// The address that it said first: `127.0.0.1:41123`, a path.
    pub(crate) address: String,
    /// The line that said so.
    pub(crate) banner: String,
}

/// A program that runs, with the lines of its stdout and stderr.
pub(crate) struct Launched {
    /// The process.
    pub(crate) child: Bounded,
    /// Lines of its stderr.
    pub(crate) err: Lines,
    /// Lines of its stdout.
    pub(crate) out: Lines,
}

/// Starts a command, with nothing on its stdin.
pub(crate) fn launch(mut command: Command) -> Launched {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary is there");
    let err = Lines::of(child.stderr.take().expect("it is piped"));
    let out = Lines::of(child.stdout.take().expect("it is piped"));
    Launched { child: Bounded::of(child), err, out }
}

impl Launched {
    /// Asks it to stop, and waits: the exit code, and what stderr still said.
    pub(crate) fn stop(self, name: &str) -> (i32, Vec<String>) {
        signal(self.child.id(), name);
        let code = code(self.child.wait());
        (code, self.err.rest())
    }
}

/// Starts `hobnob serve WORDS` and waits until it listens. Its banner tells where.
pub(crate) fn serve(words: &[&str]) -> Served {
    let mut all = vec!["serve"];
    all.extend(words);
    serve_with(hobnob(&all))
}

/// Starts a command that serves, and waits until it listens.
pub(crate) fn serve_with(mut command: Command) -> Served {
    let is_json = command.get_args().any(|word| word == "--json");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary is there");
    let err = Lines::of(child.stderr.take().expect("it is piped"));
    let out = Lines::of(child.stdout.take().expect("it is piped"));
    let child = Bounded::of(child);
    let (address, banner) = if is_json {
        let banner = out.until("listening");
        let line: serde_json::Value = serde_json::from_str(&banner).expect("JSON");
        (line["addr"].as_str().expect("an address").to_owned(), banner)
    } else {
        err.until("is listening");
        let banner = err.next();
        (banner.split_whitespace().nth(1).expect("an address").to_owned(), banner)
    };
    Served { child, err, out, address, banner }
}

impl Served {
    /// The port of its first address.
    pub(crate) fn port(&self) -> u16 {
        let port = self.address.rsplit(':').next().expect("a port");
        port.parse().expect("a port")
    }

    /// Asks it to stop, and waits: the exit code, and what stderr still said.
    pub(crate) fn stop(self, name: &str) -> (i32, Vec<String>) {
        signal(self.child.id(), name);
        let code = code(self.child.wait());
        (code, self.err.rest())
    }
}

/// Replaces what differs from run to run: ports above 1023 that follow a colon, times, process ids.
pub(crate) fn steady(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let mut rest = line;
        while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
            let (before, tail) = rest.split_at(at);
            out.push_str(before);
            let end = tail.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(tail.len());
            let (number, after) = tail.split_at(end);
            let is_port = (before.ends_with(':') || before.ends_with("port "))
                && number.parse::<u32>().is_ok_and(|port| (10_000..=65_535).contains(&port));
            let is_short = after.starts_with(" us");
            let is_time = is_short || after.starts_with(" ms") || after.starts_with(" s");
            let is_pid = before.ends_with("pid ");
            out.push_str(match (is_port, is_time, is_pid) {
                (true, ..) => "PORT",
                (_, true, _) => "N",
                (_, _, true) => "PID",
                _ => number,
            });
            // A round trip on this machine is now this, now that side of a millisecond.
            if is_short {
                out.push_str(" ms");
            }
            rest = if is_short { &after[3..] } else { after };
        }
        out.push_str(rest);
        out.push('\n');
    }
    out
}

/// Says that a test was left out, and why, where the test run can count it.
pub(crate) fn skip(name: &str, reason: &str) {
    let line = format!("hobnob-skip: {name}: {reason}\n");
    eprint!("{line}");
    #[allow(clippy::disallowed_methods, reason = "the test run names the file")]
    let Some(path) = std::env::var_os("HOBNOB_SKIPS") else { return };
    let file = std::fs::OpenOptions::new().append(true).create(true).open(path);
    let _ = file.and_then(|mut file| file.write_all(line.as_bytes()));
}

pub(crate) fn is_root() -> bool {
    let whoami = Command::new("id").arg("-u").output();
    whoami.is_ok_and(|done| done.stdout == b"0\n")
}

/// Runs as somebody without rights, with this for its control sockets; none where we have no rights to give up.
pub(crate) fn as_nobody(words: &[&str], runtime: Option<&Path>) -> Option<Done> {
    if !is_root() {
        return None;
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"]);
    // The build folder may be closed to others.
    let folder = folder();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open).ok()?;
    command.arg(copy_into(folder.path())).args(words);
    if let Some(runtime) = runtime {
        command.env("XDG_RUNTIME_DIR", runtime);
    }
    Some(finish(command, b""))
}

/// A peer that plays with the one program that dials it.
pub(crate) struct OnePeer {
    /// For as long as somebody may dial it, or another peer would have the port.
    listener: Arc<TcpListener>,
    playing: JoinHandle<()>,
}

impl OnePeer {
    pub(crate) fn new(play: impl FnOnce(TcpStream) + Send + 'static) -> Self {
        let listener = Arc::new(TcpListener::bind("127.0.0.1:0").expect("a port"));
        let listens = listener.clone();
        let playing = std::thread::spawn(move || play(listens.accept().expect("it dials").0));
        OnePeer { listener, playing }
    }

    pub(crate) fn address(&self) -> String {
        self.listener.local_addr().expect("it is bound").to_string()
    }

    /// Waits for its end. A program that gave up before it dialled is dialled for.
    pub(crate) fn finish(self) {
        drop(TcpStream::connect(self.address()));
        self.playing.join().expect("it does not panic");
    }
}

/// The program once more, in this folder. Another process writes it: while this one had it open for writing, a child of
/// another test could inherit that, and nobody could start it meanwhile (execve(2) `ETXTBSY`).
pub(crate) fn copy_into(folder: &Path) -> PathBuf {
    let copy = folder.join("hobnob");
    let done = Command::new("cp").arg(env!("CARGO_BIN_EXE_hobnob")).arg(&copy).status();
    assert!(done.expect("cp is there").success());
    copy
}

/// A folder for one test.
pub(crate) fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}
