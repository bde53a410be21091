//! Both sides show who they are and agree on a protocol, with the stacks of others in either role.

use std::process::Command;

use crate::papers::Papers;
use crate::peer::{Running, has, hobnob, succeeds};

/// A CA in `known.pem`, and certificates of it in `here.pem` and `client.pem`, with their keys.
struct Known {
    papers: Papers,
    here: String,
    client: String,
}

impl Known {
    fn new() -> Self {
        let papers = Papers::new();
        let known = papers.authority("known");
        let here = papers.certificate("here", &["localhost", "127.0.0.1"], 2099, Some(&known));
        let client = papers.certificate("client", &["client.test"], 2099, Some(&known));
        Known { papers, here, client }
    }

    fn file(&self, name: &str) -> String {
        self.papers.path(name).display().to_string()
    }

    /// A server of ours that asks for a certificate; and its port.
    fn served(&self, service: &str) -> (Running, String) {
        let (here, ca) = (&self.here, self.file("known.pem"));
        let endpoint = format!("tls://127.0.0.1:0,{here},client-ca={ca},alpn=http/1.1:h2");
        let mut server = Running::start(hobnob().args(["serve", service, &endpoint, "--json"]));
        let line = server.line();
        let (_, port) = line.split_once("\"addr\":\"127.0.0.1:").expect("an address");
        (server, port.split('"').next().unwrap_or_default().to_owned())
    }

    /// Talks to a server of others with what we have: a certificate or none.
    fn talk(&self, to: &str, own: &str) -> std::process::Output {
        let to = format!("{to},{},alpn=h2:spdy{own}", self.papers.ca("known"));
        let words = ["talk", "-v", "--retry", &to, "abc"];
        Running::start(hobnob().args(words)).finish()
    }
}

/// The next event of this type.
fn event(server: &mut Running, word: &str) -> String {
    loop {
        let line = server.line();
        if line.contains(&format!("\"type\":\"{word}\"")) {
            return line;
        }
    }
}

fn check_known(server: &mut Running) {
    let dressed = event(server, "dressed");
    assert!(dressed.contains("\"tls.alpn\":\"h2\""), "{dressed}");
    assert!(dressed.contains("\"tls.certificate\":\"client.test\""), "{dressed}");
    assert!(event(server, "close").contains("\"reason\":\"eof\""));
}

fn check_unknown(server: &mut Running) {
    let close = event(server, "close");
    assert!(close.contains("\"reason\":\"error\"") && close.contains("no certificate"), "{close}");
}

#[test]
fn openssl_shows_us_who_it_is() {
    if !has("tls::identities::openssl_shows_us_who_it_is", "openssl") {
        return;
    }
    let known = Known::new();
    let (mut server, port) = known.served("upper");
    let client = |own: &[String]| {
        let mut client = Command::new("openssl");
        client.args(["s_client", "-quiet", "-no_ign_eof", "-verify_return_error"]);
        client.args(["-alpn", "spdy,h2", "-connect", &format!("127.0.0.1:{port}")]);
        Running::start(client.args(["-CAfile", &known.file("known.pem")]).args(own))
    };
    let own = ["-cert", &known.file("client.pem"), "-key", &known.file("client.key")];
    let mut openssl = client(&own.map(str::to_owned));
    openssl.type_in("one\n");
    assert_eq!(openssl.line(), "ONE");
    assert!(openssl.finish().status.success());
    check_known(&mut server);
    // Its input stays open until it has ended by itself: with nothing to say it might leave before it is told.
    let mut refused = client(&[]);
    assert_eq!(refused.line(), "");
    let refused = refused.finish();
    assert!(String::from_utf8_lossy(&refused.stderr).contains("alert"), "{refused:?}");
    check_unknown(&mut server);
}

#[test]
fn we_show_openssl_who_we_are() {
    if !has("tls::identities::we_show_openssl_who_we_are", "openssl") {
        return;
    }
    let known = Known::new();
    for version in ["-tls1_2", "-tls1_3"] {
        let mut server = Command::new("openssl");
        server.args(["s_server", "-accept", "127.0.0.1:0", "-rev", "-alpn", "h2", version]);
        server.args(["-Verify", "1", "-verify_return_error", "-CAfile", &known.file("known.pem")]);
        server.args(["-cert", &known.file("here.pem"), "-key", &known.file("here.key")]);
        let mut server = Running::start(&mut server);
        let port = loop {
            if let Some((_, port)) = server.line().split_once("ACCEPT 127.0.0.1:") {
                break port.to_owned();
            }
        };
        let to = format!("tls://127.0.0.1:{port}");
        let output = known.talk(&to, &format!(",{}", known.client));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "cba\n", "{version}: {said}");
        assert!(said.contains("alpn h2"), "{version}: {said}");
        let output = known.talk(&to, "");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("error[tls-failed]"), "{version}: {said}");
        assert_eq!(output.status.code(), Some(7), "{version}: {said}");
        if version == "-tls1_2" {
            let output = known.talk(&to, &format!(",{},min=1.3", known.client));
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(said.contains("error[tls-failed]"), "{said}");
            assert_eq!(output.status.code(), Some(7), "{said}");
        }
    }
}

