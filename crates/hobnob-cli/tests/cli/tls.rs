//! TLS as a person meets it: what is suggested works, what goes wrong is told, and what is not checked is loud.

use std::process::Command;

use tempfile::TempDir;

use crate::kit::{Done, finish, folder, hobnob, serve_with};
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
    let path = state.path().join("x.sock");
    for endpoint in [
        "tls://127.0.0.1:0".to_owned(),
        "tls://:0".to_owned(),
        "tls://0.0.0.0:0,min=1.3,alpn=one:two".to_owned(),
        "lines+tls://:0,max=9,nodelay,allow=0.0.0.0/0,allow=::/0".to_owned(),
        format!("tls+unix:{}", path.display()),
        format!("tls://127.0.0.1:0,{by_hand}"),
        format!("tls://:0,{signed}"),
        "tcp://127.0.0.1:0,backlog=7".to_owned(),
    ] {
        let served = serve_with(with_state(&["serve", "echo", &endpoint], &state));
        let line = &served.banner;
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
