//! TLS as a person meets it: what is suggested works, what goes wrong is told, and what is not checked is loud.

mod cert;
mod errors;
mod hardship;
mod homeless;
mod last_words;

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use tempfile::TempDir;

use crate::kit::schema::valid;
use crate::kit::{Done, Served, finish, folder, hobnob, run, serve, serve_with};
use crate::papers::Papers;

/// The program with a state folder of its own.
fn with_state(words: &[&str], state: &TempDir) -> Command {
    let mut command = hobnob(words);
    command.env("XDG_STATE_HOME", state.path());
    command
}

/// A command as it was suggested, as a shell runs it, with one more word.
fn pasted(suggested: &str, word: &str, state: &TempDir) -> Done {
    let binary = env!("CARGO_BIN_EXE_hobnob");
    let mut command = Command::new("sh");
    command.env_clear().env("PATH", "/usr/bin:/bin").env("XDG_STATE_HOME", state.path());
    let line = suggested.replacen("hobnob", &format!("'{binary}'"), 1);
    finish_shell(command, &format!("{line} {word}"))
}

fn finish_shell(mut command: Command, line: &str) -> Done {
    command.args(["-c", line]);
    finish(command, b"")
}

#[test]
fn what_the_banner_suggests_works_as_pasted() {
    let (state, papers) = (folder(), Papers::new());
    let known = papers.authority("known");
    let by_hand = papers.certificate("own", &["elsewhere.test"], 2099, None);
    let signed = papers.certificate("signed", &["localhost", "127.0.0.1"], 2099, Some(&known));
    let nameless = papers.nameless("nameless");
    let path = state.path().join("x.sock");
    for endpoint in [
        "tls://127.0.0.1:0".to_owned(),
        "tls://:0".to_owned(),
        "tls://0.0.0.0:0,min=1.3,alpn=one:two".to_owned(),
        "lines+tls://:0,max=9,nodelay,allow=0.0.0.0/0,allow=::/0".to_owned(),
        format!("tls+unix:{}", path.display()),
        format!("tls://127.0.0.1:0,{by_hand}"),
        format!("tls://:0,{signed}"),
        format!("tls://127.0.0.1:0,{nameless}"),
        "tcp://127.0.0.1:0,backlog=7".to_owned(),
    ] {
        let served = serve_with(with_state(&["serve", "echo", &endpoint], &state));
        // A long hint has a line of its own.
        let has_hint = served.banner.contains("hobnob talk");
        let line = if has_hint { served.banner.clone() } else { served.err.next() };
        let at = line.find("hobnob talk").unwrap_or_else(|| panic!("{endpoint}: {line}"));
        let suggested = line[at..].split("   or   ").next().expect("a command").trim_end();
        let done = pasted(suggested, "hello", &state);
        assert_eq!((done.code, done.out.trim_end()), (0, "hello"), "{suggested}: {}", done.err);
        assert_eq!(served.stop("TERM").0, 0);
    }
}

