//! Programs that are started, spoken to and ended by their own handle.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// How long any one thing may take before the test says that it hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A running program. Dropping it ends it.
pub(crate) struct Running {
    child: Child,
    stdout: Option<BufReader<ChildStdout>>,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let named = format!("{command:?}");
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().unwrap_or_else(|error| panic!("{named}: {error}"));
        let stdout = child.stdout.take().map(BufReader::new);
        Running { child, stdout }
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next line of its output, without the newline.
    pub(crate) fn line(&mut self) -> String {
        let mut stdout = self.stdout.take().expect("nobody else reads it");
        let (done, line) = mpsc::channel();
        std::thread::spawn(move || {
            let mut text = String::new();
            let read = stdout.read_line(&mut text);
            // An error means that the test has given up.
            let _ = done.send((stdout, read.map(|_| text)));
        });
        let (stdout, text) = line.recv_timeout(PATIENCE).expect("a line within the patience");
        self.stdout = Some(stdout);
        text.expect("readable output").trim_end().to_owned()
    }

    /// Reads its output until this has come; all of what came, also where it ended before.
    pub(crate) fn hears(&mut self, wanted: &str) -> String {
        let mut stdout = self.stdout.take().expect("nobody else reads it");
        let (done, heard) = mpsc::channel();
        let awaited = wanted.to_owned();
        std::thread::spawn(move || {
            let mut all = Vec::new();
            while !String::from_utf8_lossy(&all).contains(&awaited) {
                let came = match stdout.fill_buf() {
                    Ok(came) if !came.is_empty() => came.len(),
                    _ => break,
                };
                all.extend_from_slice(&stdout.buffer()[..came]);
                stdout.consume(came);
            }
            // An error means that the test has given up.
            let _ = done.send((stdout, all));
        });
        let heard = heard.recv_timeout(PATIENCE);
        let (stdout, all) = heard.unwrap_or_else(|_| panic!("{wanted:?} within the patience"));
        self.stdout = Some(stdout);
        String::from_utf8_lossy(&all).into_owned()
    }

    pub(crate) fn type_in(&mut self, text: &str) {
        let stdin = self.child.stdin.as_mut().expect("its input is open");
        stdin.write_all(text.as_bytes()).and_then(|()| stdin.flush()).expect("it reads");
    }

    pub(crate) fn end_input(&mut self) {
        self.child.stdin = None;
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn ask_to_end(self) -> Output {
        self.ask();
        self.finish()
    }

    /// Asks it to end, and does not wait.
    pub(crate) fn ask(&self) {
        let asked = Command::new("kill").arg(self.child.id().to_string()).status();
        assert!(asked.expect("kill is there").success(), "it is gone");
    }

    /// Waits for its end, and what it printed since the last line that was read.
    pub(crate) fn finish(mut self) -> Output {
        self.end_input();
        let mut child =
            std::mem::replace(&mut self.child, Command::new("true").spawn().expect("true"));
        let mut stdout = self.stdout.take().expect("nobody else reads it");
        let mut stderr = child.stderr.take().expect("it was piped");
        let (done, output) = mpsc::channel();
        let id = child.id();
        std::thread::spawn(move || {
            let (mut out, mut err) = (Vec::new(), Vec::new());
            let _ = stdout.read_to_end(&mut out);
            let _ = stderr.read_to_end(&mut err);
            let _ =
                done.send(child.wait().map(|status| Output { status, stdout: out, stderr: err }));
        });
        match output.recv_timeout(PATIENCE) {
            Ok(output) => output.expect("it can be waited for"),
            Err(late) => panic!("process {id} did not end: {late}"),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program under test.
pub(crate) fn hobnob() -> Command {
    Command::new(env!("CARGO_BIN_EXE_hobnob"))
}

/// A server of ours on an endpoint, and the HOST and PORT (or path) that it says.
pub(crate) fn serve(service: &str, endpoint: &str, flags: &[&str]) -> (Running, Vec<String>) {
    let mut running =
        Running::start(hobnob().args(["serve", service, endpoint, "--json"]).args(flags));
    let line = running.line();
    let address = line
        .split_once("\"addr\":\"")
        .and_then(|(_, rest)| rest.split_once('"'))
        .unwrap_or_else(|| panic!("no address in {line:?}"));
    let words = match address.0.rsplit_once(':') {
        Some((host, port)) => vec![host.trim_matches(['[', ']']).to_owned(), port.to_owned()],
        None => vec![address.0.to_owned()],
    };
    (running, words)
}

/// One of our scripts.
pub(crate) fn python(script: &str) -> Command {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../interop/python");
    let mut command = Command::new("python3");
    command.arg(folder.join(script));
    command
}

/// A script that serves on a free port of this machine, and where.
pub(crate) fn python_server(script: &str, flags: &[&str]) -> (Running, String, String) {
    let mut running = Running::start(python(script).args(["127.0.0.1", "0"]).args(flags));
    let line = running.line();
    let words: Vec<_> = line.split(' ').collect();
    let ["listening", host, port] = words[..] else { panic!("{script} said {line:?}") };
    let (host, port) = (host.to_owned(), port.to_owned());
    (running, host, port)
}

/// Runs a command to its end; it must do well.
pub(crate) fn succeeds(command: &mut Command) -> String {
    let named = format!("{command:?}");
    let output = Running::start(command).finish();
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(
        output.status.success(),
        "{named} ended with {}\nstdout: {out}\nstderr: {err}",
        output.status
    );
    out.into_owned()
}

/// Whether a peer is installed. Where it is not, says so where the test run collects it.
pub(crate) fn has(test: &str, program: &str) -> bool {
    let found = std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
    });
    if !found {
        skip(test, &format!("missing {program}"));
    }
    found
}

/// Says that a test is left out, and why, where the test run collects it.
pub(crate) fn skip(test: &str, reason: &str) {
    let line = format!("hobnob-skip: {test}: {reason}\n");
    eprint!("{line}");
    if let Some(file) = std::env::var_os("HOBNOB_SKIPS") {
        let file = std::fs::OpenOptions::new().append(true).create(true).open(file);
        file.and_then(|mut file| file.write_all(line.as_bytes()))
            .expect("the list of skips can be written");
    }
}
