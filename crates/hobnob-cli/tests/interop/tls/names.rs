//! Clients that ask for what is no host name, and that end without goodbye: OpenSSL takes both, and so do we.

use std::process::Command;

use super::Served;
use crate::peer::{Running, has, hobnob, succeeds};

#[test]
fn a_name_that_is_no_host_name_is_ignored_and_told() {
    if !has("tls::names::a_name_that_is_no_host_name_is_ignored_and_told", "openssl") {
        return;
    }
    let mut served = Served::start(&["echo"]);
    // The last group is one that we do not speak: the client is asked to begin again.
    for (version, groups) in
        [("-tls1_2", "X25519:P-256"), ("-tls1_3", "X25519"), ("-tls1_3", "P-521:X25519")]
    {
        for name in ["localhost:8443", "[::1]", "127.0.0.1"] {
            let mut client = Command::new("openssl");
            client.args(["s_client", "-quiet", "-no_ign_eof", "-verify_return_error", version]);
            client.args(["-groups", groups, "-servername", name]);
            client.arg("-connect").arg(format!("127.0.0.1:{}", served.port));
            let mut client = Running::start(client.arg("-CAfile").arg(served.authority()));
            client.type_in("one\n");
            assert_eq!(client.line(), "one", "{version} {groups} {name}");
            assert!(client.finish().status.success(), "{version} {groups} {name}");
            let told = served.ignored();
            assert_eq!(told, format!("{name}: no host name"), "{version} {groups}");
        }
    }
}

/// It asks for a name with a port in it, which no host name has.
#[test]
fn hey_gets_all_its_answers() {
    if !has("tls::names::hey_gets_all_its_answers", "hey") {
        return;
    }
    for (flags, says) in [
        (&["-n", "40", "-c", "4"][..], "[200]\t40 responses"),
        (&["-n", "40", "-c", "4", "-disable-keepalive"], "[200]\t40 responses"),
        (&["-n", "40", "-c", "4", "-h2"], "[200]\t40 responses"),
        (&["-n", "8", "-c", "4", "-m", "POST", "-d", "hello"], "[200]\t8 responses"),
    ] {
        let mut served = Served::start(&["http"]);
        let to = format!("https://127.0.0.1:{}/", served.port);
        let told = succeeds(Command::new("hey").args(flags).arg(&to));
        assert!(told.contains(says) && !told.contains("Error distribution"), "{flags:?}: {told}");
        assert_eq!(served.ignored(), format!("127.0.0.1:{}: no host name", served.port));
    }
}

/// A session that is taken up again agrees on a hash of the first message too.
#[test]
fn a_session_is_taken_up_again_under_such_a_name() {
    if !has("tls::names::a_session_is_taken_up_again_under_such_a_name", "openssl") {
        return;
    }
    let served = Served::start(&["echo"]);
    let kept = served.folder.path().join("session");
    for way in ["-sess_out", "-sess_in"] {
        let mut client = Command::new("openssl");
        client.args(["s_client", "-no_ign_eof", "-servername", "localhost:8443", way]);
        client.arg(&kept).arg("-connect").arg(format!("127.0.0.1:{}", served.port));
        let mut client = Running::start(client.arg("-CAfile").arg(served.authority()));
        client.type_in("one\n");
        while client.line() != "one" {}
        assert!(client.finish().status.success(), "{way}");
    }
}

#[test]
fn ncat_ends_without_goodbye_and_gets_its_answer() {
    if !has("tls::names::ncat_ends_without_goodbye_and_gets_its_answer", "ncat") {
        return;
    }
    let mut served = Served::start(&["upper"]);
    for _ in 0..6 {
        let mut client = Command::new("sh");
        let line = format!("printf 'hello\\n' | ncat --ssl 127.0.0.1 {}", served.port);
        assert_eq!(succeeds(client.args(["-c", &line])), "HELLO\n");
        assert_eq!(served.reason(), "error", "never as complete");
    }
    let to = format!("tls://127.0.0.1:{},insecure", served.port);
    assert!(Running::start(hobnob().args(["talk", &to, "x"])).finish().status.success());
}
