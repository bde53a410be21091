//! What others have on both sides of a relay: databases, web servers, secure shells, as they are. Each server is the
//! test's own: on a place of its own, with its files in a folder of its own, ended by its handle.

mod lossy;
mod nginx;
mod postgres;
mod redis;
mod ssh;

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use tempfile::TempDir;

use crate::peer::{Running, hobnob};

/// How long a transfer may take before the test says that it hangs.
const LONG_PATIENCE: Duration = Duration::from_mins(2);

/// A relay to a target that may come later, and the port where it listens. It tells who comes and goes and shows no
/// bytes, so that it passes on as it does when nobody looks.
fn relay(target: &str) -> (Running, String) {
    started(&["relay", "127.0.0.1:0", target, "--retry"])
}

/// The same under this fault.
fn bent(target: &str, fault: &str) -> (Running, String) {
    started(&["relay", "127.0.0.1:0", target, "--retry", "--fault", fault])
}

fn started(words: &[&str]) -> (Running, String) {
    let mut running = Running::start(hobnob().args(words).args(["--json", "-q"]));
    let line = running.line();
    let port = line.split_once("\"addr\":\"127.0.0.1:").and_then(|(_, rest)| rest.split_once('"'));
    let port = port.unwrap_or_else(|| panic!("no address in {line:?}")).0.to_owned();
    (running, port)
}

/// Asks a relay to end, with all that it has: what its sessions came to.
fn concluded(relay: Running) -> Vec<serde_json::Value> {
    let events = told(relay).into_iter();
    events.filter(|event: &serde_json::Value| event["type"] == "close").collect()
}

/// The same: all that it still told.
fn told(relay: Running) -> Vec<serde_json::Value> {
    let output = relay.ask_to_end();
    assert!(output.status.success(), "it ended with {}", output.status);
    let lines = String::from_utf8(output.stdout).expect("UTF-8");
    lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// A server of somebody else's, ended by its own handle.
struct Server(Child);

impl Server {
    fn start(command: &mut Command, folder: &TempDir) -> Self {
        let log = File::create(folder.path().join("server.log")).expect("there is room");
        let errors = log.try_clone().expect("a descriptor");
        let quiet = command.stdin(Stdio::null()).stdout(log).stderr(errors);
        Server(quiet.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether we may do what only root may.
fn is_root() -> bool {
    // It belongs to the effective user.
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// A program of somebody else's, in one of the folders where systems keep them.
fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<_> = std::env::split_paths(&path).collect();
    folders.push("/usr/sbin".into());
    let found = folders.into_iter().map(|folder| folder.join(name)).find(|file| file.is_file());
    found.and_then(|file| file.canonicalize().ok())
}

/// Runs a command to its end with a file as its input; it must do well.
fn succeeds_with(command: &mut Command, input: Option<&Path>) -> Output {
    let input =
        input.map_or_else(Stdio::null, |path| File::open(path).expect("it is there").into());
    let piped = command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (mut out, mut err) =
        (child.stdout.take().expect("it is piped"), child.stderr.take().expect("it is piped"));
    let (done, read) = mpsc::channel();
    let errors = std::thread::spawn(move || {
        let mut all = Vec::new();
        err.read_to_end(&mut all).map(|_| all)
    });
    std::thread::spawn(move || {
        let mut all = Vec::new();
        let read = out.read_to_end(&mut all).map(|_| all);
        // An error means that the test has given up.
        let _ = done.send(read);
    });
    let Ok(stdout) = read.recv_timeout(LONG_PATIENCE) else {
        let _ = child.kill();
        let _ = child.wait();
        panic!("{command:?} comes to no end");
    };
    let status = child.wait().expect("it is ours");
    let stderr = errors.join().expect("no panic").expect("readable");
    let said = String::from_utf8_lossy(&stderr);
    assert!(status.success(), "{command:?} ended with {status}: {said}");
    Output { status, stdout: stdout.expect("readable"), stderr }
}

/// Bytes that repeat nowhere, as lines of text.
fn text(length: usize) -> Vec<u8> {
    let word = |at: u64| format!("{:015x}\n", at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 4);
    (0..length as u64 / 16).flat_map(|at| word(at).into_bytes()).collect()
}

/// A file of so many bytes.
fn file(folder: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).expect("there is room");
    path
}
