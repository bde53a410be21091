//! A network of a test's own: interfaces that this machine need not have, and traffic that is nobody else's.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};

/// A network namespace, for as long as this lives.
pub(crate) struct Namespace(Child);

impl Namespace {
    /// A new one, set up by these commands of a shell. The error says why there is none: it needs root and the kernel's part
    /// in it.
    pub(crate) fn with(setup: &str) -> Result<Self, String> {
        let is_root = Command::new("id").arg("-u").output().is_ok_and(|said| said.stdout == b"0\n");
        if !is_root {
            return Err("needs root".to_owned());
        }
        let script = format!("({setup}) >&2; echo ready; exec cat");
        let mut command = Command::new("unshare");
        command.args(["--net", "--", "sh", "-ec", &script]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut holder = command.spawn().map_err(|error| format!("unshare: {error}"))?;
        let mut line = String::new();
        let mut out = BufReader::new(holder.stdout.take().expect("it is piped"));
        let _ = out.read_line(&mut line);
        if line == "ready\n" {
            return Ok(Namespace(holder));
        }
        let mut why = String::new();
        let _ = holder.stderr.take().expect("it is piped").read_to_string(&mut why);
        let _ = holder.wait();
        Err(format!("no network of its own: {}", why.trim()))
    }

    /// A program that is to run in it.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/proc/{}/ns/net", self.0.id())).arg(program);
        command
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
