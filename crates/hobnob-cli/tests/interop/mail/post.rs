//! A server of mail that other programs send to and fetch from, and those programs, each with a home of its own.

use std::ffi::OsStr;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::peer::{PATIENCE, Running, has, hobnob, skip};

/// Seconds that a program of others gets at most.
const AT_MOST: &str = "25";

/// The server, with two doors of each kind: in the clear, where TLS can begin, and behind TLS.
pub(super) struct Post {
    pub(super) server: Running,
    pub(super) smtp: String,
    pub(super) smtps: String,
    pub(super) pop3: String,
    pub(super) pop3s: String,
    pub(super) imap: String,
    pub(super) imaps: String,
    /// What the programs call home.
    pub(super) home: TempDir,
}

impl Post {
    pub(super) fn open(flags: &[&str]) -> Self {
        let doors = ["smtp", "smtp=tls", "pop3", "pop3=tls", "imap", "imap=tls"].map(|door| {
            match door.split_once('=') {
                Some((door, tls)) => format!("{door}={tls}://127.0.0.1:0"),
                None => format!("{door}=127.0.0.1:0"),
            }
        });
        let home = tempfile::tempdir().expect("a folder");
        let mut command = hobnob();
        command.args(["serve", "mail", "--json"]).args(&doors).args(flags);
        let mut server = Running::start(command.current_dir(home.path()));
        let [smtp, smtps, pop3, pop3s, imap, imaps] = doors.map(|door| {
            let line = server.line();
            let (_, rest) = line.split_once("\"addr\":\"127.0.0.1:").expect("where it listens");
            let (name, _) = door.split_once('=').expect("a door");
            assert!(line.contains(&format!("\"door\":\"{name}\"")), "{line}");
            rest.split('"').next().expect("a port").to_owned()
        });
        Post { server, smtp, smtps, pop3, pop3s, imap, imaps, home }
    }

    /// A program of others that ends by itself, at home here, for as long as it may take.
    pub(super) fn run(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = self.keep_running("timeout");
        command.args(["--kill-after=1", AT_MOST]).arg(program);
        command
    }

    /// A program of others that its handle ends, at home here.
    pub(super) fn keep_running(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.home.path()).env("HOME", self.home.path());
        command.env("LC_ALL", "C.UTF-8").env_remove("XDG_CONFIG_HOME").env_remove("MAIL");
        command
    }

    /// Writes a file that only its owner reads, as programs want it where a password stands in it.
    pub(super) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.home.path().join(name);
        fs::write(&path, text).expect("a file");
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(&path, private).expect("it is ours");
        path
    }

    /// Says these commands of IMAP, which need no literals, and all that is answered.
    pub(super) fn ask(&self, commands: &[&str]) -> String {
        let mut stream = TcpStream::connect(format!("127.0.0.1:{}", self.imap)).expect("a door");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        let commands = [&["LOGIN li x"][..], commands, &["LOGOUT"]].concat().join("\r\nt ");
        stream.write_all(format!("t {commands}\r\n").as_bytes()).expect("it is open");
        let mut said = String::new();
        stream.read_to_string(&mut said).expect("an answer");
        assert!(!said.contains("\nt BAD") && !said.contains("\nt NO"), "{commands}: {said}");
        said
    }

    /// How many letters lie in INBOX.
    pub(super) fn letters(&self) -> usize {
        let said = self.ask(&["STATUS INBOX (MESSAGES)"]);
        let (_, rest) = said.split_once("(MESSAGES ").expect("a count");
        rest.split(')').next().and_then(|count| count.parse().ok()).expect("a count")
    }

    /// Keeps letters of these subjects, with a body that is hard on clients.
    pub(super) fn fill(&self, subjects: &[&str]) {
        for subject in subjects {
            let letter = letter(subject);
            let text = format!("APPEND INBOX {{{}+}}\r\n{letter}", letter.len());
            assert!(self.ask(&[&text]).contains("[APPENDUID "));
        }
    }
}

/// A letter with dots at the beginnings of lines, a long line and more than ASCII.
pub(super) fn letter(subject: &str) -> String {
    format!(
        "From: app@test\r\nTo: li@test\r\nDate: Thu, 26 Nov 2026 10:00:00 +0000\r\nMessage-ID: <{subject}@test>\r\n\
         Subject: {subject}\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Transfer-Encoding: 8bit\r\n\r\n.\r\n..a\r\n你好\r\n{}\r\n",
        "x".repeat(900)
    )
}

/// Whether a text has the letter of this subject in it, beside fields that a program puts into its head.
pub(super) fn has_letter(text: &[u8], subject: &str) -> bool {
    let text = String::from_utf8_lossy(text).replace("\r\n", "\n");
    let wanted = letter(subject).replace("\r\n", "\n");
    let (head, body) = wanted.split_once("\n\n").expect("a letter");
    head.lines().all(|line| text.contains(line)) && text.contains(&format!("\n\n{body}"))
}

/// Whether all of these programs are there.
pub(super) fn have(test: &str, programs: &[&str]) -> bool {
    programs.iter().all(|program| has(test, program))
}

/// The folder of what `cargo xtask test` fetched under this name; where it is missing, `program` is what misses.
pub(super) fn fetched(test: &str, folder: &str, program: &str) -> Option<PathBuf> {
    let built = Path::new(env!("CARGO_BIN_EXE_hobnob"));
    let found = built.ancestors().map(|place| place.join("peers").join(folder));
    let found = found.into_iter().find(|place| place.is_dir());
    if found.is_none() {
        skip(test, &format!("missing {program}"));
    }
    found
}

/// Files in these folders of a Maildir, by what they hold.
pub(super) fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for part in ["new", "cur"] {
        for file in fs::read_dir(folder.join(part)).into_iter().flatten().flatten() {
            let name = format!("{part}/{}", file.file_name().display());
            all.push((name, fs::read(file.path()).expect("a letter")));
        }
    }
    all.sort();
    all
}
