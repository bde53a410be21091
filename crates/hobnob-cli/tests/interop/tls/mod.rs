//! TLS with the stacks of others: OpenSSL by its own program, curl, Python's `ssl`, ncat.

mod identities;
mod keys;
mod names;

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::peer::{Running, has, hobnob, succeeds};

/// A folder with the development CA, and a server of ours with a certificate of it.
struct Served {
    folder: TempDir,
    server: Running,
    port: String,
}

impl Served {
    fn start(words: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let endpoint = "tls://127.0.0.1:0";
        let mut command = hobnob();
        command.arg("serve").arg(words[0]).arg(endpoint).args(&words[1..]).arg("--json");
        command.env("XDG_STATE_HOME", folder.path());
        command.env("SSLKEYLOGFILE", folder.path().join("secrets"));
        let mut server = Running::start(&mut command);
        let port = loop {
            let line = server.line();
            if let Some((_, rest)) = line.split_once("\"addr\":\"127.0.0.1:") {
                break rest.split('"').next().unwrap_or_default().to_owned();
            }
        };
        Served { folder, server, port }
    }

    /// The file of the CA.
    fn authority(&self) -> PathBuf {
        self.folder.path().join("hobnob/dev-ca.pem")
    }

    /// Waits until it is told which name of a client was ignored.
    fn ignored(&mut self) -> String {
        loop {
            let line = self.server.line();
            if let Some((_, rest)) = line.split_once("\"tls.ignored\":\"") {
                return rest.split('"').next().unwrap_or_default().to_owned();
            }
        }
    }

    /// Waits until a session is over, and how.
    fn reason(&mut self) -> String {
        loop {
            let line = self.server.line();
            if let Some((_, rest)) = line.split_once("\"reason\":\"") {
                return rest.split('"').next().unwrap_or_default().to_owned();
            }
        }
    }
}

/// A certificate as everybody makes one by hand: it is its own CA.
pub(crate) fn by_hand(folder: &TempDir) -> (PathBuf, PathBuf) {
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let mut command = Command::new("openssl");
    command.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]);
    command.args(["-nodes", "-days", "30", "-subj", "/CN=localhost"]);
    command.args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]);
    succeeds(command.arg("-out").arg(&cert).arg("-keyout").arg(&key));
    (cert, key)
}

#[test]
fn openssl_trusts_us_and_gets_its_bytes_back() {
    if !has("tls::openssl_trusts_us_and_gets_its_bytes_back", "openssl") {
        return;
    }
    for (version, label) in [("-tls1_2", "CLIENT_RANDOM"), ("-tls1_3", "CLIENT_TRAFFIC_SECRET_0")] {
        let mut served = Served::start(&["echo"]);
        let mut client = Command::new("openssl");
        client.args(["s_client", "-quiet", "-no_ign_eof", "-verify_return_error", version]);
        client.args(["-verify_hostname", "localhost", "-x509_strict"]);
        client.arg("-connect").arg(format!("127.0.0.1:{}", served.port));
        let mut client = Running::start(client.arg("-CAfile").arg(served.authority()));
        client.type_in("one\n");
        assert_eq!(client.line(), "one", "{version}");
        assert!(client.finish().status.success(), "{version}");
        assert_eq!(served.reason(), "eof", "{version}");
        let secrets = std::fs::read_to_string(served.folder.path().join("secrets"));
        assert!(secrets.expect("the key log").contains(&format!("{label} ")), "{version}");
    }
}

#[test]
fn openssl_answers_us() {
    if !has("tls::openssl_answers_us", "openssl") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (cert, key) = by_hand(&folder);
    let mut server = Command::new("openssl");
    server.args(["s_server", "-accept", "127.0.0.1:0", "-rev", "-naccept", "3"]);
    let mut server = Running::start(server.arg("-cert").arg(&cert).arg("-key").arg(key));
    let port = loop {
        if let Some((_, port)) = server.line().split_once("ACCEPT 127.0.0.1:") {
            break port.to_owned();
        }
    };
    let talk = |settings: &str| {
        let to = format!("tls://127.0.0.1:{port},{settings}");
        Running::start(hobnob().args(["talk", &to, "abc"])).finish()
    };
    let output = talk(&format!("ca={}", cert.display()));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "cba\n", "{said}");
    let output = talk("insecure");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "cba\n", "{said}");
    assert!(said.contains("NOT CHECKING who 127.0.0.1 is"), "{said}");
    let output = talk("min=1.3");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("error[tls-untrusted]") && said.contains("self-signed"), "{said}");
    assert_eq!(output.status.code(), Some(7), "{said}");
}

