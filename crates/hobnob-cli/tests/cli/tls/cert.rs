//! `hobnob cert`: what it makes is taken, what it proposes works, and nothing of others is overwritten.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::with_state;
use crate::kit::{Done, finish, folder, serve_with};

fn cert(words: &[&str], state: &tempfile::TempDir) -> Done {
    let mut command = with_state(&[&["cert"], words].concat(), state);
    command.current_dir(state.path());
    finish(command, b"")
}

fn mode(path: &std::path::Path) -> u32 {
    fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

#[test]
fn the_ca_is_shown_with_its_fingerprint() {
    let state = folder();
    let path = state.path().join("hobnob/dev-ca.pem").display().to_string();
    let done = cert(&[], &state);
    assert_eq!((done.code, &*done.err), (0, ""));
    assert!(done.out.contains(&path) && done.out.contains("ca=dev"), "{}", done.out);
    let told: serde_json::Value =
        serde_json::from_str(&cert(&["--json"], &state).out).expect("JSON");
    assert_eq!(told["ca"], path);
    let print = told["fingerprint"].as_str().expect("text");
    assert!(print.len() == 64 && done.out.contains(print), "{}", done.out);
}

/// A server and a client, each with a certificate that was made so, trust each other.
#[test]
fn what_was_made_for_both_sides_is_taken_by_both() {
    let state = folder();
    for words in [&["localhost", "127.0.0.1", "::1"][..], &["client", "alice"], &["client"]] {
        let done = cert(words, &state);
        assert_eq!((done.code, &*done.err), (0, ""), "{words:?}");
    }
    for (name, expected) in [
        ("localhost.pem", 0o644),
        ("localhost-key.pem", 0o600),
        ("alice.pem", 0o644),
        ("alice-key.pem", 0o600),
        ("client-key.pem", 0o600),
    ] {
        let own = mode(&state.path().join(name));
        assert_eq!(own & 0o600, 0o600, "{name}");
        assert_eq!(own & !expected, 0, "{name} is {own:o}");
    }
    let at = "tls://127.0.0.1:0,cert=localhost.pem,key=localhost-key.pem,client-ca=dev";
    let mut command = with_state(&["serve", "echo", at, "--json"], &state);
    command.current_dir(state.path());
    let served = serve_with(command);
    let to = format!("tls://{},ca=dev,cert=alice.pem,key=alice-key.pem", served.address);
    let mut command = with_state(&["talk", &to, "hello"], &state);
    command.current_dir(state.path());
    let done = finish(command, b"");
    assert_eq!((done.code, &*done.out), (0, "hello\n"), "{}", done.err);
    let dressed = served.out.until(r#""type":"dressed""#);
    assert!(dressed.contains(r#""tls.certificate":"alice""#), "{dressed}");
}

#[test]
fn what_is_there_stays_unless_it_is_forced() {
    let state = folder();
    assert_eq!(cert(&["a.test"], &state).code, 0);
    let path = state.path().join("a.test.pem");
    let first = fs::read(&path).expect("it is there");
    let done = cert(&["a.test"], &state);
    assert!(done.err.starts_with("error[file-exists]"), "{}", done.err);
    assert!(done.err.contains("--force"), "{}", done.err);
    assert_eq!(fs::read(&path).expect("it stays"), first);
    let key = state.path().join("a.test-key.pem");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o666)).expect("it is ours");
    assert_eq!(cert(&["a.test", "--force"], &state).code, 0);
    assert_ne!(fs::read(&path).expect("it is there"), first);
    assert_eq!(mode(&key), 0o600);
}

#[test]
fn what_is_no_name_makes_no_file() {
    let state = folder();
    for words in [&["../x"][..], &["a b"], &["localhost:8443"], &["client", "a/b"]] {
        let done = cert(words, &state);
        assert!(done.err.starts_with("error[bad-option]"), "{words:?}: {}{}", done.out, done.err);
        assert!(done.err.contains("\n  try    "), "{}", done.err);
    }
    let left = fs::read_dir(state.path()).expect("a folder");
    assert_eq!(left.count(), 1, "the CA's folder alone");
    assert_eq!(cert(&["client", "a", "b"], &state).code, 2);
}

/// Beside what we made ourselves stands how another program reaches it.
#[test]
fn another_program_is_told_whom_to_trust() {
    let state = folder();
    let ca = state.path().join("hobnob/dev-ca.pem").display().to_string();
    for (service, endpoint, expected) in [
        ("http", "https://127.0.0.1:0", format!("curl --cacert {ca} https://127.0.0.1:")),
        ("echo", "tls://127.0.0.1:0", format!("openssl s_client -quiet -CAfile {ca} -connect ")),
    ] {
        let served = serve_with(with_state(&["serve", service, endpoint], &state));
        let (_, said) = served.stop("TERM");
        let said = said.join("\n");
        assert!(said.contains(&expected), "{said}");
    }
}
