//! A thread that cannot be had is an error, and never the end of what it was to do.

use std::fs::Permissions;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::kit::{self, Bounded, Done, code, copy_into, finish, folder, skip};
use crate::pty::Pty;

/// The most threads that any of the runs below needs, and some more.
const ENOUGH: u32 = 12;

/// A command whose user may have so many threads and no more. Root may have any number, so each gets a user of its own:
/// none other counts against the limit then.
fn with_threads(most: u32, folder: &Path, words: &[&str]) -> Command {
    static USERS: AtomicU32 = AtomicU32::new(0);
    let user = 1_000_000 + (std::process::id() % 10_000) * 1_000 + USERS.fetch_add(1, Relaxed);
    let mut command = Command::new("prlimit");
    command.arg(format!("--nproc={most}:{most}")).arg("setpriv");
    command.args([&format!("--reuid={user}"), &format!("--regid={user}")]);
    command.args(["--clear-groups", "--inh-caps=-all"]).arg(folder.join("hobnob")).args(words);
    command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", folder).current_dir(folder);
    command
}

/// The program, where any user may run it and write beside it; none where we cannot become other users.
fn open_folder(test: &str) -> Option<tempfile::TempDir> {
    let whoami = Command::new("id").arg("-u").output().ok()?;
    if whoami.stdout != b"0\n" {
        skip(test, "only root can become other users, and only others have a limit");
        return None;
    }
    let folder = folder();
    copy_into(folder.path());
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).expect("ours");
    Some(folder)
}

/// What is run, what it is told, and what it says on stdout where it has the threads that it needs.
const RUNS: &[(&[&str], &str, &str)] = &[
    (&["talk", "ECHO", "hi"], "", "hi\n"),
    (&["talk", "ECHO"], "piped\n", "piped\n"),
    (&["talk", "localhost:PORT", "by name"], "", "by name\n"),
    (&["get", "http://PAGE/"], "", "page"),
    (&["get", "http://PAGE/", "--json"], "", ""),
    (&["get", "http://PAGE/", "-o", "NAME"], "", ""),
    (&["relay", "-", "tcp://ECHO", "-q"], "through\n", "through\n"),
    (&["serve", "echo", "-", "-q"], "back\n", "back\n"),
    (&["serve", "echo", "127.0.0.1:0", "--for", "1ms"], "", ""),
    (&["serve", "echo", "127.0.0.1:0", "--for", "1ms", "--json"], "", ""),
    (&["serve", "http", "127.0.0.1:0", "--for", "1ms", "--body", "-"], "page", ""),
    (&["relay", "127.0.0.1:0", "tcp://ECHO", "--for", "1ms"], "", ""),
];

#[cfg(feature = "http")]
#[test]
fn a_thread_that_cannot_be_had_is_told() {
    let Some(folder) = open_folder("a_thread_that_cannot_be_had_is_told") else { return };
    let echo = hobnob::serve("echo", "127.0.0.1:0").expect("a free port");
    let page = kit::serve(&["http", "127.0.0.1:0", "--body", "page"]);
    let echo_at = echo.bound()[0].address.to_string();
    let port = echo.port().expect("it has one").to_string();
    std::thread::scope(|scope| {
        for half in 0..2 {
            let (folder, echo_at, port, page_at) = (folder.path(), &echo_at, &port, &page.address);
            scope.spawn(move || {
                for (at, (words, told, said)) in RUNS.iter().enumerate().skip(half).step_by(2) {
                    let codes: Vec<i32> = (1..=ENOUGH)
                        .map(|most| {
                            let name = format!("page-{at}-{most}");
                            let words: Vec<_> = words
                                .iter()
                                .map(|word| word.replace("ECHO", echo_at).replace("PORT", port))
                                .map(|word| word.replace("PAGE", page_at).replace("NAME", &name))
                                .collect();
                            let words: Vec<_> = words.iter().map(String::as_str).collect();
                            let done = finish(with_threads(most, folder, &words), told.as_bytes());
                            check(&format!("{most} threads: {words:?}"), &done, said);
                            let saved = std::fs::read(folder.join(name)).ok();
                            assert!(saved.is_none_or(|saved| saved == b"page"), "{words:?}");
                            done.code
                        })
                        .collect();
                    let [first, .., last] = codes[..] else { panic!("several were tried") };
                    assert!(first == 5 && last != 5, "{words:?}: {codes:?}");
                }
            });
        }
    });
}

/// With a thread for each connection, whoever comes when none is to be had is turned away and told; the others go on, and
/// once one has left there is a thread again.
#[test]
fn a_server_of_threads_turns_away_whom_it_gets_no_thread_for() {
    const NAME: &str = "a_server_of_threads_turns_away_whom_it_gets_no_thread_for";
    let Some(folder) = open_folder(NAME) else { return };
    let words = ["serve", "echo", "127.0.0.1:0", "--model", "threads", "-v"];
    let served = kit::serve_with(with_threads(ENOUGH + 4, folder.path(), &words));
    let comes = || {
        let mut client = TcpStream::connect(&served.address).expect("it listens");
        let is_served = client.write_all(b"x").and_then(|()| client.read_exact(&mut [0])).is_ok();
        is_served.then_some(client)
    };
    let mut clients: Vec<_> = std::iter::from_fn(comes).take(100).collect();
    assert!((2..100).contains(&clients.len()), "{} are served", clients.len());
    served.err.until("error[system]: cannot start a thread (hobnob-session)");
    served.err.until("refused by threads");
    for client in &mut clients {
        client.write_all(b"y").and_then(|()| client.read_exact(&mut [0])).expect("it goes on");
    }
    drop(clients.pop());
    served.err.until("  out");
    // The thread ends a little after its session.
    while comes().is_none() {}
    drop(clients);
    let (code, rest) = served.stop("TERM");
    let last = rest.last().expect("a summary");
    assert!(code == 0 && last.ends_with(" refused"), "{code}: {last}");
}

/// The line editor has a thread, and so have the lines that come above it: the terminal is given back without them, too.
#[test]
fn a_terminal_is_given_back_where_there_are_too_few_threads() {
    const NAME: &str = "a_terminal_is_given_back_where_there_are_too_few_threads";
    let Some(folder) = open_folder(NAME) else { return };
    let brief = hobnob::serve("time", "127.0.0.1:0").expect("a free port");
    let to = brief.bound()[0].address.to_string();
    let codes: Vec<i32> = (1..=6)
        .map(|most| {
            let pty = Pty::open();
            let before = pty.mode().local_flags;
            let mut command = with_threads(most, folder.path(), &["talk", &to]);
            command.env("TERM", "xterm").stdin(pty.lend()).stdout(pty.lend()).stderr(Stdio::null());
            let child = Bounded::of(command.spawn().expect("prlimit is there"));
            drop(command);
            let code = code(child.wait());
            assert_eq!(pty.mode().local_flags, before, "{most} threads: {code}");
            code
        })
        .collect();
    assert_eq!((codes[0], codes[2], codes[5]), (5, 5, 0), "{codes:?}");
}

/// All of it, or an error that says why; never less without a word.
fn check(case: &str, done: &Done, said: &str) {
    if done.code == 0 {
        assert!(done.out.starts_with(said), "{case}: {done:?}");
    } else {
        let is_told = done.err.contains("error[system]: cannot start a thread");
        assert!(done.code == 5 && is_told, "{case}: {done:?}");
    }
}