#[test]
fn curl_gets_a_page() {
    if !has("tls::curl_gets_a_page", "curl") {
        return;
    }
    let page = "HTTP/1.0 200 OK\\r\\n\\r\\nhello over TLS";
    let served = Served::start(&["reply", "--reply", page]);
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--noproxy", "*", "--max-time", "20", "--cacert"]);
    curl.arg(served.authority()).arg(format!("https://localhost:{}/", served.port));
    assert_eq!(succeeds(curl.arg("--ipv4")), "hello over TLS");
    let secrets = std::fs::read_to_string(served.folder.path().join("secrets"));
    assert!(secrets.expect("the key log").contains("SERVER_TRAFFIC_SECRET_0"));
}

/// Connects to PORT with the CA in FILE, sends, closes its side in order and reads to the end.
const PYTHON_CLIENT: &str = "
import socket, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[2])
with socket.create_connection(('127.0.0.1', int(sys.argv[1]))) as plain:
    with context.wrap_socket(plain, server_hostname='localhost') as secure:
        secure.sendall(b'x' * 100000)
        heard = b''
        while len(heard) < 100000:
            heard += secure.recv(65536)
        secure.unwrap()
        print(secure.version() or 'closed', len(heard))
";

/// Serves one peer with the certificate in FILE and the key in FILE; answers in capitals, ends in order.
const PYTHON_SERVER: &str = "
import socket, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
with socket.create_server(('127.0.0.1', 0)) as door:
    print(door.getsockname()[1], flush=True)
    peer, _ = door.accept()
    with context.wrap_socket(peer, server_side=True) as secure:
        secure.sendall(secure.recv(100).upper())
        if sys.argv[3] == 'in-order':
            secure.unwrap()
";

#[test]
fn python_gets_its_bytes_back() {
    if !has("tls::python_gets_its_bytes_back", "python3") {
        return;
    }
    let mut served = Served::start(&["echo"]);
    let mut python = Command::new("python3");
    let said = succeeds(
        python.args(["-c", PYTHON_CLIENT, &served.port]).arg(served.authority().as_os_str()),
    );
    assert!(said.trim_end().ends_with(" 100000"), "{said}");
    assert_eq!(served.reason(), "eof");
}

#[test]
fn python_answers_us_and_its_hasty_end_is_told() {
    let test = "tls::python_answers_us_and_its_hasty_end_is_told";
    if !has(test, "python3") || !has(test, "openssl") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (cert, key) = by_hand(&folder);
    for (manner, code) in [("in-order", 0), ("in-haste", 7)] {
        let mut server = Command::new("python3");
        server.args(["-c", PYTHON_SERVER]).arg(&cert).arg(&key).arg(manner);
        let mut server = Running::start(&mut server);
        let to = format!("tls://localhost:{},ca={}", server.line(), cert.display());
        let output = Running::start(hobnob().args(["talk", "-4", &to, "abc"])).finish();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "ABC\n", "{manner}: {said}");
        assert_eq!(output.status.code(), Some(code), "{manner}: {said}");
        assert_eq!(said.contains("error[tls-truncated]"), code == 7, "{manner}: {said}");
    }
}

#[test]
fn ncat_trusts_us() {
    if !has("tls::ncat_trusts_us", "ncat") {
        return;
    }
    let served = Served::start(&["upper"]);
    let mut ncat = Command::new("ncat");
    ncat.args(["--ssl", "--ssl-verify", "--ssl-trustfile"]).arg(served.authority());
    let mut ncat = Running::start(ncat.args(["localhost", &served.port]));
    ncat.type_in("one\n");
    assert_eq!(ncat.line(), "ONE");
}