#[test]
fn what_was_made_on_the_spot_is_said_within_the_page() {
    let state = folder();
    let served = serve_with(with_state(&["serve", "echo", "tls://127.0.0.1:0"], &state));
    let (_, said) = served.stop("TERM");
    let said: Vec<_> = said.iter().skip_while(|line| !line.contains("no cert=")).collect();
    assert!(said.len() > 1, "{said:?}");
    let is_ours = |line: &&&String| !line.contains(&*state.path().to_string_lossy());
    for line in said.iter().filter(is_ours) {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

/// A server with a certificate for `names`, and what a dialler says to trust it.
fn served(papers: &Papers, state: &TempDir, names: &[&str], until: i32) -> Served {
    let own = papers.certificate("own", names, until, None);
    serve_with(with_state(&["serve", "echo", &format!("tls://127.0.0.1:0,{own}")], state))
}

#[test]
fn what_is_not_checked_is_loud() {
    let (state, papers) = (folder(), Papers::new());
    let served = served(&papers, &state, &["elsewhere.test"], 2021);
    let to = format!("tls://{}", served.address);
    let red = |text: &str| format!("\x1b[1;31m{text}\x1b[0m\n");
    let warning = "NOT CHECKING who 127.0.0.1 is: anybody may be between (insecure)";
    for flags in [&["-k"][..], &["--insecure"], &["-O", "insecure"]] {
        let done = run(&[&["talk", &to, "hello"], flags].concat());
        assert_eq!((done.code, &*done.out), (0, "hello\n"), "{}", done.err);
        assert_eq!(done.err, format!("{warning}\n"), "{flags:?}");
    }
    let done = run(&["talk", "-k", &to, "hello", "--color", "always"]);
    assert!(done.err.contains(&red(warning)), "{:?}", done.err);
    let done = run(&["talk", "-k", &to, "hello", "--json"]);
    let dressed = done.out.lines().find(|line| line.contains("dressed")).expect("layers are on");
    assert!(dressed.contains("\"tls.checked\":\"no: insecure\""), "{dressed}");
    // Without the flag nothing is let through.
    assert_eq!(run(&["talk", &to, "hello"]).code, 7);
}

/// A relay has two sides, and each may have shown a certificate.
#[test]
fn a_relay_tells_with_which_side_it_has_agreed() {
    let (state, papers) = (folder(), Papers::new());
    let target = served(&papers, &state, &["127.0.0.1"], 2099);
    let to = format!("tls://{},{}", target.address, papers.ca("own"));
    let front = papers.certificate("front", &["127.0.0.1"], 2099, None);
    let at = format!("tls://127.0.0.1:0,{front}");
    let relay = serve_with(with_state(&["relay", &at, &to, "--json"], &state));
    let done = run(&["talk", "-k", &format!("tls://{}", relay.address), "hello"]);
    assert_eq!((done.code, &*done.out), (0, "hello\n"), "{}", done.err);
    for side in ["peer", "upstream"] {
        let dressed = valid(&relay.out.until(r#""type":"dressed""#));
        assert_eq!(dressed["with"], side);
        assert_eq!(dressed["tls.version"], "1.3");
    }
}

#[test]
fn what_has_no_tls_is_dialled_as_ever() {
    let served = serve(&["echo", "127.0.0.1:0"]);
    let done = run(&["talk", "-k", &served.address, "hello"]);
    assert_eq!((done.code, &*done.out, &*done.err), (0, "hello\n", ""));
}

/// Lines as Wireshark takes them: LABEL CLIENT-RANDOM SECRET, both in hex.
#[test]
fn secrets_are_logged_for_their_owner_alone() {
    let (state, papers) = (folder(), Papers::new());
    let served = served(&papers, &state, &["127.0.0.1"], 2099);
    let (to, path) =
        (format!("tls://{},{}", served.address, papers.ca("own")), state.path().join("log"));
    let mut command = with_state(&["talk", &to, "hello"], &state);
    command.env("SSLKEYLOGFILE", &path);
    let done = finish(command, b"");
    assert_eq!((done.code, &*done.err), (0, ""));
    let mode = std::fs::metadata(&path).expect("it is written").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let log = std::fs::read_to_string(&path).expect("text");
    for label in ["CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0"] {
        assert!(log.lines().any(|line| line.split(' ').next() == Some(label)), "{log}");
    }
    for line in log.lines() {
        let words: Vec<_> = line.split(' ').collect();
        let [_, random, secret] = words[..] else { panic!("{line}") };
        assert!(random.len() == 64 && secret.len() >= 64, "{line}");
        assert!([random, secret].concat().bytes().all(|byte| byte.is_ascii_hexdigit()), "{line}");
    }
}

#[test]
fn a_log_of_secrets_that_cannot_be_written_is_said() {
    let (state, papers) = (folder(), Papers::new());
    let served = served(&papers, &state, &["127.0.0.1"], 2099);
    let to = format!("tls://{},{}", served.address, papers.ca("own"));
    let mut command = with_state(&["talk", &to, "hello"], &state);
    command.env("SSLKEYLOGFILE", "/nowhere/secrets");
    let done = finish(command, b"");
    assert_eq!((done.code, &*done.out), (0, "hello\n"));
    assert!(
        done.err.starts_with("SSLKEYLOGFILE is not written: /nowhere/secrets: "),
        "{}",
        done.err
    );
}

#[test]
fn whom_this_machine_trusts_can_be_named_by_the_environment() {
    let (state, papers) = (folder(), Papers::new());
    let known = papers.authority("known");
    let signed = papers.certificate("signed", &["127.0.0.1"], 2099, Some(&known));
    let endpoint = format!("tls://127.0.0.1:0,{signed}");
    let served = serve_with(with_state(&["serve", "echo", &endpoint], &state));
    let mut command = with_state(&["talk", &format!("tls://{}", served.address), "hello"], &state);
    command.env("SSL_CERT_FILE", papers.path("known.pem"));
    let done = finish(command, b"");
    assert_eq!((done.code, &*done.out, &*done.err), (0, "hello\n", ""));
}
