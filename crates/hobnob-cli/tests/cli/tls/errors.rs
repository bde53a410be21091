//! Every way in which TLS fails, each made to happen: what is said, the exit code, and the event.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;

use crate::errors::{fails_by, snapshot};
use crate::kit::{Bounded, Done, Served, code, finish, hobnob, serve, signal, steady};
use crate::papers::Papers;

/// What was said, without what differs from run to run.
fn told(done: &Done) -> Done {
    let is_print = |word: &str| word.len() == 64 && word.bytes().all(|b| b.is_ascii_hexdigit());
    let shown = |word| if is_print(word) { "SHA-256" } else { word };
    let mut err = String::new();
    for line in done.err.lines() {
        let line = line.split(' ').map(shown).collect::<Vec<_>>().join(" ");
        let is_age = line.ends_with(" days ago");
        err.push_str(if is_age { "  why    N days ago" } else { &line });
        err.push('\n');
    }
    Done { code: done.code, out: done.out.clone(), err: steady(&err) }
}

/// Runs it in the folder of the papers, whose name is of no matter then.
fn check(papers: &Papers, name: &str, words: &[&str]) {
    let folder = papers.path("").display().to_string();
    let words: Vec<_> = words.iter().map(|word| word.replace(&folder, "")).collect();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let done = fails_by(&format!("tls-{name}"), &mut |flags| {
        let mut command = hobnob(&[&words, flags].concat());
        command.current_dir(&folder);
        finish(command, b"x")
    });
    snapshot(&format!("tls-{name}"), &told(&done));
}

fn served(settings: &str) -> Served {
    serve(&["echo", &format!("tls://127.0.0.1:0,{settings}"), "--json"])
}

