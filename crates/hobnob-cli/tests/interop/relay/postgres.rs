//! `PostgreSQL` and psql: a COPY of some mebibytes each way, and an error in the middle of a session.

use std::path::PathBuf;
use std::process::{Command, Output};

use tempfile::TempDir;

use super::{Server, bent, concluded, file, is_root, program, relay, succeeds_with, text};
use crate::peer::{Running, has};

/// Bytes of the table.
const MUCH: usize = 8 << 20;

/// The folder of its programs, which is on nobody's path.
fn programs() -> Option<PathBuf> {
    let beside = program("initdb").and_then(|file| file.parent().map(PathBuf::from));
    let mut kept: Vec<_> =
        std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().collect();
    kept.sort_by_key(std::fs::DirEntry::file_name);
    let kept = kept.into_iter().rev().map(|version| version.path().join("bin"));
    beside.into_iter().chain(kept).find(|folder| folder.join("postgres").is_file())
}

/// The same for a test, which is left out without them, and says so.
fn programs_for(test: &str) -> Option<PathBuf> {
    let programs = programs();
    let are_there = (programs.is_some() || has(test, "initdb")) && has(test, "psql");
    programs.filter(|_| are_there)
}

/// As somebody who is not root: it refuses to run as root.
fn as_nobody(program: PathBuf) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]).arg(program);
    command
}

struct Postgres {
    folder: TempDir,
    server: Server,
    relay: Option<Running>,
    port: String,
}

impl Postgres {
    fn start(programs: &std::path::Path) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        if is_root() {
            succeeds_with(Command::new("chown").arg("nobody").arg(folder.path()), None);
        }
        let data = folder.path().join("data");
        let mut command = as_nobody(programs.join("initdb"));
        command.arg("-D").arg(&data).args(["-A", "trust", "-U", "tester", "-E", "UTF8"]);
        succeeds_with(command.args(["--no-locale", "--no-sync"]), None);
        let mut command = as_nobody(programs.join("postgres"));
        command.arg("-D").arg(&data).args(["-c", "listen_addresses=", "-c", "fsync=off"]);
        command.arg("-c").arg(format!("unix_socket_directories={}", folder.path().display()));
        let server = Server::start(&mut command, &folder);
        let socket = folder.path().join(".s.PGSQL.5432");
        let (relay, port) = relay(&format!("unix:{}", socket.display()));
        Postgres { folder, server, relay: Some(relay), port }
    }

    fn client(&self) -> Command {
        Postgres::client_at(&self.port)
    }

    fn client_at(port: &str) -> Command {
        let mut command = Command::new("psql");
        command.args(["-h", "127.0.0.1", "-p", port, "-U", "tester", "-d", "postgres"]);
        command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]);
        command
    }
}

impl Postgres {
    fn run(&self, sql: &str) -> Vec<u8> {
        succeeds_with(self.client().args(["-c", sql]), None).stdout
    }
}

impl Drop for Postgres {
    /// The first of its processes ends the others when it is asked to.
    fn drop(&mut self) {
        let id = self.server.0.id().to_string();
        let _ = Command::new("kill").args(["-INT", &id]).status();
        let _ = self.server.0.wait();
    }
}

#[test]
fn psql_copies_a_table_in_and_out() {
    let Some(programs) = programs_for("relay::postgres::psql_copies_a_table_in_and_out") else {
        return;
    };
    let mut postgres = Postgres::start(&programs);
    ready(&postgres);
    postgres.run("CREATE TABLE lines (at bigserial, line text)");
    let table = text(MUCH);
    let path = file(&postgres.folder, "table", &table);
    let copy = "COPY lines (line) FROM STDIN";
    succeeds_with(postgres.client().args(["-c", copy]), Some(&path));
    assert_eq!(postgres.run("SELECT count(*) FROM lines"), format!("{}\n", MUCH / 16).as_bytes());
    let back = postgres.run("COPY (SELECT line FROM lines ORDER BY at) TO STDOUT");
    assert!(back == table, "{} bytes", back.len());
    // Many statements in one session, one of which fails without ending it.
    let script = "SELECT 1/0;\n".to_owned() + &"SELECT 7;\n".repeat(1_000);
    let path = file(&postgres.folder, "script", script.as_bytes());
    let mut command = postgres.client();
    let said = succeeds_with(command.args(["-v", "ON_ERROR_STOP=0"]), Some(&path));
    assert_eq!(said.stdout, b"7\n".repeat(1_000));
    assert!(String::from_utf8_lossy(&said.stderr).contains("division by zero"));
    let closed = concluded(postgres.relay.take().expect("it runs"));
    assert!(closed.iter().all(|close| close["reason"] == "eof"), "{closed:?}");
    assert!(closed.iter().any(|close| close["in"].as_u64() > Some(MUCH as u64)), "{closed:?}");
}

/// It says so, ends with the code that its manual has for a connection that went bad, and the server has done what came
/// through and nothing else.
#[test]
fn psql_under_a_reset_says_that_its_connection_is_lost() {
    let Some(programs) =
        programs_for("relay::postgres::psql_under_a_reset_says_that_its_connection_is_lost")
    else {
        return;
    };
    let postgres = Postgres::start(&programs);
    ready(&postgres);
    postgres.run("CREATE TABLE notes (note text)");
    let socket = postgres.folder.path().join(".s.PGSQL.5432");
    let (relay, port) = bent(&format!("unix:{}", socket.display()), "up:reset,on=/second/");
    let script = b"INSERT INTO notes VALUES ('first') RETURNING note;\n\
        INSERT INTO notes VALUES ('second') RETURNING note;\n\
        INSERT INTO notes VALUES ('third') RETURNING note;\n";
    let path = file(&postgres.folder, "script", script);
    let input = std::fs::File::open(path).expect("it is there");
    let done = Postgres::client_at(&port).stdin(input).output().expect("psql is there");
    let Output { status, stdout, stderr } = done;
    let said = String::from_utf8_lossy(&stderr);
    assert_eq!((status.code(), stdout.as_slice()), (Some(2), &b"first\n"[..]), "{said}");
    assert!(said.contains("connection to server was lost"), "{said}");
    let closed = concluded(relay);
    assert_eq!((closed.len(), &closed[0]["reason"]), (1, &"fault".into()), "{closed:?}");
    assert_eq!(postgres.run("SELECT note FROM notes"), b"first\n");
}

/// A server that starts lets people in a little after it listens.
fn ready(postgres: &Postgres) {
    let mut left = 100;
    loop {
        let asked = postgres.client().args(["-c", "SELECT 1"]).output().expect("psql is there");
        if asked.status.success() {
            return;
        }
        left -= 1;
        assert!(left > 0, "{}", String::from_utf8_lossy(&asked.stderr));
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}