/// Connects to PORT with the CA in FILE, perhaps with a certificate and key; says a line and reads one.
const PYTHON_CLIENT: &str = "
import socket, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[2])
context.set_alpn_protocols(['spdy', 'h2'])
if sys.argv[3:]:
    context.load_cert_chain(sys.argv[3], sys.argv[4])
with socket.create_connection(('127.0.0.1', int(sys.argv[1]))) as plain:
    with context.wrap_socket(plain, server_hostname='localhost') as secure:
        try:
            secure.sendall(b'one\\n')
            print(secure.recv(100).decode().strip(), secure.selected_alpn_protocol())
            secure.unwrap()
        except ssl.SSLError as error:
            print(error.reason)
";

/// Serves two peers that must show a certificate of the CA in FILE; answers in capitals.
const PYTHON_SERVER: &str = "
import socket, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
context.load_verify_locations(sys.argv[3])
context.verify_mode = ssl.CERT_REQUIRED
context.set_alpn_protocols(['h2'])
with socket.create_server(('127.0.0.1', 0)) as door:
    print(door.getsockname()[1], flush=True)
    for _ in range(2):
        peer, _ = door.accept()
        try:
            with context.wrap_socket(peer, server_side=True) as secure:
                names = dict(secure.getpeercert()['subjectAltName'])
                print(names['DNS'], secure.selected_alpn_protocol(), flush=True)
                secure.sendall(secure.recv(100).upper())
                secure.unwrap()
        except ssl.SSLError as error:
            print(error.reason, flush=True)
";

#[test]
fn python_shows_us_who_it_is() {
    if !has("tls::identities::python_shows_us_who_it_is", "python3") {
        return;
    }
    let known = Known::new();
    let (mut server, port) = known.served("upper");
    let said = |own: &[String]| {
        let mut python = Command::new("python3");
        python.args(["-c", PYTHON_CLIENT, &port, &known.file("known.pem")]).args(own);
        succeeds(&mut python)
    };
    assert_eq!(said(&[known.file("client.pem"), known.file("client.key")]), "ONE h2\n");
    check_known(&mut server);
    assert!(said(&[]).contains("CERTIFICATE_REQUIRED"));
    check_unknown(&mut server);
}

#[test]
fn we_show_python_who_we_are() {
    if !has("tls::identities::we_show_python_who_we_are", "python3") {
        return;
    }
    let known = Known::new();
    let mut server = Command::new("python3");
    server.args(["-c", PYTHON_SERVER, &known.file("here.pem"), &known.file("here.key")]);
    let mut server = Running::start(server.arg(known.file("known.pem")));
    let to = format!("tls://127.0.0.1:{}", server.line());
    let output = known.talk(&to, &format!(",{}", known.client));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "ABC\n", "{output:?}");
    assert_eq!(server.line(), "client.test h2");
    let output = known.talk(&to, "");
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    assert_eq!(server.line(), "PEER_DID_NOT_RETURN_A_CERTIFICATE");
}

#[test]
fn curl_shows_us_who_it_is() {
    if !has("tls::identities::curl_shows_us_who_it_is", "curl") {
        return;
    }
    let known = Known::new();
    let (mut server, port) = known.served("http");
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--noproxy", "*", "--max-time", "20"]);
    curl.args(["--http1.1", "--cacert", &known.file("known.pem")]);
    curl.args(["--cert", &known.file("client.pem"), "--key", &known.file("client.key")]);
    assert_eq!(succeeds(curl.arg(format!("https://127.0.0.1:{port}/"))), "Hello, world!\n");
    let dressed = event(&mut server, "dressed");
    assert!(dressed.contains("\"tls.certificate\":\"client.test\""), "{dressed}");
    assert!(dressed.contains("\"tls.alpn\":\"http/1.1\""), "{dressed}");
}

/// It does not say which port it was given, so it has an address of its own.
#[test]
fn ncat_answers_us() {
    if !has("tls::identities::ncat_answers_us", "ncat") {
        return;
    }
    let known = Known::new();
    let process = std::process::id();
    let address = format!("127.77.{}.{}", process / 256 % 256, process % 256);
    let mut ncat = Command::new("ncat");
    ncat.args(["--ssl", "--listen", "--keep-open", "--exec", "/bin/cat", &address, "4433"]);
    ncat.args(["--ssl-cert", &known.file("here.pem"), "--ssl-key", &known.file("here.key")]);
    let _ncat = Running::start(&mut ncat);
    let output = known.talk(&format!("tls://{address}:4433,name=localhost"), "");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "abc\n", "{output:?}");
    let output = known.talk(&format!("tls://{address}:4433,name=elsewhere.test"), "");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("error[tls-name-mismatch]"), "{said}");
}