#[test]
fn certificates_that_are_not_taken() {
    let papers = Papers::new();
    let known = papers.authority("known");
    let here = ["127.0.0.1"];
    let other = papers.certificate("other", &["db.test", "*.db.test"], 2099, Some(&known));
    let old = papers.certificate("old", &here, 2021, Some(&known));
    let own = papers.certificate("own", &here, 2099, None);
    let stranger = papers.certificate("stranger", &here, 2099, Some(&papers.authority("unknown")));
    for (name, settings, trusted) in [
        ("name-mismatch", other, papers.ca("known")),
        ("expired", old, papers.ca("known")),
        ("self-signed", own, papers.ca("known")),
        ("untrusted", stranger, papers.ca("known")),
        ("dev-untrusted", papers.listening(), papers.ca("known")),
        ("no-alternative-name", papers.nameless("nameless"), papers.ca("nameless")),
        ("version-1", papers.of_version_1(), papers.ca("known")),
    ] {
        let served = served(&settings);
        check(&papers, name, &["talk", &format!("tls://{},{trusted}", served.address)]);
        // And it is seen from the other side.
        let close = served.out.until(r#""type":"close""#);
        assert!(close.contains(r#""reason":"error""#) && close.contains("TLS alert"), "{close}");
    }
    let served = served(&papers.listening());
    let to = format!("tls://{},{}", served.address, papers.dialling());
    assert_eq!(crate::kit::run(&["talk", &to, "x"]).out, "x\n");
}

#[test]
fn peers_that_refuse() {
    let papers = Papers::new();
    let known = papers.authority("known");
    let here = papers.certificate("here", &["127.0.0.1"], 2099, Some(&known));
    let asking = format!("{here},client-ca={}", papers.path("known.pem").display());
    let served = served(&asking);
    let to = format!("tls://{},{}", served.address, papers.ca("known"));
    check(&papers, "client-certificate", &["talk", &to]);
    // A peer that knows none of our versions says so with an alert: fatal, protocol_version.
    let to = answering(&[21, 3, 3, 0, 2, 2, 70], 2);
    check(&papers, "version", &["talk", &format!("tls://{to},min=1.3,insecure"), "-q"]);
}

/// A peer that says the same to each that comes, whatever it says, and then ends.
fn answering(said: &'static [u8], times: usize) -> String {
    let door = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = door.local_addr().expect("it is bound").to_string();
    std::thread::spawn(move || {
        for _ in 0..times {
            let (mut peer, _) = door.accept().expect("it comes");
            let _ = peer.read(&mut [0; 4_096]);
            let _ = peer.write_all(said);
            let _ = peer.shutdown(std::net::Shutdown::Write);
            let _ = peer.read_to_end(&mut Vec::new());
        }
    });
    address
}

#[test]
fn peers_that_speak_something_else() {
    let papers = Papers::new();
    let to = answering(b"220 mail.test ESMTP \x1b[2J\r\n", 2);
    check(&papers, "not-tls", &["talk", &format!("tls://{to}")]);
    let to = answering(b"", 2);
    check(&papers, "closed", &["talk", &format!("tls://{to}")]);
}

/// The peer is killed: the kernel ends its connection in order, and TLS has not ended.
#[test]
fn an_end_without_the_end_of_tls() {
    let papers = Papers::new();
    let done = fails_by("tls-truncated", &mut |flags| {
        let served = served(&papers.listening());
        let to = format!("tls://{},{}", served.address, papers.dialling());
        let mut command = hobnob(&[&["talk", &to], flags].concat());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary is there");
        let mut input = child.stdin.take().expect("piped");
        let (mut out, mut err) =
            (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
        let child = Bounded::of(child);
        input.write_all(b"x\n").expect("it reads");
        served.out.until(r#""dir":"out""#);
        let mut text = vec![0; 2];
        out.read_exact(&mut text).expect("the answer");
        signal(served.child.id(), "KILL");
        served.child.wait();
        out.read_to_end(&mut text).expect("it ends");
        let mut said = String::new();
        err.read_to_string(&mut said).expect("it ends");
        Done { code: code(child.wait()), out: String::from_utf8(text).expect("text"), err: said }
    });
    assert_eq!(done.out, "x\n", "what came is there");
    snapshot("tls-truncated", &told(&done));
}

#[test]
fn files_that_are_of_no_use() {
    let papers = Papers::new();
    let one = papers.certificate("one", &["a.test"], 2099, None);
    papers.certificate("two", &["b.test"], 2099, None);
    let file = |name: &str| papers.path(name).display().to_string();
    std::fs::write(papers.path("text.pem"), "no such thing").expect("there is room");
    let cert = one.split(',').next().expect("cert");
    for (name, settings) in [
        ("no-cert-file", format!("cert={}", file("none.pem"))),
        ("no-key-file", format!("{cert},key={}", file("none.key"))),
        ("no-key", cert.to_owned()),
        ("no-certificate", format!("cert={}", file("text.pem"))),
        ("key-of-another", format!("{cert},key={}", file("two.key"))),
        ("key-alone", format!("key={}", file("one.key"))),
        ("no-ca-file", format!("{one},client-ca={}", file("none.pem"))),
    ] {
        let endpoint = format!("tls://127.0.0.1:0,{settings}");
        check(&papers, name, &["serve", "echo", &endpoint, "--for", "1ms"]);
    }
    check(&papers, "no-ca", &["talk", &format!("tls://127.0.0.1:9,ca={}", file("none.pem"))]);
}

#[test]
fn plain_text_on_a_tls_port() {
    let papers = Papers::new();
    let served = served(&papers.listening());
    for (said, told) in
        [(&b"GET / HTTP/1.1\r\n\r\n"[..], "not in TLS"), (b"\x1b[2Jhello there\n", "not in TLS")]
    {
        let mut peer = TcpStream::connect(&served.address).expect("it listens");
        peer.write_all(said).expect("it is open");
        peer.shutdown(std::net::Shutdown::Write).expect("it is open");
        let close = served.out.until(r#""type":"close""#);
        let close: serde_json::Value = serde_json::from_str(&close).expect("JSON");
        assert_eq!(close["reason"], "error", "{close}");
        assert!(close["detail"].as_str().is_some_and(|text| text.contains(told)), "{close}");
    }
}

#[test]
fn silence_in_the_handshake() {
    let papers = Papers::new();
    let endpoint = format!("tls://127.0.0.1:0,{}", papers.listening());
    let served = serve(&["echo", &endpoint, "--json", "--timeout", "100ms"]);
    let _silent = TcpStream::connect(&served.address).expect("it listens");
    let close = served.out.until(r#""type":"close""#);
    let close: serde_json::Value = serde_json::from_str(&close).expect("JSON");
    assert_eq!(
        (close["reason"].as_str(), close["limit"].as_str()),
        (Some("timeout"), Some("handshake"))
    );
    let door = TcpListener::bind("127.0.0.1:0").expect("a port");
    let to = format!("tls://{},insecure", door.local_addr().expect("it is bound"));
    check(&papers, "silence", &["talk", &to, "-q", "--timeout", "100ms"]);
}
